//! Configuration from the environment. Nothing here is secret: the provider's key is in `config.json`, the
//! client secret in the database.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use control_api::ids::InstanceId;
use service_kit::env::{ConfigError, EnvReader};
use url::Url;

/// Where the app listens unless it is told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8080);

/// How this instance is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder below which everything is written.
    pub data: PathBuf,
    /// `config.json`: the provider.
    pub provider_file: PathBuf,
    /// The issuer's identifier, exactly as it stands in tokens, and its address.
    pub issuer: Origin,
    /// Who this instance is: the audience of its assertions.
    pub instance_id: InstanceId,
    /// The origin at which browsers see this instance, where it is known.
    pub public_origin: Option<Origin>,
    /// The portal's origin, where it is known: its provider page is then linked to.
    pub portal_origin: Option<Origin>,
    /// How long a provider may take.
    pub timeouts: Timeouts,
}

/// How long a provider may take until the chat says that it does not answer.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// From the request to the answer's head.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_mins(1),
            idle: Duration::from_mins(1),
        }
    }
}

/// An http or https origin without a path, exactly as it was written (but for a trailing slash), because an
/// issuer is compared as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// As text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.host().is_some()
                && url.path() == "/"
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        match Url::parse(text) {
            Ok(url) if plain(&url) => Ok(Self(text.to_owned())),
            _ => Err("must be an origin such as http://alice.localhost:8088, without a path"),
        }
    }
}

impl Config {
    /// Reads the environment; all faults at once.
    pub fn from_env(mut env: EnvReader) -> Result<Self, ConfigError> {
        let config = Self {
            listen: env.parse_or("APP_LISTEN", DEFAULT_LISTEN),
            data: env.parse_or("APP_DATA", PathBuf::from("/data")),
            provider_file: env.parse_or("APP_CONFIG", PathBuf::from("/config/config.json")),
            issuer: env.parse_required("AUTHZ_ISSUER", Origin::default()),
            instance_id: env.parse_required("BEAVER_INSTANCE_ID", InstanceId::generate()),
            public_origin: env.parse_optional("BEAVER_PUBLIC_URL"),
            portal_origin: env.parse_optional("BEAVER_PORTAL_URL"),
            timeouts: Timeouts::default(),
        };
        env.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_container() {
        let config = Config::from_env(EnvReader::from_pairs([
            ("AUTHZ_ISSUER", "http://beaver-authz-service:19090"),
            ("BEAVER_INSTANCE_ID", "01JDF3X5S8Q4M7R2V6T9W0YZAB"),
        ]))
        .expect("a configuration");
        assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.data, PathBuf::from("/data"));
        assert_eq!(config.provider_file, PathBuf::from("/config/config.json"));
        assert_eq!(config.issuer.as_str(), "http://beaver-authz-service:19090");
        assert_eq!(config.portal_origin, None);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = Config::from_env(EnvReader::from_pairs([
            ("BEAVER_INSTANCE_ID", "nonsense"),
            ("APP_LISTEN", "nonsense"),
            ("BEAVER_PUBLIC_URL", "http://alice.localhost/path"),
        ]))
        .expect_err("faults");
        let text = faults.to_string();
        for name in ["AUTHZ_ISSUER", "BEAVER_INSTANCE_ID", "APP_LISTEN", "BEAVER_PUBLIC_URL"] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }
}

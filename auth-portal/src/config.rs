//! The portal's configuration, from the environment. The public origin decides two things that must agree
//! with what browsers see: how cookies are named and which `Origin` a form may come from.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use control_api::public_url::PublicUrl;
use service_kit::client_addr::TrustedProxies;
use service_kit::env::{ConfigError, EnvReader};
use service_kit::secret::Secret;
use url::Url;

/// Where browsers are served by default.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3081);
/// Where health and metrics are served by default.
pub(crate) const DEFAULT_ADMIN_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3082);
/// Shortest token between services.
const TOKEN_MIN: usize = 32;

/// All that the portal is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where browsers are served: `PORTAL_LISTEN`.
    pub listen: SocketAddr,
    /// Where health and metrics are served: `PORTAL_ADMIN_LISTEN`.
    pub admin_listen: SocketAddr,
    /// The portal's own origin as browsers see it: `PORTAL_PUBLIC_URL`.
    pub public: PublicOrigin,
    /// How instances are reached: browsers may be sent there after a form.
    pub instances: PublicUrl,
    /// authz-service: `BEAVER_AUTHZ_URL`.
    pub authz_url: Url,
    /// Opens authz-service: `AUTHZ_INTERNAL_TOKEN`.
    pub authz_token: Secret<String>,
    /// deploy-control: `BEAVER_DEPLOY_URL`.
    pub deploy_url: Url,
    /// Opens deploy-control: `DEPLOY_API_TOKEN`.
    pub deploy_token: Secret<String>,
    /// Whose `X-Forwarded-For` is believed: `BEAVER_TRUSTED_PROXIES`.
    pub trusted_proxies: TrustedProxies,
}

impl Config {
    /// Reads the environment and reports every fault at once.
    pub fn from_env(env: &mut EnvReader) -> Result<Self, ConfigError> {
        let config = Self {
            listen: env.parse_or("PORTAL_LISTEN", DEFAULT_LISTEN),
            admin_listen: env.parse_or("PORTAL_ADMIN_LISTEN", DEFAULT_ADMIN_LISTEN),
            public: env.parse_or("PORTAL_PUBLIC_URL", PublicOrigin("http://localhost:3081".to_owned())),
            instances: PublicUrl::from_env(env),
            authz_url: service_url(env, "BEAVER_AUTHZ_URL", 19090),
            authz_token: env.secret("AUTHZ_INTERNAL_TOKEN", TOKEN_MIN),
            deploy_url: service_url(env, "BEAVER_DEPLOY_URL", 8090),
            deploy_token: env.secret("DEPLOY_API_TOKEN", TOKEN_MIN),
            trusted_proxies: env.parse_or("BEAVER_TRUSTED_PROXIES", TrustedProxies::default()),
        };
        if config.listen == config.admin_listen && config.listen.port() != 0 {
            env.fault("PORTAL_ADMIN_LISTEN", "must differ from PORTAL_LISTEN");
        }
        std::mem::take(env).finish(config)
    }
}

/// A neighbour's origin; the default is its port on loopback.
fn service_url(env: &mut EnvReader, name: &str, port: u16) -> Url {
    let text = env.text(name).unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
    let url = Url::parse(&text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/");
    if url.is_none() {
        env.fault(name, "must be an origin such as http://127.0.0.1:8090");
    }
    // Stands in until the fault is reported.
    url.unwrap_or_else(|| Url::from(SocketOrigin(port)))
}

/// A loopback origin that needs no parsing of foreign text.
struct SocketOrigin(u16);

impl From<SocketOrigin> for Url {
    fn from(origin: SocketOrigin) -> Self {
        #[expect(clippy::expect_used, reason = "a literal with a number in it is a URL")]
        Self::parse(&format!("http://127.0.0.1:{}", origin.0)).expect("a literal URL")
    }
}

/// The portal's origin in the form of an `Origin` header: scheme, host and port, default ports left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigin(String);

impl PublicOrigin {
    /// As a browser writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether browsers come over TLS.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl FromStr for PublicOrigin {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "must be an origin such as https://portal.example.com, without a path";
        let url = Url::parse(text).map_err(|_| WANTED)?;
        let plain = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if matches!(url.scheme(), "http" | "https") && url.has_host() && plain {
            Ok(Self(url.origin().ascii_serialization()))
        } else {
            Err(WANTED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> EnvReader {
        let token = "t".repeat(32);
        let base = [("AUTHZ_INTERNAL_TOKEN", token.as_str()), ("DEPLOY_API_TOKEN", token.as_str())];
        EnvReader::from_pairs(base.iter().chain(pairs).map(|(k, v)| (*k, *v)))
    }

    #[test]
    fn the_defaults_serve_one_machine() {
        let config = Config::from_env(&mut env(&[])).expect("a configuration");
        assert_eq!(config.listen.to_string(), "127.0.0.1:3081");
        assert_eq!(config.public.as_str(), "http://localhost:3081");
        assert_eq!(config.authz_url.as_str(), "http://127.0.0.1:19090/");
        assert!(!config.public.is_https());
    }

    #[test]
    fn every_fault_is_told_and_no_token_shown() {
        let mut env = env(&[
            ("PORTAL_PUBLIC_URL", "https://portal.example.com/path"),
            ("BEAVER_DEPLOY_URL", "unix:/x"),
            ("AUTHZ_INTERNAL_TOKEN", "short-s3cret"),
            ("PORTAL_ADMIN_LISTEN", "127.0.0.1:3081"),
        ]);
        let error = Config::from_env(&mut env).expect_err("four faults").to_string();
        for name in ["PORTAL_PUBLIC_URL", "BEAVER_DEPLOY_URL", "AUTHZ_INTERNAL_TOKEN", "PORTAL_ADMIN_LISTEN"]
        {
            assert!(error.contains(name), "{name} in {error}");
        }
        assert!(!error.contains("s3cret"));
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        let origin = |text: &str| text.parse::<PublicOrigin>().map(|o| o.as_str().to_owned());
        assert_eq!(origin("https://Portal.Example.com:443/"), Ok("https://portal.example.com".to_owned()));
        assert_eq!(origin("http://localhost:3081"), Ok("http://localhost:3081".to_owned()));
        for bad in ["", "portal.example.com", "https://u:p@x", "https://x/?q", "javascript:alert(1)"] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}

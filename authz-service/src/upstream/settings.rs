//! The upstream as the environment names it.

use service_kit::env::EnvReader;
use service_kit::secret::Secret;
use url::{Host, Url};

const ISSUER: &str = "BEAVER_UPSTREAM_ISSUER";
const CLIENT_ID: &str = "BEAVER_UPSTREAM_CLIENT_ID";
const CLIENT_SECRET: &str = "BEAVER_UPSTREAM_CLIENT_SECRET";
const NAME: &str = "BEAVER_UPSTREAM_NAME";
const SCOPES: &str = "BEAVER_UPSTREAM_SCOPES";
const DEFAULT_SCOPES: &str = "openid profile email";
const SECRET_MIN: usize = 16;
/// It stands on a button.
const NAME_MAX: usize = 40;

/// An issuer at which people may sign in, and the client that we are there.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Compared as text with what discovery and tokens say.
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret<String>,
    /// What people know it by.
    pub(crate) name: String,
    /// Separated by spaces; `openid` is one of them.
    pub(crate) scopes: String,
}

impl UpstreamSettings {
    /// Reads the environment; nothing where no variable is set.
    pub fn from_env(env: &mut EnvReader) -> Option<Self> {
        let others = [CLIENT_ID, CLIENT_SECRET, NAME, SCOPES];
        let Some(issuer) = env.text(ISSUER) else {
            for name in others {
                if env.text(name).is_some() {
                    env.fault(name, "has no effect without BEAVER_UPSTREAM_ISSUER");
                }
            }
            return None;
        };
        let host = match issuer_host(&issuer) {
            Ok(host) => host,
            Err(reason) => {
                env.fault(ISSUER, reason);
                String::new()
            }
        };
        let client_id = env.text(CLIENT_ID).unwrap_or_default();
        if client_id.is_empty() {
            env.fault(CLIENT_ID, "is not set");
        }
        let client_secret = env.secret(CLIENT_SECRET, SECRET_MIN);
        let name = env.text(NAME).unwrap_or(host);
        if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) {
            env.fault(NAME, "must have at most 40 characters, none of them a control character");
        }
        let scopes = env.text(SCOPES).unwrap_or_else(|| DEFAULT_SCOPES.to_owned());
        // A comma stands for the blank, which the settings file cannot have.
        let scopes: Vec<&str> = scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).collect();
        if !scopes.contains(&"openid") || !scopes.iter().all(|scope| is_scope(scope)) {
            env.fault(SCOPES, "must be scopes separated by commas, with openid among them");
        }
        Some(Self { issuer, client_id, client_secret, name, scopes: scopes.join(" ") })
    }
}

/// RFC 6749, section 3.3.
fn is_scope(scope: &str) -> bool {
    scope.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
}

/// The issuer's host where the text can be an issuer (`OpenID` Connect Discovery 1.0, section 2).
fn issuer_host(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://sign-in.example.com")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have neither query nor fragment");
    }
    if !is_trustworthy(&url, true) {
        return Err("must be https and have no user name in it; http is for this machine alone");
    }
    Ok(url.host_str().unwrap_or_default().to_owned())
}

/// Whether secrets may go to an address: over https, or, where `plain` allows it, to this machine.
pub(super) fn is_trustworthy(url: &Url, plain: bool) -> bool {
    let bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let right = match url.scheme() {
        "https" => url.has_host(),
        "http" => plain && is_loopback(url),
        _ => false,
    };
    bare && right
}

/// Whether an address is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 3] = [
        (ISSUER, "https://sign-in.example.com/realms/home"),
        (CLIENT_ID, "beaver"),
        (CLIENT_SECRET, "0123456789abcdef-s3cret"),
    ];

    fn read(change: &[(&str, &str)]) -> Result<Option<UpstreamSettings>, String> {
        let mut env = EnvReader::from_pairs(GOOD.iter().chain(change).copied());
        let settings = UpstreamSettings::from_env(&mut env);
        env.finish(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn an_issuer_and_a_client_are_enough() {
        let settings = read(&[]).expect("settings").expect("an upstream");
        assert_eq!(settings.name, "sign-in.example.com");
        assert_eq!(settings.scopes, "openid profile email");
        assert!(!format!("{settings:?}").contains("s3cret"));
        let scopes = read(&[(SCOPES, "email,openid")]).expect("settings").expect("an upstream").scopes;
        assert_eq!(scopes, "email openid");
        for local in ["http://localhost:9400", "http://127.0.0.1:9400", "http://[::1]:9400"] {
            assert!(read(&[(ISSUER, local)]).is_ok(), "{local}");
        }
        let mut env = EnvReader::from_pairs([("X", "y")]);
        assert!(UpstreamSettings::from_env(&mut env).is_none() && env.finish(()).is_ok());
    }

    #[test]
    fn every_fault_is_told_at_once_and_without_values() {
        for bad in [
            "sign-in.example.com",
            "http://sign-in.example.com",
            "http://localhost.example.com",
            "ftp://sign-in.example.com",
            "https://alice:s3cret@sign-in.example.com",
            "https://sign-in.example.com?s3cret",
            "https://sign-in.example.com#s3cret",
        ] {
            let error = read(&[(ISSUER, bad)]).expect_err(bad);
            assert!(error.contains(ISSUER) && !error.contains("s3cret"), "{error}");
        }
        let error = read(&[
            (ISSUER, "x-s3cret"),
            (CLIENT_ID, ""),
            (CLIENT_SECRET, "s3cret"),
            (NAME, &"s3cret".repeat(10)),
            (SCOPES, "email s3cret"),
        ])
        .expect_err("five faults");
        for name in [ISSUER, CLIENT_ID, CLIENT_SECRET, NAME, SCOPES] {
            assert!(error.contains(name), "{name} in {error}");
        }
        assert!(!error.contains("s3cret"));
        let mut env = EnvReader::from_pairs([(CLIENT_ID, "beaver"), (NAME, "Home")]);
        assert!(UpstreamSettings::from_env(&mut env).is_none());
        assert_eq!(env.finish(()).expect_err("two faults").faults().len(), 2);
    }
}

//! Configuration from the environment. Every fault is reported at once, and no value is repeated in one.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use control_api::public_url::{BaseDomain, PublicUrl, Scheme};
use service_kit::client_addr::TrustedProxies;
use service_kit::env::{ConfigError, EnvReader};
use service_kit::secret::Secret;
use url::{Host, Url};

use crate::limits::Timeouts;

/// Shortest token between services.
const MIN_TOKEN: usize = 32;

/// A listener for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Certificates and keys.
    pub dir: PathBuf,
}

/// What the router has to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Health and metrics.
    pub admin_listen: SocketAddr,
    /// Where clients connect with TLS, and the folder of certificates for it.
    pub tls: Option<TlsConfig>,
    /// `<slug>.json` files, written by deploy-control.
    pub routes_dir: PathBuf,
    /// The router's own files: the sealing key and the cached JWKS.
    pub state_dir: PathBuf,
    /// How browsers reach the instances.
    pub public: PublicUrl,
    /// Domains below which slugs are looked up.
    pub base_domains: Vec<BaseDomain>,
    /// Origin of the portal, without a trailing slash.
    pub portal: String,
    /// authz-service.
    pub authz: Url,
    /// deploy-control.
    pub deploy: Url,
    /// The router's token at both.
    pub token: Secret<String>,
    /// `iss` of every token.
    pub issuer: String,
    /// Peers whose `X-Forwarded-*` is believed.
    pub trusted: TrustedProxies,
    /// Whether their connections begin with the PROXY protocol.
    pub proxy_protocol: bool,
    /// Time limits.
    pub timeouts: Timeouts,
}

impl Config {
    /// Reads the environment.
    pub fn from_env(env: &mut EnvReader) -> Result<Self, ConfigError> {
        let root = PathBuf::from(env.text("PROJECT_ROOT").unwrap_or_else(|| ".".to_owned()));
        let below_root = |text: Option<String>, default: &str| {
            text.map_or_else(|| root.join("runtime/router").join(default), PathBuf::from)
        };
        let public = PublicUrl::from_env(env);
        let own = env.parse_or("BEAVER_BASE_DOMAIN", public.base_domain.clone());
        let mut base_domains = vec![public.base_domain.clone()];
        if own != public.base_domain {
            base_domains.push(own);
        }
        let listen = env.parse_or("ROUTER_LISTEN", SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8088)));
        let admin_listen = env.parse_or("ROUTER_ADMIN_LISTEN", SocketAddr::from((Ipv4Addr::LOCALHOST, 8089)));
        let tls_dir = below_root(env.text("ROUTER_TLS_DIR"), "tls");
        let config = Self {
            listen,
            admin_listen,
            tls: tls(env, tls_dir, [("ROUTER_LISTEN", listen), ("ROUTER_ADMIN_LISTEN", admin_listen)]),
            routes_dir: below_root(env.text("ROUTER_ROUTES_DIR"), "conf.d"),
            state_dir: below_root(env.text("ROUTER_STATE_DIR"), "state"),
            portal: origin(env, "PORTAL_PUBLIC_URL", "http://localhost:3081").origin().ascii_serialization(),
            authz: origin(env, "BEAVER_AUTHZ_URL", "http://127.0.0.1:19090"),
            deploy: origin(env, "BEAVER_DEPLOY_URL", "http://127.0.0.1:8090"),
            token: env.secret("BEAVER_ROUTER_TOKEN", MIN_TOKEN),
            issuer: issuer(env),
            trusted: env.parse_or("BEAVER_TRUSTED_PROXIES", TrustedProxies::default()),
            proxy_protocol: proxy_protocol(env),
            public,
            base_domains,
            timeouts: Timeouts::default(),
        };
        std::mem::take(env).finish(config)
    }

    /// How a client reached us: over our own TLS, or else as an outer proxy is said to be reached.
    pub(crate) fn scheme(&self, over_tls: bool) -> Scheme {
        if over_tls { Scheme::Https } else { self.public.scheme }
    }

    /// The port that goes with it, where the client named none.
    pub(crate) fn port(&self, over_tls: bool) -> u16 {
        if over_tls && !self.is_https() { 443 } else { self.public.port }
    }

    /// Whether cookies are `Secure` and have the `__Host-` prefix.
    pub fn is_https(&self) -> bool {
        self.public.scheme == Scheme::Https
    }
}

/// The listener for TLS, where one is wanted. A folder that is empty may be filled later; one that is not there is
/// more likely a mistake.
fn tls(env: &mut EnvReader, dir: PathBuf, others: [(&str, SocketAddr); 2]) -> Option<TlsConfig> {
    let listen: Option<SocketAddr> = env.parse_optional("ROUTER_TLS_LISTEN");
    if env.text("ROUTER_TLS_LISTEN").is_none() {
        if env.text("ROUTER_TLS_DIR").is_some() {
            env.fault("ROUTER_TLS_DIR", "is of no use without ROUTER_TLS_LISTEN");
        }
        return None;
    }
    if !dir.is_dir() {
        env.fault(
            "ROUTER_TLS_DIR",
            "is no folder that the router can see; make it and put certificates there",
        );
    }
    let listen = listen?;
    for (name, other) in others {
        if listen == other && listen.port() != 0 {
            env.fault("ROUTER_TLS_LISTEN", &format!("is the same address as {name}"));
        }
    }
    Some(TlsConfig { listen, dir })
}

/// `on` or `off`; nobody could send it where nobody is trusted.
fn proxy_protocol(env: &mut EnvReader) -> bool {
    let is_on = match env.text("BEAVER_PROXY_PROTOCOL").as_deref() {
        None | Some("off") => false,
        Some("on") => true,
        Some(_) => {
            env.fault("BEAVER_PROXY_PROTOCOL", "must be on or off");
            false
        }
    };
    if is_on && env.text("BEAVER_TRUSTED_PROXIES").is_none() {
        env.fault("BEAVER_PROXY_PROTOCOL", "needs BEAVER_TRUSTED_PROXIES: nobody else's word is taken");
    }
    is_on
}

/// An http or https origin: no path, no query, no credentials.
fn origin(env: &mut EnvReader, name: &str, default: &str) -> Url {
    let text = env.text(name).unwrap_or_else(|| default.to_owned());
    let well_formed = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    well_formed.unwrap_or_else(|| {
        env.fault(name, "must be an origin such as https://portal.example.com, without a path");
        placeholder()
    })
}

#[expect(clippy::expect_used, reason = "a constant that parses")]
fn placeholder() -> Url {
    Url::parse("http://localhost/").expect("a constant")
}

/// The issuer is compared as text with `iss`. On loopback it would mean another machine in each container.
fn issuer(env: &mut EnvReader) -> String {
    let text = env.text("AUTHZ_ISSUER").unwrap_or_else(|| "http://beaver-authz-service:19090".to_owned());
    let host = Url::parse(&text).ok().and_then(|url| url.host().map(|h| h.to_owned()));
    let loopback = match &host {
        None => {
            env.fault("AUTHZ_ISSUER", "must be a URL such as http://beaver-authz-service:19090");
            false
        }
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
    };
    if loopback {
        env.fault(
            "AUTHZ_ISSUER",
            "must not be on loopback: in a container that is the container itself; \
             use http://beaver-authz-service:19090",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: (&str, &str) = ("BEAVER_ROUTER_TOKEN", "0123456789abcdef0123456789abcdef");

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let mut env = EnvReader::from_pairs([TOKEN, ("PROJECT_ROOT", "/srv/beaver")]);
        let config = Config::from_env(&mut env).expect("a configuration");
        assert_eq!(config.listen.to_string(), "0.0.0.0:8088");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:8089");
        assert_eq!(config.routes_dir, PathBuf::from("/srv/beaver/runtime/router/conf.d"));
        assert_eq!(config.state_dir, PathBuf::from("/srv/beaver/runtime/router/state"));
        assert_eq!(config.portal, "http://localhost:3081");
        assert_eq!(config.issuer, "http://beaver-authz-service:19090");
        assert!(!config.is_https());
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let mut env = EnvReader::from_pairs([
            ("BEAVER_ROUTER_TOKEN", "short"),
            ("AUTHZ_ISSUER", "http://127.0.0.1:19090"),
            ("PORTAL_PUBLIC_URL", "https://portal.example.com/path"),
            ("ROUTER_LISTEN", "nowhere"),
            ("BEAVER_TRUSTED_PROXIES", "nobody"),
            ("BEAVER_PROXY_PROTOCOL", "maybe"),
            ("ROUTER_TLS_LISTEN", "somewhere"),
            ("ROUTER_TLS_DIR", "/nonexistent/tls"),
        ]);
        let error = Config::from_env(&mut env).expect_err("faults").to_string();
        for name in [
            "BEAVER_ROUTER_TOKEN",
            "AUTHZ_ISSUER",
            "PORTAL_PUBLIC_URL",
            "ROUTER_LISTEN",
            "TRUSTED_PROXIES",
            "BEAVER_PROXY_PROTOCOL",
            "ROUTER_TLS_LISTEN",
            "ROUTER_TLS_DIR",
        ] {
            assert!(error.contains(name), "{error}");
        }
        let mut env = EnvReader::from_pairs([TOKEN, ("BEAVER_PROXY_PROTOCOL", "on")]);
        let error = Config::from_env(&mut env).expect_err("a fault").to_string();
        assert!(error.contains("needs BEAVER_TRUSTED_PROXIES"), "{error}");
    }

    #[test]
    fn tls_is_off_until_it_has_an_address_of_its_own_and_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().to_str().expect("text");
        let read = |pairs: &[(&str, &str)]| {
            let pairs = std::iter::once(TOKEN).chain(pairs.iter().copied());
            Config::from_env(&mut EnvReader::from_pairs(pairs)).map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]).expect("a configuration").tls, None);
        let on = read(&[("ROUTER_TLS_LISTEN", "0.0.0.0:8443"), ("ROUTER_TLS_DIR", dir)]);
        let wanted = TlsConfig { listen: "0.0.0.0:8443".parse().expect("an address"), dir: dir.into() };
        assert_eq!(on.expect("a configuration").tls, Some(wanted));
        std::fs::create_dir_all(folder.path().join("runtime/router/tls")).expect("made");
        let default = read(&[("ROUTER_TLS_LISTEN", "0.0.0.0:8443"), ("PROJECT_ROOT", dir)]);
        let default = default.expect("a configuration").tls.expect("TLS");
        assert_eq!(default.dir, folder.path().join("runtime/router/tls"));
        for (pairs, reason) in [
            (&[("ROUTER_TLS_DIR", dir)][..], "without ROUTER_TLS_LISTEN"),
            (
                &[("ROUTER_TLS_LISTEN", "0.0.0.0:8088"), ("ROUTER_TLS_DIR", dir)],
                "same address as ROUTER_LISTEN",
            ),
            (&[("ROUTER_TLS_LISTEN", "0.0.0.0:1"), ("ROUTER_TLS_DIR", "/nonexistent/tls")], "no folder"),
        ] {
            let error = read(pairs).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn both_domains_are_looked_up_where_they_differ() {
        let mut env = EnvReader::from_pairs([
            TOKEN,
            ("BEAVER_BASE_DOMAIN", "internal.example"),
            ("DEPLOY_PUBLIC_BASE_DOMAIN", "apps.example.com"),
        ]);
        let config = Config::from_env(&mut env).expect("a configuration");
        let names: Vec<_> = config.base_domains.iter().map(BaseDomain::as_str).collect();
        assert_eq!(names, ["apps.example.com", "internal.example"]);
    }
}

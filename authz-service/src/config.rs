//! Configuration. Whatever is wrong is reported at once, without values; production parameters of the
//! password hash come from [`HashParams::default`] and no variable can lower them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use control_api::authz::RegistrationMode;
use control_api::public_url::PublicUrl;
use service_kit::env::{ConfigError, EnvReader};
use service_kit::secret::Secret;
use url::{Host, Url};

use crate::forwarding::settings::AuditTargetSettings;
use crate::mail::MailConfig;
use crate::password::hashing::HashParams;
use crate::upstream::settings::UpstreamSettings;

const TOKEN_MIN: usize = 32;
/// NIST SP 800-63B-4, section 3.1.1.2: 15 where the password is the only factor.
const PASSWORD_MIN: usize = 15;
const PASSWORD_MIN_LOWEST: usize = 8;
const KEY_CHECK: Duration = Duration::from_mins(1);

/// Whether administrators need a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminSecondFactor {
    /// Without one they administer nothing.
    Required,
    /// A password is enough.
    Optional,
}

impl std::str::FromStr for AdminSecondFactor {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "required" => Ok(Self::Required),
            "optional" => Ok(Self::Optional),
            _ => Err("must be required or optional"),
        }
    }
}

/// Everything that the environment decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// All routes.
    pub listen: SocketAddr,
    /// The instance-facing routes alone; the address may appear later (a Docker bridge has it).
    pub instance_listen: SocketAddr,
    /// Health and metrics.
    pub admin_listen: SocketAddr,
    /// Database and master key.
    pub data_dir: PathBuf,
    /// The issuer as instances see it, without a trailing slash.
    pub issuer: String,
    /// What portal, deploy-control and scripts send.
    pub internal_token: Secret<String>,
    /// What the router sends.
    pub router_token: Secret<String>,
    /// Where deploy-control is.
    pub deploy_url: Url,
    /// What deploy-control wants to see.
    pub deploy_token: Secret<String>,
    /// Who may register.
    pub registration: RegistrationMode,
    /// Shortest password, in characters.
    pub password_min: usize,
    /// How instances are reached: their redirect URIs are computed from it.
    pub public_url: PublicUrl,
    /// Where people sign in: the portal's origin.
    pub portal_url: Url,
    /// Whether administrators need a second factor.
    pub admin_second_factor: AdminSecondFactor,
    /// Tries per address before the throttle begins.
    pub login_burst: u32,
    /// Days for which the audit log keeps an entry; for ever where absent.
    pub audit_days: Option<u32>,
    /// Where the audit log is sent to.
    pub audit_targets: AuditTargetSettings,
    /// Whether and how mail goes out.
    pub mail: MailConfig,
    /// Where people may sign in besides.
    pub upstream: Option<UpstreamSettings>,
    /// Cost of a password hash.
    pub hashing: HashParams,
    /// How often it is asked whether a signing key is due; no variable sets it.
    pub key_check: Duration,
}

impl Config {
    /// Reads the environment.
    pub fn from_env(mut env: EnvReader) -> Result<Self, ConfigError> {
        let root: PathBuf = env.parse_or("PROJECT_ROOT", PathBuf::from("."));
        let public_url = PublicUrl::from_env(&mut env);
        let default_mode = if public_url.base_domain.is_localhost() {
            RegistrationMode::Open
        } else {
            RegistrationMode::Invite
        };
        let portal_url = origin(&mut env, "PORTAL_PUBLIC_URL", "http://localhost:3081");
        let config = Self {
            mail: MailConfig::from_env(&mut env, &public_url, &portal_url),
            listen: env.parse_or("AUTHZ_LISTEN", SocketAddr::from(([127, 0, 0, 1], 19090))),
            instance_listen: env.parse_or("AUTHZ_INSTANCE_LISTEN", SocketAddr::from(([10, 88, 0, 1], 19090))),
            admin_listen: env.parse_or("AUTHZ_ADMIN_LISTEN", SocketAddr::from(([127, 0, 0, 1], 19091))),
            data_dir: env.parse_or("AUTHZ_DATA_DIR", root.join("runtime/authz")),
            issuer: issuer(&mut env),
            internal_token: env.secret("AUTHZ_INTERNAL_TOKEN", TOKEN_MIN),
            router_token: env.secret("BEAVER_ROUTER_TOKEN", TOKEN_MIN),
            deploy_url: origin(&mut env, "BEAVER_DEPLOY_URL", "http://127.0.0.1:8090"),
            deploy_token: env.secret("DEPLOY_API_TOKEN", TOKEN_MIN),
            registration: env.parse_or("BEAVER_REGISTRATION", default_mode),
            password_min: env.parse_or("BEAVER_PASSWORD_MIN", PASSWORD_MIN),
            public_url,
            portal_url,
            admin_second_factor: env.parse_or("BEAVER_ADMIN_SECOND_FACTOR", AdminSecondFactor::Required),
            login_burst: env.parse_or("BEAVER_LOGIN_BURST", 5),
            audit_days: audit_days(&mut env),
            audit_targets: AuditTargetSettings::from_env(&mut env),
            upstream: UpstreamSettings::from_env(&mut env),
            hashing: HashParams::default(),
            key_check: KEY_CHECK,
        };
        if !(PASSWORD_MIN_LOWEST..=crate::password::policy::MAX_CHARS).contains(&config.password_min) {
            env.fault("BEAVER_PASSWORD_MIN", "must be from 8 to 128");
        }
        if !(1..=100_000).contains(&config.login_burst) {
            env.fault("BEAVER_LOGIN_BURST", "must be from 1 to 100000");
        }
        env.finish(config)
    }
}

/// 0 stands for ever: what is kept for less than a month answers nobody's question.
fn audit_days(env: &mut EnvReader) -> Option<u32> {
    const NAME: &str = "BEAVER_AUDIT_DAYS";
    let days: u32 = env.parse_or(NAME, 365);
    if days != 0 && !(30..=36_500).contains(&days) {
        env.fault(NAME, "must be from 30 to 36500, or 0 to keep everything");
    }
    (days != 0).then_some(days)
}

fn origin(env: &mut EnvReader, name: &str, default: &str) -> Url {
    let text = env.text(name).unwrap_or_else(|| default.to_owned());
    match Url::parse(&text) {
        Ok(url) if is_origin(&url) => url,
        _ => {
            env.fault(name, "must be an http or https URL without a path, such as http://127.0.0.1:8090");
            fallback_url()
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant; stands in until the fault is reported")]
fn fallback_url() -> Url {
    Url::parse("http://invalid.invalid").expect("a constant URL")
}

fn is_origin(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

/// The issuer is compared as text by every verifier, so its form is fixed here: no trailing slash.
fn issuer(env: &mut EnvReader) -> String {
    const NAME: &str = "AUTHZ_ISSUER";
    let text = env.text(NAME).unwrap_or_else(|| "http://beaver-authz-service:19090".to_owned());
    let text = text.trim_end_matches('/').to_owned();
    match Url::parse(&text) {
        Ok(url) if !is_origin(&url) => {
            env.fault(NAME, "must be an http or https URL without path, query and credentials");
        }
        Ok(url) if is_own_machine(&url) => env.fault(
            NAME,
            "points at localhost; inside an instance's container that is the container itself, so no \
             instance could verify a token or register; use a name that containers can reach, such as \
             http://beaver-authz-service:19090",
        ),
        Ok(_) => {}
        Err(_) => env.fault(NAME, "must be a URL such as http://beaver-authz-service:19090"),
    }
    text
}

fn is_own_machine(url: &Url) -> bool {
    let local = |address: IpAddr| {
        let address = address.to_canonical();
        address.is_loopback() || address.is_unspecified()
    };
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => local(address.into()),
        Some(Host::Ipv6(address)) => local(address.into()),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn read(extra: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let base =
            [("AUTHZ_INTERNAL_TOKEN", TOKEN), ("BEAVER_ROUTER_TOKEN", TOKEN), ("DEPLOY_API_TOKEN", TOKEN)];
        Config::from_env(EnvReader::from_pairs(base.into_iter().chain(extra.iter().copied())))
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = read(&[("PROJECT_ROOT", "/srv/beaver")]).expect("a configuration");
        assert_eq!(config.data_dir, PathBuf::from("/srv/beaver/runtime/authz"));
        assert_eq!(config.issuer, "http://beaver-authz-service:19090");
        assert_eq!(config.registration, RegistrationMode::Open);
        assert_eq!(config.password_min, 15);
        assert_eq!(config.admin_second_factor, AdminSecondFactor::Required);
        assert_eq!(config.hashing, HashParams { memory_kib: 65_536, iterations: 3, parallelism: 1 });
    }

    #[test]
    fn a_public_base_domain_asks_for_invites() {
        let config = read(&[("BEAVER_BASE_DOMAIN", "apps.example.com")]).expect("a configuration");
        assert_eq!(config.registration, RegistrationMode::Invite);
    }

    #[test]
    fn an_issuer_on_this_machine_is_refused_with_the_reason() {
        for issuer in [
            "http://localhost:19090",
            "http://LOCALHOST.:19090",
            "http://authz.localhost",
            "http://127.0.0.1:19090",
            "http://127.8.9.10",
            "http://2130706433",
            "http://[::1]:19090",
            "http://[::ffff:127.0.0.1]:19090",
            "http://0.0.0.0:19090",
        ] {
            let error = read(&[("AUTHZ_ISSUER", issuer)]).expect_err(issuer).to_string();
            assert!(error.contains("AUTHZ_ISSUER") && error.contains("container itself"), "{error}");
        }
        for issuer in ["ftp://x", "beaver", "http://x/path", "http://u:p@x", "http://x?q"] {
            assert!(read(&[("AUTHZ_ISSUER", issuer)]).is_err(), "{issuer}");
        }
        let config = read(&[("AUTHZ_ISSUER", "https://auth.example.com/")]).expect("a configuration");
        assert_eq!(config.issuer, "https://auth.example.com");
    }

    #[test]
    fn all_faults_come_at_once() {
        let error = Config::from_env(EnvReader::from_pairs([
            ("AUTHZ_LISTEN", "nonsense"),
            ("BEAVER_PASSWORD_MIN", "7"),
            ("BEAVER_LOGIN_BURST", "0"),
            ("BEAVER_REGISTRATION", "maybe"),
            ("BEAVER_ADMIN_SECOND_FACTOR", "perhaps"),
        ]))
        .expect_err("faults");
        assert_eq!(error.faults().len(), 8, "{error}");
    }
}

//! Whether and how mail goes out. Without a server there is none, but in development, where what would be mailed goes
//! to the log: both the instances and the portal are at localhost then, so that the links open nothing elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use control_api::mail::EmailVerification;
use control_api::public_url::PublicUrl;
use service_kit::env::EnvReader;
use service_kit::secret::Secret;
use url::{Host, Url};

use crate::email;

const HOST: &str = "BEAVER_SMTP_HOST";
const TLS: &str = "BEAVER_SMTP_TLS";
const FROM: &str = "BEAVER_MAIL_FROM";
const VERIFICATION: &str = "BEAVER_EMAIL_VERIFICATION";
/// For one mail, connection and all.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How mail goes out.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// Not at all.
    Off,
    /// To the log: for development.
    Log,
    /// Through a server.
    Smtp(Box<Smtp>),
}

/// The server that takes mail.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// Its name; its certificate must be for it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// Name and password there.
    pub login: Option<(String, Secret<String>)>,
    /// A PEM file with the only authorities that may vouch for the server; the public ones where absent.
    pub ca_file: Option<PathBuf>,
    /// The sender's address.
    pub from: String,
}

/// How the connection to the server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpTls {
    /// `STARTTLS` or nothing (RFC 3207).
    StartTls,
    /// From the first byte (RFC 8314).
    Implicit,
    /// Not: to this very machine only.
    None,
}

impl std::str::FromStr for SmtpTls {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "starttls" => Ok(Self::StartTls),
            "implicit" => Ok(Self::Implicit),
            "none" => Ok(Self::None),
            _ => Err("must be starttls, implicit or none"),
        }
    }
}

impl SmtpTls {
    /// RFC 6409, RFC 8314 and RFC 5321.
    fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// Everything about mail that the environment decides.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// How mail goes out.
    pub delivery: Delivery,
    /// Whether people prove their address at sign-up.
    pub verification: EmailVerification,
    /// How long one mail may take; no variable sets it.
    pub timeout: Duration,
}

impl MailConfig {
    /// Reads the environment.
    pub fn from_env(env: &mut EnvReader, public: &PublicUrl, portal: &Url) -> Self {
        let delivery = match smtp(env) {
            Some(smtp) => Delivery::Smtp(Box::new(smtp)),
            None if public.base_domain.is_localhost() && is_loopback(portal.host_str().unwrap_or("")) => {
                Delivery::Log
            }
            None => Delivery::Off,
        };
        let usual = match delivery {
            Delivery::Smtp(_) => EmailVerification::Optional,
            Delivery::Log | Delivery::Off => EmailVerification::Off,
        };
        let verification = env.parse_or(VERIFICATION, usual);
        if matches!(delivery, Delivery::Off) && verification != EmailVerification::Off {
            env.fault(VERIFICATION, &format!("needs mail: set {HOST} and {FROM}"));
        }
        Self { delivery, verification, timeout: TIMEOUT }
    }
}

fn smtp(env: &mut EnvReader) -> Option<Smtp> {
    const OTHERS: [&str; 6] =
        [FROM, TLS, "BEAVER_SMTP_PORT", "BEAVER_SMTP_USER", "BEAVER_SMTP_PASSWORD", "BEAVER_SMTP_CA_FILE"];
    let Some(host) = env.text(HOST) else {
        for name in OTHERS.into_iter().filter(|name| env.text(name).is_some()).collect::<Vec<_>>() {
            env.fault(name, &format!("is set, but {HOST} is not"));
        }
        return None;
    };
    if Host::parse(host.trim_matches(['[', ']'])).is_err() && host.parse::<std::net::IpAddr>().is_err() {
        env.fault(HOST, "must be the name or the address of a mail server");
    }
    let tls = env.parse_or(TLS, SmtpTls::StartTls);
    if tls == SmtpTls::None && !is_loopback(&host) {
        env.fault(TLS, &format!("none is for a {HOST} on this very machine, such as 127.0.0.1"));
    }
    let port = env.parse_or("BEAVER_SMTP_PORT", tls.usual_port());
    let from = match env.text(FROM) {
        None => {
            env.fault(FROM, &format!("is not set; {HOST} needs it"));
            String::new()
        }
        Some(text) => email::parse(&text).unwrap_or_else(|reason| {
            env.fault(FROM, reason);
            String::new()
        }),
    };
    let login = login(env);
    let ca_file = env.parse_optional("BEAVER_SMTP_CA_FILE");
    Some(Smtp { host, port, tls, login, ca_file, from })
}

fn login(env: &mut EnvReader) -> Option<(String, Secret<String>)> {
    const USER: &str = "BEAVER_SMTP_USER";
    const PASSWORD: &str = "BEAVER_SMTP_PASSWORD";
    match (env.text(USER), env.text(PASSWORD).is_some()) {
        (Some(user), true) => Some((user, env.secret(PASSWORD, 1))),
        (None, false) => None,
        (Some(_), false) => {
            env.fault(PASSWORD, &format!("is not set, but {USER} is"));
            None
        }
        (None, true) => {
            env.fault(USER, &format!("is not set, but {PASSWORD} is"));
            None
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: [(&str, &str); 2] = [(HOST, "mail.example.com"), (FROM, "beaver@example.com")];

    fn read(domain: &str, pairs: &[(&str, &str)]) -> Result<MailConfig, String> {
        let pairs = pairs.iter().copied().chain([("BEAVER_BASE_DOMAIN", domain)]);
        let mut env = EnvReader::from_pairs(pairs);
        let public = PublicUrl::from_env(&mut env);
        let portal = Url::parse(&format!("http://{domain}:3081")).expect("a URL");
        let config = MailConfig::from_env(&mut env, &public, &portal);
        env.finish(config).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_server_mail_is_off_and_in_development_goes_to_the_log() {
        let config = read("apps.example.com", &[]).expect("a configuration");
        assert!(matches!(config.delivery, Delivery::Off));
        assert_eq!(config.verification, EmailVerification::Off);
        let config = read("localhost", &[(VERIFICATION, "required")]).expect("a configuration");
        assert!(matches!(config.delivery, Delivery::Log));
        assert!(read("apps.example.com", &[(VERIFICATION, "required")]).is_err());
        assert!(read("apps.example.com", &[(FROM, "beaver@example.com")]).is_err());
    }

    #[test]
    fn a_server_is_spoken_to_over_tls_but_on_this_machine() {
        let config = read("apps.example.com", &SERVER).expect("a configuration");
        let Delivery::Smtp(smtp) = config.delivery else { panic!("no server") };
        assert_eq!((smtp.port, smtp.tls), (587, SmtpTls::StartTls));
        assert_eq!(config.verification, EmailVerification::Optional);
        let with = |more: &[(&str, &str)]| read("apps.example.com", &[&SERVER[..], more].concat());
        assert!(with(&[(TLS, "none")]).expect_err("plain").contains(TLS));
        assert!(with(&[(TLS, "tls")]).is_err());
        assert!(with(&[("BEAVER_SMTP_USER", "beaver")]).is_err());
        let error = with(&[("BEAVER_SMTP_PASSWORD", "s3cret")]).expect_err("no user");
        assert!(error.contains("BEAVER_SMTP_USER") && !error.contains("s3cret"), "{error}");
        assert!(with(&[(FROM, "Beaver <beaver@example.com>")]).is_err());
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(with(&[(HOST, host), (TLS, "none")]).is_ok(), "{host}");
        }
        let error = read("apps.example.com", &[(HOST, "mail.example.com")]).expect_err("no sender");
        assert!(error.contains(FROM), "{error}");
    }
}

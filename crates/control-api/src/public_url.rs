//! The URLs that people see: `http://alice.localhost:8088`, `https://alice.apps.example.com`.

use std::fmt;
use std::str::FromStr;

use crate::names::Slug;

/// `http` or `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain: for one machine and for trials.
    Http,
    /// With TLS, here or in an outer proxy.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl FromStr for Scheme {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            _ => Err("must be http or https"),
        }
    }
}

/// A domain below which instances live: lower-case labels, no trailing dot, no port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseDomain(String);

impl BaseDomain {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `localhost` or below it: a machine of one's own.
    pub fn is_localhost(&self) -> bool {
        self.0 == "localhost" || self.0.ends_with(".localhost")
    }
}

impl FromStr for BaseDomain {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.len() <= 200 && text.split('.').all(label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err("must be a domain such as apps.example.com, without scheme, port or trailing dot")
        }
    }
}

impl fmt::Display for BaseDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How instances are reached from outside.
#[derive(Clone, Debug)]
pub struct PublicUrl {
    /// The scheme that browsers use.
    pub scheme: Scheme,
    /// The domain below which slugs live.
    pub base_domain: BaseDomain,
    /// The port that browsers use.
    pub port: u16,
}

impl PublicUrl {
    /// Reads `DEPLOY_PUBLIC_SCHEME`, `DEPLOY_PUBLIC_BASE_DOMAIN` (or `BEAVER_BASE_DOMAIN`) and
    /// `DEPLOY_PUBLIC_PORT`.
    pub fn from_env(env: &mut service_kit::env::EnvReader) -> Self {
        let base = env.parse_or("BEAVER_BASE_DOMAIN", BaseDomain("localhost".into()));
        Self {
            scheme: env.parse_or("DEPLOY_PUBLIC_SCHEME", Scheme::Http),
            base_domain: env.parse_or("DEPLOY_PUBLIC_BASE_DOMAIN", base),
            port: env.parse_or("DEPLOY_PUBLIC_PORT", 8088),
        }
    }

    /// The origin of a slug, without a path: default ports are left out.
    pub fn origin(&self, slug: &Slug) -> String {
        let scheme = self.scheme.as_str();
        if self.port == self.scheme.default_port() {
            format!("{scheme}://{slug}.{}", self.base_domain)
        } else {
            format!("{scheme}://{slug}.{}:{}", self.base_domain, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ports_are_left_out() {
        let slug: Slug = "alice".parse().expect("a slug");
        let url = |scheme, base: &str, port| PublicUrl {
            scheme,
            base_domain: base.parse().expect("a domain"),
            port,
        };
        assert_eq!(url(Scheme::Http, "localhost", 8088).origin(&slug), "http://alice.localhost:8088");
        assert_eq!(
            url(Scheme::Https, "apps.example.com", 443).origin(&slug),
            "https://alice.apps.example.com"
        );
        assert_eq!(url(Scheme::Http, "apps.example.com", 80).origin(&slug), "http://alice.apps.example.com");
        assert_eq!(url(Scheme::Https, "a.example", 80).origin(&slug), "https://alice.a.example:80");
    }

    #[test]
    fn a_base_domain_is_a_domain_and_nothing_more() {
        for bad in ["", "http://x", "a.example.", "a.example:80", "a_b.example", "-a.example", "a/b"] {
            assert!(bad.parse::<BaseDomain>().is_err(), "{bad}");
        }
        assert_eq!("Apps.Example.COM".parse::<BaseDomain>().expect("a domain").as_str(), "apps.example.com");
        assert!("localhost".parse::<BaseDomain>().expect("a domain").is_localhost());
    }
}

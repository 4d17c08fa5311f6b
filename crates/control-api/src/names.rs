//! Names that people choose: the slug of an instance's host name and the user name. Both are DNS labels
//! (RFC 1123, section 2.1) of 3 to 40 characters, so that the slug can be the user name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest slug: room is left for a container name's prefix and generation within a 63-character label.
pub const MAX_LEN: usize = 40;
/// Shortest slug.
pub const MIN_LEN: usize = 3;

/// Names that belong to the operator or would mislead.
pub const RESERVED: &[&str] = &[
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "api",
    "app",
    "apps",
    "assets",
    "auth",
    "authz",
    "autoconfig",
    "autodiscover",
    "beaver",
    "blog",
    "cdn",
    "console",
    "dashboard",
    "deploy",
    "docs",
    "ftp",
    "help",
    "hostmaster",
    "imap",
    "info",
    "internal",
    "localhost",
    "login",
    "logout",
    "mail",
    "metrics",
    "news",
    "noreply",
    "ns1",
    "ns2",
    "oauth",
    "onboarding",
    "openid",
    "operator",
    "pop",
    "portal",
    "postmaster",
    "private",
    "proxy",
    "public",
    "register",
    "registry",
    "root",
    "router",
    "security",
    "signin",
    "signup",
    "smtp",
    "sso",
    "static",
    "status",
    "support",
    "system",
    "test",
    "webmail",
    "webmaster",
    "well-known",
    "wpad",
    "www",
];

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Fewer than [`MIN_LEN`] characters.
    #[error("must have at least {MIN_LEN} characters")]
    TooShort,
    /// More than [`MAX_LEN`] characters.
    #[error("must have at most {MAX_LEN} characters")]
    TooLong,
    /// A character other than a-z, 0-9 and the hyphen.
    #[error("may contain the letters a to z, digits and single hyphens only")]
    BadCharacter,
    /// A hyphen where none may be.
    #[error("must begin and end with a letter or a digit and have no two hyphens in a row")]
    BadHyphen,
    /// On the [`RESERVED`] list.
    #[error("is reserved; choose another name")]
    Reserved,
}

fn check(text: &str) -> Result<(), InvalidName> {
    if text.len() > MAX_LEN {
        return Err(InvalidName::TooLong);
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(InvalidName::BadCharacter);
    }
    if text.len() < MIN_LEN {
        return Err(InvalidName::TooShort);
    }
    // Two hyphens in a row also rule out `xn--`, the mark of an encoded international name.
    if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
        return Err(InvalidName::BadHyphen);
    }
    if RESERVED.contains(&text) {
        return Err(InvalidName::Reserved);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $normalise:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, example = "alice", pattern = "^[a-z0-9](-?[a-z0-9]){2,39}$")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let normalise: fn(&str) -> String = $normalise;
                let text = normalise(text);
                check(&text).map(|()| Self(text))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// The first label of an instance's host name.
    Slug,
    str::to_owned
);
name!(
    /// The name under which a person signs in. Capitals and surrounding space are forgiven.
    Username,
    |text| text.trim().to_ascii_lowercase()
);

impl From<Username> for Slug {
    fn from(name: Username) -> Self {
        Self(name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slugs_by_table() {
        for good in ["alice", "bob", "a-b", "a1b", "0ab", &"x".repeat(40)] {
            assert_eq!(good.parse::<Slug>().map(|s| s.to_string()), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", InvalidName::TooShort),
            ("ab", InvalidName::TooShort),
            (&"x".repeat(41), InvalidName::TooLong),
            ("Alice", InvalidName::BadCharacter),
            ("a_b", InvalidName::BadCharacter),
            ("a.b", InvalidName::BadCharacter),
            ("../x", InvalidName::BadCharacter),
            ("älice", InvalidName::BadCharacter),
            ("-ab", InvalidName::BadHyphen),
            ("ab-", InvalidName::BadHyphen),
            ("a--b", InvalidName::BadHyphen),
            ("xn--bcher-kva", InvalidName::BadHyphen),
            ("www", InvalidName::Reserved),
            ("admin", InvalidName::Reserved),
        ] {
            assert_eq!(bad.parse::<Slug>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn user_names_forgive_capitals_and_space() {
        assert_eq!(" Alice ".parse::<Username>().map(|n| n.to_string()), Ok("alice".to_owned()));
    }

    proptest! {
        #[test]
        fn whatever_parses_is_a_dns_label(text in "\\PC{0,50}") {
            if let Ok(slug) = text.parse::<Slug>() {
                let slug = slug.as_str();
                prop_assert!(slug.len() >= 3 && slug.len() <= 40);
                prop_assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
                prop_assert!(!slug.contains("--") && !slug.starts_with('-') && !slug.ends_with('-'));
            }
        }
    }
}

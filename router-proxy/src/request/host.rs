//! The host that a request names (RFC 9110, section 7.2), and the slug in it. Pure.

use control_api::public_url::BaseDomain;

/// A host as it was sent, normalised: lower case, no trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// A domain name, or an address in text form.
    pub(crate) name: String,
    /// The port, where one was given.
    pub(crate) port: Option<u16>,
}

impl Host {
    /// Parses the value of a `Host` header or the authority of a target.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("the Host is empty");
        }
        let (name, port) = split_port(text)?;
        let port = port.map(parse_port).transpose()?.flatten();
        if name.starts_with('[') {
            let inner = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or_default();
            let address: std::net::Ipv6Addr = inner.parse().map_err(|_| "the Host is no name or address")?;
            return Ok(Self { name: format!("[{address}]"), port });
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let well_formed = !name.is_empty()
            && name.len() <= 253
            && name.split('.').all(|label| !label.is_empty())
            // The underscore is in no host name but in many a zone: it finds no route rather than a 400.
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if well_formed {
            Ok(Self { name: name.to_ascii_lowercase(), port })
        } else {
            Err("the Host is no name or address")
        }
    }

    /// As a `Host` header.
    pub(crate) fn to_header(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whose host it is.
    pub(crate) fn place<'a>(&'a self, bases: &[BaseDomain]) -> Place<'a> {
        for base in bases {
            if self.name == base.as_str() {
                return Place::Base;
            }
            let label = self.name.strip_suffix(base.as_str()).and_then(|rest| rest.strip_suffix('.'));
            if let Some(label) = label.filter(|label| !label.contains('.')) {
                return Place::Slug(label);
            }
        }
        Place::Elsewhere
    }
}

/// What a host stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// One label below a base domain; it may be no slug at all.
    Slug(&'a str),
    /// A base domain itself.
    Base,
    /// Neither.
    Elsewhere,
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    let after = if text.starts_with('[') { text.find(']').ok_or("the Host is no address")? + 1 } else { 0 };
    match text[after..].find(':') {
        None => Ok((text, None)),
        Some(colon) => Ok((&text[..after + colon], Some(&text[after + colon + 1..]))),
    }
}

/// An empty port is allowed (RFC 3986, section 3.2.3) and means the default.
fn parse_port(text: &str) -> Result<Option<u16>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(Some(port)),
        _ => Err("the port of the Host is none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_by_table() {
        let good = |text: &str| {
            let host = Host::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            (host.name, host.port)
        };
        assert_eq!(good("alice.localhost"), ("alice.localhost".into(), None));
        assert_eq!(good("ALICE.LocalHost.:8088"), ("alice.localhost".into(), Some(8088)));
        assert_eq!(good("alice.localhost:"), ("alice.localhost".into(), None));
        assert_eq!(good("127.0.0.1:80"), ("127.0.0.1".into(), Some(80)));
        assert_eq!(good("[::1]:80"), ("[::1]".into(), Some(80)));
        assert_eq!(good("a_b.localhost"), ("a_b.localhost".into(), None));
        for bad in [
            "",
            ".",
            "..",
            "alice..localhost",
            "alice.localhost..",
            "me@alice.localhost",
            "a,b",
            "a/b",
            "a b",
            "a:0",
            "a:65536",
            "a:+80",
            "a:80:80",
            "a:8o",
            "[::1",
            "[::1]x:80",
            "[x]",
            "al\u{ef}ce.localhost",
            "a%2eb",
            "a?b",
            "a#b",
            "a\\b",
            ":80",
        ] {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn places_by_table() {
        let bases = ["apps.example.com".parse().expect("a domain"), "localhost".parse().expect("a domain")];
        let place = |text: &str| match Host::parse(text).expect("a host").place(&bases) {
            Place::Slug(slug) => slug.to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(place("alice.apps.example.com:443"), "alice");
        assert_eq!(place("Alice.localhost.:8088"), "alice");
        assert_eq!(place("apps.example.com"), "Base");
        assert_eq!(place("localhost:1"), "Base");
        for elsewhere in [
            "a.b.apps.example.com",
            "aliceapps.example.com",
            "example.com",
            "127.0.0.1",
            "evil.com",
            "x.alice.localhost",
        ] {
            assert_eq!(place(elsewhere), "Elsewhere", "{elsewhere}");
        }
    }
}

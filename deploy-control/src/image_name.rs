//! Names of images, parsed: what may be pulled and how Docker is asked for it. Pure. A name without a tag means
//! `latest`, as Docker has it, so that two spellings of one image are equal.

use std::fmt;
use std::str::FromStr;

/// Longest name; Docker takes 255 characters of a repository and 128 of a tag.
const MAX_LEN: usize = 384;

/// Repository and tag (or digest) of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName {
    repository: String,
    /// A tag, or a digest such as `sha256:...`.
    reference: String,
}

impl ImageName {
    /// With the registry's host, where it has one: `registry.example.com:5000/beaver/app`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, or the digest with its `sha256:`. Never empty: Docker would pull every tag.
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.reference.contains(':') { '@' } else { ':' };
        write!(f, "{}{separator}{}", self.repository, self.reference)
    }
}

impl FromStr for ImageName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let message = "must be an image's name such as registry.example.com/beaver/app:1.2";
        if text.len() > MAX_LEN {
            return Err(message);
        }
        let (repository, reference) = match text.split_once('@') {
            Some((repository, digest)) => (repository, digest),
            None => match text.rsplit_once(':') {
                // What follows the colon of a registry's port has a slash.
                Some((repository, tag)) if !tag.contains('/') => (repository, tag),
                _ => (text, "latest"),
            },
        };
        let known = if text.contains('@') { is_digest(reference) } else { is_tag(reference) };
        if known && is_repository(repository) {
            Ok(Self { repository: repository.to_owned(), reference: reference.to_owned() })
        } else {
            Err(message)
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// A colon is for the port of the first part alone.
fn is_repository(text: &str) -> bool {
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            && !part.contains("..")
    };
    let (host, rest) = text.split_once('/').unwrap_or(("", text));
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_port = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    // `sha256:...` is an id, which no registry knows.
    text != "sha256"
        && is_port
        && name.is_empty() != text.contains('/')
        && rest.split('/').all(plain)
        && (name.is_empty() || plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_two_spellings_are_equal() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let with_digest = format!("beaver/app@{digest}");
        let cases = [
            ("app", "app", "latest", "app:latest"),
            ("beaver/app:1.2", "beaver/app", "1.2", "beaver/app:1.2"),
            ("127.0.0.1:5000/app", "127.0.0.1:5000/app", "latest", "127.0.0.1:5000/app:latest"),
            ("r.example.com:5000/a/b:x", "r.example.com:5000/a/b", "x", "r.example.com:5000/a/b:x"),
            (&with_digest, "beaver/app", &digest, &with_digest),
        ];
        for (text, repository, reference, shown) in cases {
            let name: ImageName = text.parse().expect(text);
            assert_eq!((name.repository(), name.reference()), (repository, reference));
            assert_eq!(name.to_string(), shown);
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        assert_eq!("app".parse::<ImageName>(), "app:latest".parse());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(400);
        let bad = [
            "",
            ":",
            "app:",
            ":tag",
            "/app",
            "app/",
            "a//b",
            "../app",
            "a/../b",
            "a..b",
            "app@sha256:00",
            "app@x",
            "a b",
            "app:a b",
            "app:x/y",
            "a?b",
            "a%2fb",
            "a&b",
            "app:tag:tag",
            "sha256:00",
            "a/b:5000/c",
            "-app",
            &long,
        ];
        for text in bad {
            assert!(text.parse::<ImageName>().is_err(), "{text}");
        }
    }
}

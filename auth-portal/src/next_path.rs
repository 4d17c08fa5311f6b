//! Where to go after sign-in: a path of this origin, and never anything that a browser would read as another
//! host. What a browser makes of a path after decoding is checked like the path itself.

use percent_encoding::percent_decode_str;

/// Longest path that is carried along.
const MAX_LEN: usize = 2048;
/// A path that is encoded more often than this hides something.
const MAX_ENCODINGS: usize = 3;

/// A path with an optional query: one leading slash, no second slash or backslash after it, no backslash or
/// control character anywhere, decoded or encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NextPath(String);

impl NextPath {
    /// The path, or nothing where the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // It goes into a header as it is.
        if text.len() > MAX_LEN || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let mut decoded = text.to_owned();
        for _ in 0..=MAX_ENCODINGS {
            if !stays_here(&decoded) {
                return None;
            }
            let again = percent_decode_str(&decoded).decode_utf8().ok()?.into_owned();
            if again == decoded {
                return Some(Self(text.to_owned()));
            }
            decoded = again;
        }
        None
    }

    /// For a `Location` header or a form's hidden field.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn stays_here(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && !text.chars().any(|c| c == '\\' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::Url;

    #[test]
    fn by_table() {
        for good in [
            "/",
            "/account",
            "/app/authorize?slug=alice&state=abcdefghijklmnop&code_challenge=x",
            "/a/b//c",
            "/x?u=a%2Fb%20c",
        ] {
            assert_eq!(NextPath::parse(good).map(|p| p.0).as_deref(), Some(good));
        }
        for bad in [
            "",
            "account",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/%252fevil.example",
            "/%25252fevil.example",
            "/%2525252525252fevil.example",
            "%2f%2fevil.example",
            "/\t/evil.example",
            "/%09/evil.example",
            "/%0d%0aSet-Cookie:x=y",
            "/a\r\nb",
            "/a\0b",
            "/a%00b",
            "/a b",
            "/a\\b",
            "/ä",
            " /account",
            "/%c2%85",
            "/%ff",
        ] {
            assert_eq!(NextPath::parse(bad), None, "{bad:?}");
        }
        assert_eq!(NextPath::parse(&format!("/{}", "a".repeat(MAX_LEN))), None);
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_at_the_origin(text in "[/\\\\%0-9a-fA-F.:@?#\t a-z]{0,20}") {
            if let Some(path) = NextPath::parse(&text) {
                let base = Url::parse("https://portal.example.com").expect("a base");
                let target = base.join(path.as_str()).expect("a target");
                prop_assert_eq!(target.origin(), base.origin());
            }
        }
    }
}

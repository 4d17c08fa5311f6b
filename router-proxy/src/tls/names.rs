//! The host names that a certificate is good for (RFC 6125, section 6.4): exact ones, and wildcards that stand for
//! one whole label. Pure. Names are compared in lower case and without a trailing dot.

use std::collections::HashMap;
use std::sync::Arc;

/// The DNS names of one certificate's subjectAltName.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    exact: Vec<String>,
    /// What follows the `*.` of a wildcard.
    parents: Vec<String>,
}

impl Names {
    /// Sorts the names; a wildcard that is not the whole first label covers nothing.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut this = Self::default();
        for name in names {
            let name = normalise(name);
            match name.strip_prefix("*.") {
                Some(parent) if !parent.contains('*') && !parent.is_empty() => {
                    this.parents.push(parent.to_owned());
                }
                None if !name.contains('*') && !name.is_empty() => this.exact.push(name),
                _ => {}
            }
        }
        this
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.parents.is_empty()
    }

    /// Whether the certificate is good for a host, which is in lower case already.
    pub(crate) fn cover(&self, host: &str) -> bool {
        self.exact.iter().any(|name| name == host)
            || parent(host).is_some_and(|above| self.parents.iter().any(|parent| parent == above))
    }
}

/// Lower case, without the root's dot.
pub(crate) fn normalise(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// What is left of a host without its first label.
fn parent(host: &str) -> Option<&str> {
    host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, rest)| rest)
}

/// Finds by name; exact names come before wildcards. Where two entries have the same name, the first one stays.
#[derive(Debug)]
pub(crate) struct ByName<T> {
    exact: HashMap<String, Arc<T>>,
    parents: HashMap<String, Arc<T>>,
}

impl<T> ByName<T> {
    /// In the order of preference.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Names, Arc<T>)>) -> Self {
        let mut this = Self { exact: HashMap::new(), parents: HashMap::new() };
        for (names, value) in entries {
            for name in names.exact {
                this.exact.entry(name).or_insert_with(|| Arc::clone(&value));
            }
            for above in names.parents {
                this.parents.entry(above).or_insert_with(|| Arc::clone(&value));
            }
        }
        this
    }

    /// Whose name it is.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<T>> {
        let name = normalise(name);
        self.exact.get(&name).or_else(|| self.parents.get(parent(&name)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let names = Names::new(["Portal.Example.com.", "*.apps.example.com"]);
        for covered in ["portal.example.com", "alice.apps.example.com", "bob.apps.example.com"] {
            assert!(names.cover(covered), "{covered}");
        }
        for other in [
            "example.com",
            "apps.example.com",
            ".apps.example.com",
            "a.alice.apps.example.com",
            "alice.apps.example.org",
            "aliceapps.example.com",
            "*.example.com",
            "",
        ] {
            assert!(!names.cover(other), "{other}");
        }
    }

    #[test]
    fn other_uses_of_the_star_cover_nothing() {
        for odd in ["*", "*.", "a*.example.com", "a.*.example.com", "*.*.example.com", "**.example.com"] {
            let names = Names::new([odd]);
            assert!(names.is_empty(), "{odd}");
        }
    }

    #[test]
    fn names_are_found_by_table() {
        let entry =
            |value: &'static str, names: &[&str]| (Names::new(names.iter().copied()), Arc::new(value));
        let table = ByName::new([
            entry("wild", &["*.apps.example.com"]),
            entry("alice", &["alice.apps.example.com", "apps.example.com"]),
            entry("late", &["*.apps.example.com", "alice.apps.example.com", "late.example.com"]),
        ]);
        for (name, found) in [
            ("alice.apps.example.com", Some("alice")),
            ("ALICE.apps.example.com.", Some("alice")),
            ("bob.apps.example.com", Some("wild")),
            ("apps.example.com", Some("alice")),
            ("late.example.com", Some("late")),
            ("a.b.apps.example.com", None),
            ("example.com", None),
            ("", None),
        ] {
            assert_eq!(table.find(name).map(|value| **value), found, "{name}");
        }
    }
}

//! Entries of the audit log: who did what to whom, from where, in which request. Whatever a stranger typed
//! is capped and escaped before it gets here, so that an entry cannot forge another or flood the table.

use std::fmt::Display;
use std::net::IpAddr;

use control_api::audit::ACTIONS;

use crate::store::audit::Entry;

/// Longest text of a stranger's in an entry, in characters.
const MAX_CHARS: usize = 80;
/// Longest name that a browser may give itself, in characters.
const MAX_AGENT_CHARS: usize = 200;

/// An entry of the request that this task serves.
pub(crate) fn entry<'a>(
    now: i64,
    actor: &dyn Display,
    action: &'a str,
    target: &dyn Display,
    address: Option<IpAddr>,
) -> Entry<'a> {
    debug_assert!(ACTIONS.contains(&action), "{action} is missing where administrators choose");
    Entry {
        at: now,
        actor: actor.to_string(),
        action,
        target: target.to_string(),
        address: address.map(|address| address.to_string()),
        request_id: service_kit::request_id::current(),
    }
}

/// Text that a stranger typed: control characters, direction marks and anything else that is not plainly
/// visible is escaped, and the rest is cut off.
pub(crate) fn stranger(text: &str) -> String {
    capped(text, MAX_CHARS)
}

/// The same for what a browser calls itself, which is longer.
pub(crate) fn agent(text: &str) -> String {
    capped(text, MAX_AGENT_CHARS)
}

fn capped(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut safe: String = chars.by_ref().take(most).flat_map(char::escape_default).collect();
    if chars.next().is_some() {
        safe.push_str("[cut]");
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_capped_and_escaped() {
        assert_eq!(stranger("alice"), "alice");
        assert_eq!(stranger("a\nb\u{202e}c"), "a\\nb\\u{202e}c");
        let long = stranger(&"x".repeat(10_000));
        assert!(long.len() < 100 && long.ends_with("[cut]"));
    }
}

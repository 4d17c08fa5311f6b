//! Hand-offs under way in one browser at one slug: the state that the portal echoes, the PKCE verifier and
//! where to go afterwards. Several tabs may each have one. Pure.

use serde::{Deserialize, Serialize};
use service_kit::secret::{random_token, sha256_base64url};

use crate::limits::{MAX_RETURN_PATH, MAX_TRANSACTIONS, TRANSACTION_SECS};

/// One hand-off. Not `Debug`: the verifier is a secret.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Transaction {
    #[serde(rename = "s")]
    pub(crate) state: String,
    #[serde(rename = "v")]
    pub(crate) verifier: String,
    #[serde(rename = "p")]
    pub(crate) path: String,
    /// Seconds since 1970.
    #[serde(rename = "e")]
    expires_at: i64,
}

impl Transaction {
    /// A new one that comes back to `path`.
    pub(crate) fn begin(path: &str, now_secs: i64) -> Self {
        Self {
            state: random_token().expose().clone(),
            verifier: random_token().expose().clone(),
            path: return_path(path).to_owned(),
            expires_at: now_secs + TRANSACTION_SECS,
        }
    }

    /// `code_challenge` of RFC 7636, method `S256`.
    pub(crate) fn challenge(&self) -> String {
        sha256_base64url(self.verifier.as_bytes())
    }
}

/// The content of the sealed cookie, newest first.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Transactions(Vec<Transaction>);

impl Transactions {
    /// From unsealed bytes; what is over or malformed counts as absent.
    pub(crate) fn parse(bytes: &[u8], now_secs: i64) -> Self {
        let mut this: Self = serde_json::from_slice(bytes).unwrap_or_default();
        this.0.retain(|t| t.expires_at > now_secs);
        this.0.truncate(MAX_TRANSACTIONS);
        this
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of another cookie of the same name.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.truncate(MAX_TRANSACTIONS);
    }

    pub(crate) fn push(&mut self, transaction: Transaction) {
        self.0.insert(0, transaction);
        self.0.truncate(MAX_TRANSACTIONS);
    }

    /// Takes out the one with this state: it works once.
    pub(crate) fn take(&mut self, state: &str) -> Option<Transaction> {
        let index = self.0.iter().position(|t| t.state == state)?;
        Some(self.0.remove(index))
    }

    /// Gives up the oldest, for a cookie that became too long. `false` when one alone is left.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        self.0.len() > 1 && self.0.pop().is_some()
    }
}

/// `path` where a browser that is sent there stays on this host, else `/`. A second slash or backslash
/// would begin another host.
pub(crate) fn return_path(path: &str) -> &str {
    let bytes = path.as_bytes();
    let is_local = bytes.first() == Some(&b'/') && !matches!(bytes.get(1), Some(b'/' | b'\\'));
    let is_plain = path.len() <= MAX_RETURN_PATH && bytes.iter().all(|b| (0x21..=0x7e).contains(b));
    let only_path = path.split(['?', '#']).next().unwrap_or_default();
    if is_local && is_plain && !crate::request::target::is_own_path(only_path) { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_paths_by_table() {
        for kept in ["/", "/a/b?c=d&e=%20", "/?x=//y", "/a//b", "/.well-known/x"] {
            assert_eq!(return_path(kept), kept);
        }
        for bad in [
            "",
            "a",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\tb",
            "/a b",
            "/\u{e9}",
            "/.beaver/callback?code=x",
            "/.beaver/logout",
            "/%2ebeaver/logout",
            "/./.beaver/x",
            "*",
        ] {
            assert_eq!(return_path(bad), "/", "{bad}");
        }
        assert_eq!(return_path(&format!("/{}", "x".repeat(MAX_RETURN_PATH))), "/");
    }

    #[test]
    fn several_tabs_each_finish_once_and_old_ones_expire() {
        let (one, two) = (Transaction::begin("/one", 1_000), Transaction::begin("/two", 1_100));
        let (state_one, state_two) = (one.state.clone(), two.state.clone());
        let mut all = Transactions::default();
        all.push(one);
        all.push(two);
        let mut back = Transactions::parse(&all.to_bytes(), 1_200);
        assert_eq!(back.take(&state_one).map(|t| t.path), Some("/one".into()));
        assert!(back.take(&state_one).is_none(), "once");
        assert_eq!(back.take(&state_two).map(|t| t.path), Some("/two".into()));
        assert!(back.is_empty());
        let mut late = Transactions::parse(&all.to_bytes(), 1_000 + TRANSACTION_SECS);
        assert!(late.take(&state_one).is_none() && late.take(&state_two).is_some());
        assert!(Transactions::parse(b"nonsense", 0).is_empty());
    }

    #[test]
    fn the_challenge_is_that_of_the_verifier() {
        let t = Transaction::begin("/", 0);
        assert_eq!(t.challenge().len(), 43);
        assert_eq!(t.challenge(), sha256_base64url(t.verifier.as_bytes()));
    }
}

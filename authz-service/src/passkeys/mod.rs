//! Passkeys (`WebAuthn` level 3) as a second factor: what an authenticator signed is verified here, on aws-lc-rs, and
//! nothing else is believed about it. No attestation is asked for and none is looked at.
//!
//! What must stay true: a challenge of ours is answered once, within five minutes, by a page of the portal's very
//! origin, for the portal's host, with the person present; a counter that does not grow is refused.

mod authenticator_data;
mod client_data;
mod cose;
mod manage;
mod options;
mod sign_in;
#[cfg(test)]
#[path = "../../tests/api/software_authenticator.rs"]
mod software;
mod verify;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use service_kit::secret::random_bytes;
use url::{Host, Url};

pub(crate) use verify::Refusal;

/// How long a challenge can be answered.
pub(crate) const CHALLENGE_LIFETIME_MS: i64 = 5 * 60 * 1000;
/// Longest credential id (`WebAuthn` level 3, section 4).
const MAX_CREDENTIAL_ID: usize = 1023;

/// Who we are to authenticators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelyingParty {
    /// The portal's host: passkeys are bound to it.
    pub(crate) id: String,
    /// The portal's origin, exactly as browsers write it.
    pub(crate) origin: String,
}

impl RelyingParty {
    /// At the portal's address; nothing where browsers have no passkeys for it: they need a name, and https but for
    /// localhost.
    pub(crate) fn at(portal: &Url) -> Option<Self> {
        let Some(Host::Domain(id)) = portal.host() else { return None };
        let is_local = id == "localhost" || id.ends_with(".localhost");
        let id = id.to_owned();
        (portal.scheme() == "https" || is_local)
            .then(|| Self { id, origin: portal.origin().ascii_serialization() })
    }
}

/// A new challenge, as it goes to the browser and comes back: 256 random bits.
fn new_challenge() -> String {
    encoded(&random_bytes::<32>())
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_need_a_name_and_https_but_for_localhost() {
        let at = |url: &str| RelyingParty::at(&Url::parse(url).expect("a URL"));
        let party = |id: &str, origin: &str| Some(RelyingParty { id: id.into(), origin: origin.into() });
        assert_eq!(
            at("https://Portal.example.com/"),
            party("portal.example.com", "https://portal.example.com")
        );
        assert_eq!(
            at("https://portal.example.com:8443"),
            party("portal.example.com", "https://portal.example.com:8443")
        );
        assert_eq!(at("http://localhost:3081"), party("localhost", "http://localhost:3081"));
        assert_eq!(at("http://portal.example.com"), None);
        assert_eq!(at("https://192.0.2.1"), None);
        assert_eq!(at("https://[2001:db8::1]"), None);
    }
}

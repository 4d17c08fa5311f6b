//! `clientDataJSON`: what the browser says about the page that asked (`WebAuthn` level 3, section 5.8.1). Pure.

use serde::Deserialize;

use super::RelyingParty;
use super::verify::Refusal;

/// What a ceremony is for, as the browser names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(default, rename = "topOrigin")]
    top_origin: Option<String>,
}

/// The challenge in it, which must be looked up before anything else is judged.
pub(super) fn challenge(json: &[u8]) -> Option<String> {
    serde_json::from_slice::<ClientData>(json).ok().map(|data| data.challenge)
}

/// Whether a page of ours asked for this ceremony with this challenge.
pub(super) fn check(
    json: &[u8],
    ceremony: Ceremony,
    expected: &str,
    party: &RelyingParty,
) -> Result<(), Refusal> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Refusal::Malformed)?;
    let kind = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if data.kind != kind {
        return Err(Refusal::OtherCeremony);
    }
    if data.challenge != expected {
        return Err(Refusal::OtherChallenge);
    }
    if data.origin != party.origin || data.cross_origin || data.top_origin.is_some() {
        return Err(Refusal::OtherOrigin);
    }
    Ok(())
}

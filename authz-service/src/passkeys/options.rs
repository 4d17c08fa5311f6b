//! What the browser is asked (`WebAuthn` level 3, sections 5.4 and 5.5), and its answers on their way in. Pure.

use control_api::ids::UserId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cose::ALGORITHMS;
use super::verify::Refusal;
use super::{CHALLENGE_LIFETIME_MS, RelyingParty, decoded, encoded};
use crate::store::passkeys::StoredPasskey;

/// Whom a new passkey is for.
pub(super) struct Owner<'a> {
    pub(super) user_id: UserId,
    pub(super) name: &'a str,
}

/// `PublicKeyCredentialCreationOptionsJSON`.
pub(super) fn create(
    party: &RelyingParty,
    owner: &Owner<'_>,
    challenge: &str,
    known: &[StoredPasskey],
) -> Value {
    let algorithms: Vec<Value> =
        ALGORITHMS.iter().map(|alg| json!({ "type": "public-key", "alg": alg })).collect();
    json!({
        "rp": { "id": party.id, "name": "Beaver" },
        "user": {
            "id": encoded(owner.user_id.to_string().as_bytes()), "name": owner.name, "displayName": owner.name,
        },
        "challenge": challenge,
        "pubKeyCredParams": algorithms,
        "timeout": CHALLENGE_LIFETIME_MS,
        "excludeCredentials": descriptors(known),
        "authenticatorSelection": { "residentKey": "discouraged", "userVerification": "preferred" },
        "attestation": "none",
    })
}

/// `PublicKeyCredentialRequestOptionsJSON`.
pub(super) fn get(party: &RelyingParty, challenge: &str, known: &[StoredPasskey]) -> Value {
    json!({
        "rpId": party.id,
        "challenge": challenge,
        "timeout": CHALLENGE_LIFETIME_MS,
        "allowCredentials": descriptors(known),
        "userVerification": "preferred",
    })
}

fn descriptors(known: &[StoredPasskey]) -> Vec<Value> {
    known
        .iter()
        .map(|passkey| json!({ "type": "public-key", "id": encoded(&passkey.credential_id) }))
        .collect()
}

/// `RegistrationResponseJSON`.
#[derive(Deserialize)]
struct CreatedJson {
    response: CreatedResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreatedResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
}

/// `AuthenticationResponseJSON`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedJson {
    raw_id: String,
    response: SignedResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
}

/// The bytes of an answer to `create`.
pub(super) struct CreatedBytes {
    pub(super) client_data: Vec<u8>,
    pub(super) attestation_object: Vec<u8>,
}

/// The bytes of an answer to `get`.
pub(super) struct SignedBytes {
    pub(super) credential_id: Vec<u8>,
    pub(super) client_data: Vec<u8>,
    pub(super) authenticator_data: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

fn bytes(text: &str) -> Result<Vec<u8>, Refusal> {
    decoded(text).ok_or(Refusal::Malformed)
}

/// Reads an answer to `create`.
pub(super) fn read_created(json: &str) -> Result<CreatedBytes, Refusal> {
    let CreatedJson { response } = serde_json::from_str(json).map_err(|_| Refusal::Malformed)?;
    Ok(CreatedBytes {
        client_data: bytes(&response.client_data)?,
        attestation_object: bytes(&response.attestation_object)?,
    })
}

/// Reads an answer to `get`.
pub(super) fn read_signed(json: &str) -> Result<SignedBytes, Refusal> {
    let SignedJson { raw_id, response } = serde_json::from_str(json).map_err(|_| Refusal::Malformed)?;
    Ok(SignedBytes {
        credential_id: bytes(&raw_id)?,
        client_data: bytes(&response.client_data)?,
        authenticator_data: bytes(&response.authenticator_data)?,
        signature: bytes(&response.signature)?,
    })
}

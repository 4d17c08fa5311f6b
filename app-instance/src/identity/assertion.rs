//! The check of one assertion, without I/O. The algorithm is fixed, whatever the token says; keys come from
//! the issuer's set alone, never from the token.

use control_api::claims::{ASSERTION_TYPE, AssertionClaims, LEEWAY_SECS};
use control_api::ids::InstanceId;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

/// Longest token that is looked at.
const MAX_BYTES: usize = 8 * 1024;

/// Why a token is not believed. The reason is for the log at debug level; the caller learns nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// The named part of the token is missing or wrong.
    #[error("the assertion's {0} is missing or wrong")]
    Invalid(&'static str),
    /// The token may be good, but the issuer's keys cannot be had.
    #[error("the issuer's keys cannot be had")]
    NoKeys,
}

/// What a token must say.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// `iss`, as text.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) instance_id: InstanceId,
}

/// The key that a token names, if its header is one of ours.
pub(crate) fn key_id(token: &str) -> Result<String, Denied> {
    if token.len() > MAX_BYTES {
        return Err(Denied::Invalid("length"));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Denied::Invalid("header"))?;
    if header.alg != Algorithm::EdDSA {
        return Err(Denied::Invalid("alg"));
    }
    if header.typ.as_deref() != Some(ASSERTION_TYPE) {
        return Err(Denied::Invalid("typ"));
    }
    header.kid.ok_or(Denied::Invalid("kid"))
}

/// Verifies the signature and every claim but `sub`.
pub(crate) fn check(
    token: &str,
    key: &DecodingKey,
    expected: &Expected,
    now: i64,
) -> Result<AssertionClaims, Denied> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    // The claims are compared below, against a clock that tests can set; the types of `AssertionClaims` make
    // each of them required.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<AssertionClaims>(token, key, &validation)
        .map_err(|_| Denied::Invalid("signature or claims"))?
        .claims;
    let leeway = LEEWAY_SECS.cast_signed();
    if claims.iss != expected.issuer {
        return Err(Denied::Invalid("iss"));
    }
    if claims.aud != expected.instance_id {
        return Err(Denied::Invalid("aud"));
    }
    if claims.iat > now.saturating_add(leeway) {
        return Err(Denied::Invalid("iat"));
    }
    if claims.exp.saturating_add(leeway) <= now {
        return Err(Denied::Invalid("exp"));
    }
    Ok(claims)
}

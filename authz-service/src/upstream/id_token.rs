//! Whether an id token is believed (`OpenID` Connect Core 1.0, section 3.1.3.7). The algorithm is one of a list of
//! asymmetric ones, and the key is one that the issuer publishes; whatever else a header offers (`jku`, `jwk`,
//! `x5c`) is not looked at. Pure.

use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use super::issuer::{KeySet, PublicKey};

/// Never `none`, and never an HMAC: its key would be the public one.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::EdDSA,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];
/// Clocks differ.
const LEEWAY_SECS: i64 = 60;
/// A token that answers to a sign-in is no older than one can take.
const OLDEST_SECS: i64 = 15 * 60;
/// `OpenID` Connect Core 1.0, section 2.
const SUBJECT_MAX: usize = 255;

/// What a token has to say.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Seconds since 1970.
    pub(super) now: i64,
}

/// What a believed token says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) subject: String,
    pub(super) username: Option<String>,
    pub(super) email: Option<String>,
    pub(super) email_verified: bool,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn of(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// The header of a token that may be looked at: the key it names is to be found.
pub(super) fn header(token: &str) -> Result<Header, String> {
    let header = decode_header(token).map_err(|_| "the id token cannot be read".to_owned())?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err("the id token is signed with an algorithm that is not allowed".to_owned());
    }
    // RFC 7515, section 4.1.11: none of these is understood here.
    if header.crit.is_some() {
        return Err("the id token has a header that is not understood".to_owned());
    }
    Ok(header)
}

/// Whose token it is.
pub(super) fn verify(
    token: &str,
    header: &Header,
    keys: &KeySet,
    expected: Expected<'_>,
) -> Result<Person, String> {
    let key = keys
        .find(header.kid.as_deref())
        .ok_or("the id token is signed with a key that the issuer does not publish")?;
    let claims = signed(token, header.alg, key)?;
    judge(&claims, expected)?;
    Ok(Person {
        subject: claims.sub,
        username: claims.preferred_username,
        email: claims.email,
        // Some issuers write it as text.
        email_verified: claims.email_verified.is_some_and(|value| value == true || value == "true"),
    })
}

fn signed(token: &str, alg: Algorithm, key: &PublicKey) -> Result<Claims, String> {
    if key.alg.as_ref().is_some_and(|only| *only != format!("{alg:?}")) {
        return Err("the id token's key is for another algorithm".to_owned());
    }
    // Signature and form alone: the claims are judged with our clock.
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let wrong = "the id token's signature is wrong, or a claim is missing";
    decode::<Claims>(token, &key.verifying, &validation).map(|data| data.claims).map_err(|_| wrong.to_owned())
}

fn judge(claims: &Claims, expected: Expected<'_>) -> Result<(), &'static str> {
    let Expected { issuer, client_id, nonce, now } = expected;
    let audience = claims.aud.of();
    let is_ours = |party: &String| party == client_id;
    if claims.iss != issuer {
        return Err("the id token is another issuer's");
    }
    if !audience.iter().any(is_ours) {
        return Err("the id token is for another client");
    }
    if !claims.azp.as_ref().map_or(audience.len() == 1, is_ours) {
        return Err("the id token was given to another client");
    }
    if claims.exp <= now - LEEWAY_SECS {
        return Err("the id token has expired");
    }
    if !(now - OLDEST_SECS..=now + LEEWAY_SECS).contains(&claims.iat) {
        return Err("the id token was not made just now; is the clock of this machine right?");
    }
    if claims.nbf.is_some_and(|from| from > now + LEEWAY_SECS) {
        return Err("the id token is not valid yet");
    }
    if claims.nonce.as_deref() != Some(nonce) {
        return Err("the id token answers to another sign-in");
    }
    if claims.sub.trim().is_empty()
        || claims.sub.len() > SUBJECT_MAX
        || claims.sub.chars().any(char::is_control)
    {
        return Err("the id token names nobody");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EXPECTED: Expected<'_> =
        Expected { issuer: "https://issuer", client_id: "beaver", nonce: "n", now: 1_000_000 };

    fn judged(change: &Value) -> Result<(), &'static str> {
        let mut claims = json!({
            "iss": "https://issuer", "sub": "alice", "aud": "beaver", "exp": 1_000_300, "iat": 1_000_000,
            "nonce": "n",
        });
        for (name, value) in change.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let claims: Claims = serde_json::from_value(claims).map_err(|_| "no claims")?;
        judge(&claims, EXPECTED)
    }

    #[test]
    fn claims_by_table() {
        for good in [
            json!({}),
            json!({"aud": ["beaver"]}),
            json!({"azp": "beaver"}),
            json!({"aud": ["other", "beaver"], "azp": "beaver"}),
            json!({"exp": 999_941}),
            json!({"iat": 1_000_060}),
            json!({"iat": 999_100}),
            json!({"nbf": 1_000_060}),
        ] {
            assert_eq!(judged(&good), Ok(()), "{good}");
        }
        for bad in [
            json!({"iss": "https://issuer/"}),
            json!({"iss": "https://evil.example"}),
            json!({"iss": null}),
            json!({"aud": "other"}),
            json!({"aud": []}),
            json!({"aud": ["beaver", "other"]}),
            json!({"aud": ["beaver", "other"], "azp": "other"}),
            json!({"azp": "other"}),
            json!({"exp": 999_940}),
            json!({"exp": null}),
            json!({"iat": 1_000_061}),
            json!({"iat": 999_099}),
            json!({"iat": null}),
            json!({"nbf": 1_000_061}),
            json!({"nonce": "m"}),
            json!({"nonce": null}),
            json!({"sub": ""}),
            json!({"sub": " "}),
            json!({"sub": "a\nb"}),
            json!({"sub": "x".repeat(256)}),
            json!({"sub": null}),
        ] {
            assert!(judged(&bad).is_err(), "{bad}");
        }
    }
}

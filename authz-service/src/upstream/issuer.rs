//! What the upstream says about itself: where its endpoints are (`OpenID` Connect Discovery 1.0) and which keys it
//! signs with. Both are kept for an hour. A key that is not among those is looked for once more, but not more
//! often than every half a minute, so that made-up keys cost the upstream nothing.
//!
//! What must stay true: the issuer that a document names is the configured one, and no secret goes to an address
//! that is neither https nor on this machine.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use url::Url;

use super::fetch::{self, Failure};
use super::settings::{UpstreamSettings, is_loopback, is_trustworthy};

const KEPT_MS: i64 = 60 * 60 * 1000;
const AGAIN_MS: i64 = 30 * 1000;
/// Sign-ins that wait for the upstream at a time.
const AT_ONCE: usize = 32;
const MOST_KEYS: usize = 64;

/// The upstream, and what is known of it.
pub(crate) struct Upstream {
    pub(crate) settings: UpstreamSettings,
    pub(super) http: reqwest::Client,
    pub(super) at_once: Semaphore,
    metadata: ArcSwapOption<Metadata>,
    keys: ArcSwapOption<KeySet>,
}

/// Its endpoints and abilities.
pub(super) struct Metadata {
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    jwks_uri: Url,
    /// The client's secret goes in the form, because HTTP Basic is not taken.
    pub(super) secret_in_form: bool,
    /// RFC 9207: its answers name it.
    pub(super) names_itself: bool,
    fetched_at: i64,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Its public keys at one time.
pub(super) struct KeySet {
    keys: Vec<PublicKey>,
    fetched_at: i64,
}

/// A key that verifies.
pub(super) struct PublicKey {
    kid: Option<String>,
    /// The one algorithm that it is for, where it says so.
    pub(super) alg: Option<String>,
    pub(super) verifying: DecodingKey,
}

impl Upstream {
    /// Nothing is asked until somebody signs in.
    pub(crate) fn new(settings: UpstreamSettings, http: reqwest::Client) -> Self {
        Self {
            settings,
            http,
            at_once: Semaphore::new(AT_ONCE),
            metadata: ArcSwapOption::empty(),
            keys: ArcSwapOption::empty(),
        }
    }

    /// What it says about itself.
    pub(super) async fn metadata(&self, now: i64) -> Result<Arc<Metadata>, Failure> {
        if let Some(kept) = self.metadata.load_full().filter(|kept| is_fresh(kept.fetched_at, KEPT_MS, now)) {
            return Ok(kept);
        }
        let issuer = &self.settings.issuer;
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document: Document = fetch::document(self.http.get(address), "its description").await?;
        let metadata = Arc::new(judge(document, issuer, now).map_err(Failure::Faulty)?);
        self.metadata.store(Some(Arc::clone(&metadata)));
        Ok(metadata)
    }

    /// Its keys, among them the one that a token names, where it has it.
    pub(super) async fn keys(
        &self,
        metadata: &Metadata,
        kid: Option<&str>,
        now: i64,
    ) -> Result<Arc<KeySet>, Failure> {
        if let Some(kept) = self.keys.load_full() {
            let enough = if kept.find(kid).is_some() { KEPT_MS } else { AGAIN_MS };
            if is_fresh(kept.fetched_at, enough, now) {
                return Ok(kept);
            }
        }
        let jwks: Value = fetch::document(self.http.get(metadata.jwks_uri.clone()), "its keys").await?;
        let keys = Arc::new(KeySet { keys: public_keys(&jwks), fetched_at: now });
        self.keys.store(Some(Arc::clone(&keys)));
        Ok(keys)
    }
}

impl KeySet {
    /// The key of an id; without an id, the only key there is.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&PublicKey> {
        match (kid, self.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

/// A clock that was set back makes nothing fresh for longer.
fn is_fresh(fetched_at: i64, kept_ms: i64, now: i64) -> bool {
    (fetched_at..fetched_at + kept_ms).contains(&now)
}

fn judge(document: Document, issuer: &str, now: i64) -> Result<Metadata, String> {
    if document.issuer != issuer {
        return Err("its description names another issuer than the one that is configured".to_owned());
    }
    let plain = Url::parse(issuer).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url));
    for (name, url) in [
        ("authorization_endpoint", &document.authorization_endpoint),
        ("token_endpoint", &document.token_endpoint),
        ("jwks_uri", &document.jwks_uri),
    ] {
        if !is_trustworthy(url, plain) {
            return Err(format!("the {name} in its description is not https"));
        }
    }
    // Discovery 1.0, section 3: client_secret_basic where nothing is said.
    let methods = document.token_endpoint_auth_methods_supported;
    let takes = |method: &str| methods.as_ref().is_some_and(|methods| methods.iter().any(|m| m == method));
    Ok(Metadata {
        authorization_endpoint: document.authorization_endpoint,
        token_endpoint: document.token_endpoint,
        jwks_uri: document.jwks_uri,
        secret_in_form: takes("client_secret_post") && !takes("client_secret_basic"),
        names_itself: document.authorization_response_iss_parameter_supported,
        fetched_at: now,
    })
}

/// The keys that can verify a signature. Others are passed over: a set may have some that are not known here, for
/// encryption, or shared secrets, and none of them stops the rest.
fn public_keys(jwks: &Value) -> Vec<PublicKey> {
    let listed = jwks["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    listed.iter().take(MOST_KEYS).filter_map(public_key).collect()
}

fn public_key(value: &Value) -> Option<PublicKey> {
    let jwk = Jwk::deserialize(value).ok()?;
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let is_public = matches!(
        jwk.algorithm,
        AlgorithmParameters::RSA(_)
            | AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
    );
    if !signs || !is_public {
        return None;
    }
    let alg = value["alg"].as_str().map(str::to_owned);
    let verifying = DecodingKey::from_jwk(&jwk).ok()?;
    Some(PublicKey { kid: jwk.common.key_id, alg, verifying })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://sign-in.example.com";

    fn described(change: &Value) -> Result<Metadata, String> {
        let mut document = json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://sign-in.example.com/authorize",
            "token_endpoint": "https://api.example.com/token",
            "jwks_uri": "https://sign-in.example.com/keys",
        });
        for (name, value) in change.as_object().expect("an object") {
            document[name] = value.clone();
        }
        judge(serde_json::from_value(document).expect("a document"), ISSUER, 0)
    }

    #[test]
    fn a_description_is_of_exactly_this_issuer_and_its_endpoints_are_https() {
        assert!(described(&json!({})).is_ok());
        for bad in [
            json!({"issuer": "https://sign-in.example.com/"}),
            json!({"issuer": "https://evil.example"}),
            json!({"token_endpoint": "http://sign-in.example.com/token"}),
            json!({"token_endpoint": "http://127.0.0.1/token"}),
            json!({"jwks_uri": "file:///etc/passwd"}),
            json!({"authorization_endpoint": "javascript:alert(1)"}),
            json!({"authorization_endpoint": "https://a:b@sign-in.example.com/"}),
        ] {
            assert!(described(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_secret_goes_into_the_form_only_where_it_must() {
        let in_form = |methods: Value| {
            described(&json!({"token_endpoint_auth_methods_supported": methods}))
                .expect("good")
                .secret_in_form
        };
        assert!(!described(&json!({})).expect("good").secret_in_form);
        assert!(in_form(json!(["client_secret_post", "private_key_jwt"])));
        assert!(!in_form(json!(["client_secret_post", "client_secret_basic"])));
        assert!(!in_form(json!(["private_key_jwt"])));
    }

    #[test]
    fn only_public_keys_for_signatures_count() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let set = KeySet {
            keys: public_keys(&json!({"keys": [
                {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
                {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "enc", "use": "enc"},
                {"kty": "unheard-of", "kid": "new"},
                "nonsense",
                {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "good", "use": "sig"},
            ]})),
            fetched_at: 0,
        };
        let found = |kid| set.find(kid).is_some();
        assert!(found(Some("good")) && found(None));
        assert!(!found(Some("shared")) && !found(Some("enc")) && !found(Some("new")));
        assert!(public_keys(&json!({"keys": 1})).is_empty() && public_keys(&json!([])).is_empty());
    }

    #[test]
    fn what_is_kept_gets_old() {
        assert!(is_fresh(10, 5, 14) && !is_fresh(10, 5, 15));
        assert!(!is_fresh(10, 5, 9), "a clock that went back");
    }
}

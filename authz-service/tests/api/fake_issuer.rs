//! A small issuer that can lie. Whoever is sent to it is somebody as soon as the test says so; tokens are made in
//! the way that the test wants.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use service_kit::secret::{random_token, sha256_base64url};
use tokio::net::TcpListener;
use url::Url;

pub(crate) const CLIENT_ID: &str = "beaver";
pub(crate) const CLIENT_SECRET: &str = "the secret of beaver: 100%";

/// A signing key.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    pub(crate) kid: String,
}

impl Key {
    pub(crate) fn generate(kid: &str) -> Self {
        Self { pair: Ed25519KeyPair::generate().expect("a key"), kid: kid.to_owned() }
    }

    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.public());
        json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": "EdDSA"})
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "EdDSA", "kid": self.kid, "typ": "JWT"})
    }

    /// A token with any header, signed by this key.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = unsigned(header, claims);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes())))
    }
}

/// The part of a token that is signed.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Makes the token of a sign-in.
type Forge = Arc<dyn Fn(&Key, &Value) -> String + Send + Sync>;

/// What a code stands for.
struct Given {
    claims: Value,
    challenge: String,
    redirect_uri: String,
}

/// How the issuer behaves.
pub(crate) struct Behaviour {
    /// Laid over its description.
    pub(crate) description: Value,
    pub(crate) key: Arc<Key>,
    pub(crate) published: Vec<Value>,
    pub(crate) forge: Forge,
    /// Instead of tokens.
    pub(crate) answer: Option<fn() -> Response>,
    pub(crate) descriptions_asked: u32,
    pub(crate) keys_asked: u32,
    codes: BTreeMap<String, Given>,
}

/// The issuer.
#[derive(Clone)]
pub(crate) struct FakeIssuer {
    pub(crate) url: String,
    inner: Arc<Mutex<Behaviour>>,
}

impl FakeIssuer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let key = Arc::new(Key::generate("first"));
        let behaviour = Behaviour {
            description: json!({}),
            published: vec![key.jwk()],
            key,
            forge: Arc::new(|key, claims| key.sign(&key.header(), claims)),
            answer: None,
            descriptions_asked: 0,
            keys_asked: 0,
            codes: BTreeMap::new(),
        };
        let this = Self { url, inner: Arc::new(Mutex::new(behaviour)) };
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/elsewhere", get(async || Redirect::temporary("/keys")))
            .with_state(this.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        this
    }

    pub(crate) fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.inner.lock().expect("a lock")
    }

    /// Makes tokens in another way.
    pub(crate) fn forge(&self, forge: impl Fn(&Key, &Value) -> String + Send + Sync + 'static) {
        self.behaviour().forge = Arc::new(forge);
    }

    /// The person says yes at the address where the browser was sent; answers the query of the callback.
    pub(crate) fn approve(&self, to: &Url, now_s: i64, change: &Value) -> String {
        let asked: BTreeMap<_, _> = to.query_pairs().into_owned().collect();
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", CLIENT_ID));
        let mut claims = json!({
            "iss": self.url, "aud": CLIENT_ID, "sub": "person-1", "nonce": asked["nonce"],
            "iat": now_s, "exp": now_s + 300,
        });
        for (name, value) in change.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let code = random_token().expose().clone();
        let given = Given {
            claims,
            challenge: asked["code_challenge"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
        };
        self.behaviour().codes.insert(code.clone(), given);
        answer(&[("code", &code), ("state", &asked["state"]), ("iss", &self.url)])
    }
}

/// The query of a callback.
pub(crate) fn answer(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn describe(State(issuer): State<FakeIssuer>) -> Json<Value> {
    let mut behaviour = issuer.behaviour();
    behaviour.descriptions_asked += 1;
    let url = &issuer.url;
    let mut document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize?tenant=home"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "authorization_response_iss_parameter_supported": true,
    });
    for (name, value) in behaviour.description.as_object().expect("an object") {
        document[name] = value.clone();
    }
    Json(document)
}

async fn keys(State(issuer): State<FakeIssuer>) -> Json<Value> {
    let mut behaviour = issuer.behaviour();
    behaviour.keys_asked += 1;
    Json(json!({"keys": behaviour.published}))
}

/// Whether the client proved itself, by HTTP Basic or in the form.
fn is_client(headers: &HeaderMap, form: &BTreeMap<String, String>) -> bool {
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET));
    let basic = format!("Basic {}", STANDARD.encode(pair));
    match headers.get("authorization") {
        Some(value) => *value == basic && !form.contains_key("client_secret"),
        None => form.get("client_secret").is_some_and(|secret| secret == CLIENT_SECRET),
    }
}

async fn token(
    State(issuer): State<FakeIssuer>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let mut behaviour = issuer.behaviour();
    if let Some(answer) = behaviour.answer {
        return answer();
    }
    if !is_client(&headers, &form) {
        return refuse("invalid_client");
    }
    let Some(given) = behaviour.codes.remove(&form["code"]) else { return refuse("invalid_grant") };
    let proven = sha256_base64url(form["code_verifier"].as_bytes()) == given.challenge;
    if !proven || form["redirect_uri"] != given.redirect_uri || form["grant_type"] != "authorization_code" {
        return refuse("invalid_grant");
    }
    let id_token = (behaviour.forge)(&behaviour.key, &given.claims);
    Json(json!({"access_token": "unused", "token_type": "Bearer", "id_token": id_token})).into_response()
}

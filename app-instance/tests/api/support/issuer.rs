//! authz-service as an instance sees it: it registers backends and publishes keys, and it signs whatever a
//! test asks for.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control_api::claims::{ASSERTION_TYPE, AssertionClaims};
use control_api::ids::{InstanceId, SessionId, UserId};
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use service_kit::clock::Clock;
use service_kit::problem::Problem;

/// How the issuer answers a registration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Yes,
    TokenInvalid,
    Broken,
}

struct Key {
    kid: String,
    pair: Vec<u8>,
    public: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct FakeIssuer(Arc<Inner>);

struct Inner {
    url: String,
    key: Mutex<Key>,
    reply: Mutex<Reply>,
    registrations: Mutex<Vec<(Option<String>, Value)>>,
    key_fetches: AtomicUsize,
    serving: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

fn new_key(kid: &str) -> Key {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let document = pair.to_pkcs8v1().expect("a document");
    Key { kid: kid.to_owned(), pair: document.as_ref().to_vec(), public: pair.public_key().as_ref().to_vec() }
}

impl FakeIssuer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let this = Self(Arc::new(Inner {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            key: Mutex::new(new_key("key-1")),
            reply: Mutex::new(Reply::Yes),
            registrations: Mutex::default(),
            key_fetches: AtomicUsize::new(0),
            serving: Mutex::default(),
        }));
        let routes = Router::new()
            .route("/backends/register", post(register))
            .route("/.well-known/jwks.json", get(jwks))
            .with_state(this.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.expect("serving") });
        *this.0.serving.lock().expect("a lock") = Some(serving);
        this
    }

    pub(crate) fn url(&self) -> &str {
        &self.0.url
    }

    /// From now on nobody listens.
    pub(crate) async fn go_down(&self) {
        let serving = self.0.serving.lock().expect("a lock").take().expect("it serves");
        serving.abort();
        let _ = serving.await;
    }

    pub(crate) fn reply_with(&self, reply: Reply) {
        *self.0.reply.lock().expect("a lock") = reply;
    }

    pub(crate) fn rotate(&self, kid: &str) {
        *self.0.key.lock().expect("a lock") = new_key(kid);
    }

    /// The bearer token and the body of each registration so far.
    pub(crate) fn registrations(&self) -> Vec<(Option<String>, Value)> {
        self.0.registrations.lock().expect("a lock").clone()
    }

    pub(crate) fn key_fetches(&self) -> usize {
        self.0.key_fetches.load(Ordering::SeqCst)
    }

    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.0.key.lock().expect("a lock").public.clone()
    }

    pub(crate) fn header(&self) -> Header {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(ASSERTION_TYPE.to_owned());
        header.kid = Some(self.0.key.lock().expect("a lock").kid.clone());
        header
    }

    /// A good assertion.
    pub(crate) fn assertion(&self, instance: InstanceId, user: UserId) -> String {
        self.sign(&self.header(), &claims(self.url(), instance, user))
    }

    pub(crate) fn sign(&self, header: &Header, claims: &AssertionClaims) -> String {
        self.sign_value(header, &serde_json::to_value(claims).expect("json"))
    }

    pub(crate) fn sign_value(&self, header: &Header, claims: &Value) -> String {
        let key = EncodingKey::from_ed_der(&self.0.key.lock().expect("a lock").pair);
        jsonwebtoken::encode(header, claims, &key).expect("a token")
    }
}

/// The claims of a good assertion.
pub(crate) fn claims(issuer: &str, instance: InstanceId, user: UserId) -> AssertionClaims {
    let now = Clock::system().now_secs();
    AssertionClaims {
        iss: issuer.to_owned(),
        aud: instance,
        sub: user,
        sid: SessionId::generate(),
        scope: None,
        preferred_username: "alice".to_owned(),
        email: "alice@example.com".to_owned(),
        iat: now,
        exp: now + 600,
        jti: "1".to_owned(),
    }
}

async fn register(State(issuer): State<FakeIssuer>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let token = service_kit::bearer::token(&headers).map(str::to_owned);
    issuer.0.registrations.lock().expect("a lock").push((token, body));
    let reply = *issuer.0.reply.lock().expect("a lock");
    match reply {
        Reply::Yes => {
            let answer = json!({
                "client_id": "client-1", "client_secret": "client-s3cret",
                "token_endpoint": format!("{}/oauth/token", issuer.url()), "issuer": issuer.url(),
            });
            (StatusCode::CREATED, Json(answer)).into_response()
        }
        Reply::TokenInvalid => Problem::new(
            StatusCode::BAD_REQUEST,
            control_api::codes::CODE_INVALID,
            "The registration token is unknown, used or expired",
        )
        .into_response(),
        Reply::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "oh").into_response(),
    }
}

async fn jwks(State(issuer): State<FakeIssuer>) -> Json<Value> {
    issuer.0.key_fetches.fetch_add(1, Ordering::SeqCst);
    let key = issuer.0.key.lock().expect("a lock");
    let x = URL_SAFE_NO_PAD.encode(&key.public);
    Json(json!({"keys": [
        {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": x},
    ]}))
}

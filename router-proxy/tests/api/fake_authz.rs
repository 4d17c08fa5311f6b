//! authz-service as the router sees it: it signs, redeems, renews and revokes.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control_api::api_keys::{ApiKeyGrant, ApiKeyIntrospection, ApiKeyScope, IntrospectApiKeyRequest};
use control_api::authz::{
    AppTokenRequest, RedeemRequest, Revocation, Revocations, RevocationsQuery, Revoked, TokenSet, UserView,
};
use control_api::claims::{APP_TOKEN_TYPE, ASSERTION_TYPE, AppTokenClaims, AssertionClaims};
use control_api::codes;
use control_api::ids::{ApiKeyId, InstanceId, SessionId, UserId};
use control_api::wire::WireSecret;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use service_kit::clock::Clock;
use service_kit::problem::Problem;
use service_kit::secret::sha256_base64url;
use tokio::sync::{Notify, Semaphore};

pub(crate) const ISSUER: &str = "http://beaver-authz-service:19090";
pub(crate) const TOKEN: &str = "router-token-router-token-router-token";
pub(crate) const KID: &str = "key-1";
/// Answers about API keys that can be under way at a time.
pub(crate) const ANSWERS: usize = 100;

/// A code waiting to be redeemed.
struct Code {
    challenge: String,
    slug: String,
    person: Person,
    instance: InstanceId,
}

/// Somebody with a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) sid: SessionId,
    pub(crate) name: &'static str,
}

impl Person {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { user: UserId::generate(), sid: SessionId::generate(), name }
    }
}

/// An API key of somebody's.
#[derive(Clone)]
pub(crate) struct FakeKey {
    pub(crate) text: String,
    pub(crate) id: ApiKeyId,
    pub(crate) person: Person,
    pub(crate) instance: InstanceId,
    pub(crate) scope: ApiKeyScope,
}

pub(crate) struct FakeAuthz {
    pub(crate) address: SocketAddr,
    pub(crate) down: AtomicBool,
    pub(crate) keys_down: AtomicBool,
    pub(crate) renewals: AtomicUsize,
    pub(crate) logouts: AtomicUsize,
    pub(crate) introspections: AtomicUsize,
    /// Taken for each introspection: a test that holds all of them holds the answers.
    pub(crate) answers: Semaphore,
    api_keys: Mutex<HashMap<String, FakeKey>>,
    key: EncodingKey,
    jwks: String,
    codes: Mutex<HashMap<String, Code>>,
    people: Mutex<HashMap<SessionId, Person>>,
    ended: Mutex<HashSet<SessionId>>,
    revocations: Mutex<Vec<Revocation>>,
    news: Notify,
    /// Lifetime of what redeem and renew give.
    pub(crate) lifetime: std::sync::atomic::AtomicI64,
}

impl FakeAuthz {
    pub(crate) async fn start() -> Arc<Self> {
        let pair = Ed25519KeyPair::generate().expect("a key pair");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwks = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"{KID}","x":"{x}"}}]}}"#
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let this = Arc::new(Self {
            address: listener.local_addr().expect("an address"),
            down: AtomicBool::new(false),
            keys_down: AtomicBool::new(false),
            renewals: AtomicUsize::new(0),
            logouts: AtomicUsize::new(0),
            introspections: AtomicUsize::new(0),
            answers: Semaphore::new(ANSWERS),
            api_keys: Mutex::default(),
            key: EncodingKey::from_ed_der(pair.to_pkcs8v1().expect("a document").as_ref()),
            jwks,
            codes: Mutex::default(),
            people: Mutex::default(),
            ended: Mutex::default(),
            revocations: Mutex::default(),
            news: Notify::new(),
            lifetime: std::sync::atomic::AtomicI64::new(600),
        });
        let app = Router::new()
            .route("/.well-known/jwks.json", get(serve_keys))
            .route("/router/redeem", post(redeem))
            .route("/router/renew", post(renew))
            .route("/router/logout", post(logout))
            .route("/router/api-key", post(introspect))
            .route("/router/revocations", get(revocations))
            .layer(from_fn_with_state(Arc::clone(&this), fail_when_down))
            .with_state(Arc::clone(&this));
        tokio::spawn(async move { axum::serve(listener, app).await });
        this
    }

    pub(crate) fn now() -> i64 {
        Clock::system().now_secs()
    }

    pub(crate) fn sign_in(&self, person: Person) {
        self.people.lock().unwrap().insert(person.sid, person);
    }

    pub(crate) fn claims(person: Person, instance: InstanceId, iat: i64, exp: i64) -> AppTokenClaims {
        AppTokenClaims { iss: ISSUER.to_owned(), aud: instance, sub: person.user, sid: person.sid, iat, exp }
    }

    pub(crate) fn sign(&self, claims: &AppTokenClaims, typ: &str, kid: &str) -> String {
        let header =
            Header { typ: Some(typ.to_owned()), kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.key).expect("a token")
    }

    /// Any claims under any header, signed with the key that is published.
    pub(crate) fn sign_any(&self, header: &Header, claims: &serde_json::Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).expect("a token")
    }

    /// The public half as everybody can read it, base64url.
    pub(crate) fn public_key(&self) -> String {
        let keys: serde_json::Value = serde_json::from_str(&self.jwks).expect("JSON");
        keys["keys"][0]["x"].as_str().expect("a key").to_owned()
    }

    /// A good app token of a person who is signed in.
    pub(crate) fn app_token(&self, person: Person, instance: InstanceId) -> String {
        self.sign_in(person);
        let now = Self::now();
        self.sign(&Self::claims(person, instance, now, now + 600), APP_TOKEN_TYPE, KID)
    }

    /// What the portal does: a code for a challenge.
    pub(crate) fn code(&self, person: Person, instance: InstanceId, slug: &str, challenge: &str) -> String {
        self.sign_in(person);
        let code = SessionId::generate().to_string();
        let entry = Code { challenge: challenge.to_owned(), slug: slug.to_owned(), person, instance };
        self.codes.lock().unwrap().insert(code.clone(), entry);
        code
    }

    pub(crate) fn revoke(&self, revoked: Revoked) {
        let mut all = self.revocations.lock().unwrap();
        let seq = i64::try_from(all.len()).expect("few") + 1;
        all.push(Revocation { seq, revoked, at: Self::now() });
        if let Revoked::Session(sid) = revoked {
            self.ended.lock().unwrap().insert(sid);
        }
        self.news.notify_waiters();
    }

    /// A good API key.
    pub(crate) fn api_key(&self, person: Person, instance: InstanceId, scope: ApiKeyScope) -> FakeKey {
        let text = format!("bvr_{}", service_kit::secret::random_token().expose());
        let key = FakeKey { text: text.clone(), id: ApiKeyId::generate(), person, instance, scope };
        self.api_keys.lock().unwrap().insert(text, key.clone());
        key
    }

    /// Makes a key inactive without telling anybody.
    pub(crate) fn drop_api_key(&self, key: &FakeKey) {
        self.api_keys.lock().unwrap().remove(&key.text);
    }

    /// Revokes a key and tells it.
    pub(crate) fn revoke_api_key(&self, key: &FakeKey) {
        self.drop_api_key(key);
        self.revoke(Revoked::ApiKey(key.id));
    }

    /// Ends a session without telling anybody.
    pub(crate) fn end_quietly(&self, sid: SessionId) {
        self.ended.lock().unwrap().insert(sid);
    }

    fn tokens(&self, person: Person, instance: InstanceId) -> TokenSet {
        let (now, life) = (Self::now(), self.lifetime.load(Ordering::SeqCst));
        let assertion = AssertionClaims {
            iss: ISSUER.to_owned(),
            aud: instance,
            sub: person.user,
            sid: person.sid,
            scope: None,
            preferred_username: person.name.to_owned(),
            email: format!("{}@example.com", person.name),
            iat: now,
            exp: now + life,
            jti: SessionId::generate().to_string(),
        };
        let header = Header {
            typ: Some(ASSERTION_TYPE.to_owned()),
            kid: Some(KID.to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let claims = Self::claims(person, instance, now, now + life);
        TokenSet {
            app_token: WireSecret::new(self.sign(&claims, APP_TOKEN_TYPE, KID)),
            assertion: WireSecret::new(
                jsonwebtoken::encode(&header, &assertion, &self.key).expect("an assertion"),
            ),
            instance_id: instance,
            sid: person.sid,
            user: UserView {
                user_id: person.user,
                username: person.name.parse().expect("a name"),
                email: format!("{}@example.com", person.name),
            },
            expires_at: now + life,
        }
    }

    /// Claims of a token whose signature is not looked at: tests trust themselves.
    fn unverified(token: &str) -> AppTokenClaims {
        let payload = token.split('.').nth(1).expect("a payload");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("claims")
    }
}

type Authz = State<Arc<FakeAuthz>>;

async fn fail_when_down(State(authz): Authz, request: axum::extract::Request, next: Next) -> Response {
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(request.headers()["authorization"], bearer.as_str(), "the router's own token");
    let keys = request.uri().path().ends_with("jwks.json");
    if authz.down.load(Ordering::SeqCst) || (keys && authz.keys_down.load(Ordering::SeqCst)) {
        return (StatusCode::SERVICE_UNAVAILABLE, "down").into_response();
    }
    next.run(request).await
}

async fn serve_keys(State(authz): Authz) -> String {
    authz.jwks.clone()
}

async fn redeem(State(authz): Authz, Json(body): Json<RedeemRequest>) -> Response {
    let code = authz.codes.lock().unwrap().remove(body.code.expose());
    let good = code.filter(|code| {
        code.challenge == sha256_base64url(body.code_verifier.expose().as_bytes())
            && code.slug == body.slug.as_str()
    });
    match good {
        Some(code) => Json(authz.tokens(code.person, code.instance)).into_response(),
        None => Problem::new(StatusCode::BAD_REQUEST, codes::CODE_INVALID, "No such code").into_response(),
    }
}

async fn renew(State(authz): Authz, Json(body): Json<AppTokenRequest>) -> Response {
    authz.renewals.fetch_add(1, Ordering::SeqCst);
    let claims = FakeAuthz::unverified(body.app_token.expose());
    let person = authz.people.lock().unwrap().get(&claims.sid).copied();
    let ended = authz.ended.lock().unwrap().contains(&claims.sid);
    match person.filter(|_| !ended) {
        Some(person) => Json(authz.tokens(person, claims.aud)).into_response(),
        None => Problem::new(StatusCode::UNAUTHORIZED, codes::SESSION_ENDED, "Ended").into_response(),
    }
}

async fn introspect(
    State(authz): Authz,
    Json(body): Json<IntrospectApiKeyRequest>,
) -> Json<ApiKeyIntrospection> {
    authz.introspections.fetch_add(1, Ordering::SeqCst);
    let key = authz.api_keys.lock().unwrap().get(body.key.expose()).cloned();
    let _answer = authz.answers.acquire().await.expect("open");
    let grant = key.filter(|key| key.instance == body.instance_id).map(|key| {
        let tokens = authz.tokens(key.person, key.instance);
        ApiKeyGrant {
            key_id: key.id,
            instance_id: key.instance,
            user: tokens.user,
            scopes: vec![key.scope],
            assertion: tokens.assertion,
            issued_at: FakeAuthz::now(),
            expires_at: tokens.expires_at,
            key_expires_at: None,
        }
    });
    Json(ApiKeyIntrospection { active: grant.is_some(), grant })
}

async fn logout(State(authz): Authz, Json(body): Json<AppTokenRequest>) -> StatusCode {
    authz.logouts.fetch_add(1, Ordering::SeqCst);
    authz.revoke(Revoked::Session(FakeAuthz::unverified(body.app_token.expose()).sid));
    StatusCode::NO_CONTENT
}

async fn revocations(State(authz): Authz, Query(query): Query<RevocationsQuery>) -> Json<Revocations> {
    let news = authz.news.notified();
    let found = |authz: &FakeAuthz| {
        let all = authz.revocations.lock().unwrap();
        let newer: Vec<_> = all.iter().filter(|r| r.seq > query.after).copied().collect();
        Revocations { last: i64::try_from(all.len()).expect("few"), revocations: newer }
    };
    let now = found(&authz);
    if !now.revocations.is_empty() || query.wait_s == 0 {
        return Json(now);
    }
    let _ = tokio::time::timeout(Duration::from_secs(query.wait_s.into()), news).await;
    Json(found(&authz))
}

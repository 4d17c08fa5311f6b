//! API keys: their life, whom they open what for, and what the router is told.

use std::time::Duration;

use control_api::api_keys::is_api_key;
use control_api::claims::{ASSERTION_TYPE, AssertionClaims};
use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::harness::{Answer, INTERNAL, PASSWORD, Resident, TestApp, send};

const DAY: Duration = Duration::from_hours(24);

async fn create_with(app: &TestApp, resident: &Resident, change: impl FnOnce(&mut Value)) -> Answer {
    let mut body = json!({
        "session": resident.session, "name": "backup", "scopes": ["instance"], "expires_in_days": 90,
        "client_addr": "192.0.2.7",
    });
    change(&mut body);
    app.post("/portal/api-keys", &body).await
}

/// A new key, and its id.
async fn create(app: &TestApp, resident: &Resident) -> (String, String) {
    let answer = create_with(app, resident, |_| {}).await.expect(201);
    let id = answer.body["api_key"]["key_id"].as_str().expect("an id").to_owned();
    (answer.text("key"), id)
}

async fn revoke(app: &TestApp, resident: &Resident, id: &str) -> Answer {
    app.post("/portal/api-keys/revoke", &json!({"session": resident.session, "key_id": id})).await
}

async fn list(app: &TestApp, resident: &Resident) -> Vec<Value> {
    let answer = app.post("/portal/api-keys/list", &json!({"session": resident.session})).await.expect(200);
    answer.body["api_keys"].as_array().expect("a list").clone()
}

async fn introspect(app: &TestApp, key: &str, resident: &Resident) -> Value {
    let body = json!({"key": key, "instance_id": resident.instance_id, "slug": resident.slug});
    app.post("/router/api-key", &body).await.expect(200).body
}

async fn is_active(app: &TestApp, key: &str, resident: &Resident) -> bool {
    let answer = introspect(app, key, resident).await;
    let active = answer["active"].as_bool().expect("a word");
    assert_eq!(answer["grant"].is_object(), active, "{answer}");
    active
}

#[tokio::test]
async fn a_key_is_shown_once_and_listed_without_itself() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let (key, id) = create(&app, &alice).await;
    assert!(is_api_key(&key));
    let listed = list(&app, &alice).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["key_id"], id);
    assert_eq!(listed[0]["name"], "backup");
    assert_eq!(listed[0]["scopes"], json!(["instance"]));
    assert_eq!(listed[0]["state"], "active");
    assert!(listed[0].get("last_used_at").is_none());
    assert!(!listed[0].to_string().contains(&key));
    // The newest comes first, and nobody sees another's.
    let (_, newer) = create(&app, &alice).await;
    assert_eq!(list(&app, &alice).await[0]["key_id"], newer);
    let bob = app.resident("bob").await;
    assert!(list(&app, &bob).await.is_empty());
}

#[tokio::test]
async fn an_active_key_stands_for_its_owner_at_the_owners_instance() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let (key, id) = create(&app, &alice).await;
    let answer = introspect(&app, &key, &alice).await;
    let grant = &answer["grant"];
    assert_eq!(grant["key_id"], id);
    assert_eq!(grant["user"]["user_id"], alice.user_id);
    assert_eq!(grant["user"]["username"], "alice");
    assert_eq!(grant["instance_id"], alice.instance_id);
    assert_eq!(grant["scopes"], json!(["instance"]));
    assert_eq!(grant["issued_at"], app.clock.now_secs());
    assert_eq!(grant["expires_at"], app.clock.now_secs() + 600);
    assert_eq!(grant["key_expires_at"], app.clock.now_secs() + 90 * 86_400);
    assert!(grant.get("app_token").is_none(), "nothing that would do as a cookie");

    assert!(!is_active(&app, &key, &bob).await, "bob's instance");
    let wrong_slug = Resident { slug: "bob".to_owned(), ..alice.clone() };
    assert!(!is_active(&app, &key, &wrong_slug).await);
    let unknown = Resident { instance_id: "01JDF3X5S8Q4M7R2V6T9W0YZAB".to_owned(), ..alice.clone() };
    assert!(!is_active(&app, &key, &unknown).await);
    for wrong in ["", "bvr_", &key[1..], &key.replace("bvr_", "BVR_"), &format!("{key}x"), &alice.session] {
        assert!(!is_active(&app, wrong, &alice).await, "{wrong}");
    }
    let flipped = if key.ends_with('A') { "B" } else { "A" };
    assert!(!is_active(&app, &format!("{}{flipped}", &key[..key.len() - 1]), &alice).await);
}

#[tokio::test]
async fn the_assertion_of_a_key_verifies_like_any_other_and_says_what_the_key_may() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let answer = create_with(&app, &alice, |body| body["scopes"] = json!(["instance:read"])).await;
    let key = answer.expect(201).text("key");
    let grant = introspect(&app, &key, &alice).await["grant"].clone();
    let assertion = grant["assertion"].as_str().expect("an assertion");
    let keys = send(app.instance_request(Method::GET, "/.well-known/jwks.json")).await.expect(200);
    let keys: JwkSet = serde_json::from_value(keys.body).expect("a key set");
    let header = decode_header(assertion).expect("a header");
    assert_eq!(header.typ.as_deref(), Some(ASSERTION_TYPE));
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[app.issuer()]);
    validation.set_audience(&[&alice.instance_id]);
    let jwk = keys.find(&header.kid.expect("a kid")).expect("the key");
    let verifying = DecodingKey::from_jwk(jwk).expect("a key");
    let claims = decode::<AssertionClaims>(assertion, &verifying, &validation).expect("it verifies").claims;
    assert_eq!(claims.sub.to_string(), alice.user_id);
    assert_eq!(claims.preferred_username, "alice");
    assert_eq!(claims.sid.to_string(), grant["key_id"].as_str().expect("an id"));
    assert_eq!(claims.scope.as_deref(), Some("instance:read"));
    // It is no app token, and the key is no session.
    app.renew(assertion).await.expect(401);
    app.renew(&key).await.expect(401);
    app.session(&key).await.expect(401);
}

#[tokio::test]
async fn a_revoked_key_is_dead_and_the_router_hears_of_it() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let ((key, id), (other, _)) = (create(&app, &alice).await, create(&app, &alice).await);
    // Nobody else can.
    assert_eq!(revoke(&app, &bob, &id).await.expect(404).code(), "urn:beaver:not-found");
    assert!(is_active(&app, &key, &alice).await);

    let news = app.get("/router/revocations?after=0&wait_s=30");
    let (news, _) = tokio::join!(news, async { revoke(&app, &alice, &id).await.expect(204) });
    let at = app.clock.now_secs();
    let told = json!({"seq": 1, "kind": "api_key", "id": id, "at": at});
    assert_eq!(news.expect(200).body, json!({"last": 1, "revocations": [told]}));
    assert!(!is_active(&app, &key, &alice).await);
    assert!(is_active(&app, &other, &alice).await);
    assert_eq!(list(&app, &alice).await.len(), 1);
    // Again is no error and no news; and it does not come back with a restart.
    revoke(&app, &alice, &id).await.expect(204);
    let app = app.restart().await;
    assert_eq!(app.get("/router/revocations").await.expect(200).body["last"], 1);
    assert!(!is_active(&app, &key, &alice).await);
    assert!(is_active(&app, &other, &alice).await);
}

#[tokio::test]
async fn a_key_ends_with_its_time_and_its_assertion_no_later() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let answer = create_with(&app, &alice, |body| body["expires_in_days"] = json!(1)).await.expect(201);
    let key = answer.text("key");
    app.clock.advance(DAY.saturating_sub(Duration::from_mins(5)));
    assert_eq!(introspect(&app, &key, &alice).await["grant"]["expires_at"], app.clock.now_secs() + 300);
    app.clock.advance(Duration::from_mins(5));
    assert!(!is_active(&app, &key, &alice).await);
    let again = app.login("alice", PASSWORD).await.expect(200).text("session");
    let alice = Resident { session: again, ..alice };
    assert_eq!(list(&app, &alice).await[0]["state"], "expired");
}

#[tokio::test]
async fn a_key_works_for_as_long_as_it_is_used_and_a_year_at_most() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let yearly = async || {
        create_with(&app, &alice, |body| body["expires_in_days"] = json!(365)).await.expect(201).text("key")
    };
    let (used, idle) = (yearly().await, yearly().await);
    for _ in 0..4 {
        app.clock.advance(89 * DAY);
        assert!(is_active(&app, &used, &alice).await, "the session is long gone");
    }
    assert!(!is_active(&app, &idle, &alice).await);
    let again = app.login("alice", PASSWORD).await.expect(200).text("session");
    let keys = list(&app, &Resident { session: again, ..alice.clone() }).await;
    let states: Vec<_> = keys.iter().map(|key| key["state"].as_str().expect("a state")).collect();
    assert!(states.contains(&"unused") && states.contains(&"active"), "{states:?}");
    app.clock.advance(9 * DAY);
    assert!(!is_active(&app, &used, &alice).await, "used until the end, and over");
}

#[tokio::test]
async fn a_key_of_which_no_end_is_said_lives_for_ninety_days() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let answer = create_with(&app, &alice, |body| body["expires_in_days"] = Value::Null).await.expect(201);
    let key = answer.text("key");
    app.clock.advance(89 * DAY);
    assert!(is_active(&app, &key, &alice).await);
    app.clock.advance(DAY);
    assert!(!is_active(&app, &key, &alice).await);
}

#[tokio::test]
async fn the_last_use_is_kept_to_the_minute() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let (key, _) = create(&app, &alice).await;
    let used = async || {
        let text = list(&app, &alice).await[0]["last_used_at"].as_str().expect("a time").to_owned();
        text.parse::<jiff::Timestamp>().expect("a time").as_second()
    };
    let first = app.clock.now_secs();
    assert!(is_active(&app, &key, &alice).await);
    assert_eq!(used().await, first);
    app.clock.advance(Duration::from_secs(59));
    assert!(is_active(&app, &key, &alice).await);
    assert_eq!(used().await, first);
    app.clock.advance(Duration::from_secs(1));
    assert!(is_active(&app, &key, &alice).await);
    assert_eq!(used().await, first + 60);
}

#[tokio::test]
async fn a_key_outlives_sign_outs_and_dies_with_the_instance_and_the_account() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let (key, _) = create(&app, &alice).await;
    app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    assert!(is_active(&app, &key, &alice).await);

    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", app.database().display()))
        .await
        .expect("the database");
    let set_state = async |state: &str| {
        let query = sqlx::query("UPDATE accounts SET state = ? WHERE username = 'alice'").bind(state);
        query.execute(&pool).await.expect("written");
    };
    set_state("pending_approval").await;
    assert!(!is_active(&app, &key, &alice).await, "the account may not sign in");
    set_state("active").await;
    assert!(is_active(&app, &key, &alice).await);
    pool.close().await;

    app.delete(&format!("/internal/instances/{}", alice.instance_id)).await.expect(204);
    assert!(!is_active(&app, &key, &alice).await);
}

#[tokio::test]
async fn an_account_has_twenty_keys_and_no_race_makes_more() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let answers = futures_util::future::join_all((0..30).map(|_| create_with(&app, &alice, |_| {}))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(409)), (20, 10));
    let refused = create_with(&app, &alice, |_| {}).await.expect(409);
    assert_eq!(refused.code(), "urn:beaver:too-many-keys");
    let id = list(&app, &alice).await[3]["key_id"].as_str().expect("an id").to_owned();
    revoke(&app, &alice, &id).await.expect(204);
    create_with(&app, &alice, |_| {}).await.expect(201);
    // Another's count is another.
    let bob = app.resident("bob").await;
    create_with(&app, &bob, |_| {}).await.expect(201);
}

#[tokio::test]
async fn faults_are_told_at_their_fields_and_without_a_session_nothing_is_done() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let refused = create_with(&app, &alice, |body| {
        body["name"] = json!("");
        body["scopes"] = json!(["everything"]);
        body["expires_in_days"] = json!(366);
    })
    .await
    .expect(422);
    let fields: Vec<&String> = refused.body["errors"].as_object().expect("errors").keys().collect();
    assert_eq!(fields, ["expires_in_days", "name", "scopes"]);
    let without = create_with(&app, &alice, |body| body["session"] = json!("unknown")).await.expect(401);
    assert_eq!(without.code(), "urn:beaver:session-ended");
    app.post("/portal/api-keys/list", &json!({"session": "unknown"})).await.expect(401);
    let body = json!({"session": "unknown", "key_id": "01JDF3X5S8Q4M7R2V6T9W0YZAB"});
    app.post("/portal/api-keys/revoke", &body).await.expect(401);
    assert!(list(&app, &alice).await.is_empty());
}

#[tokio::test]
async fn each_side_has_its_own_token() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let (key, _) = create(&app, &alice).await;
    let body = json!({"key": key, "instance_id": alice.instance_id, "slug": alice.slug});
    let with = async |token: &str, path: &str, body: &Value| {
        send(app.request(Method::POST, path).bearer_auth(token).json(body)).await.status
    };
    assert_eq!(with(INTERNAL, "/router/api-key", &body).await, 401);
    let session = json!({"session": alice.session});
    assert_eq!(with(crate::harness::ROUTER, "/portal/api-keys/list", &session).await, 401);
    // Nor is it served where instances are.
    let elsewhere = app.instance_request(Method::POST, "/router/api-key").bearer_auth(crate::harness::ROUTER);
    send(elsewhere.json(&body)).await.expect(404);
}

#[tokio::test]
async fn the_audit_log_and_the_file_never_hold_a_key() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let (key, id) = create(&app, &alice).await;
    assert!(is_active(&app, &key, &alice).await);
    revoke(&app, &alice, &id).await.expect(204);
    let database = app.database();
    assert!(app.stop().await, "a clean stop");
    let file = std::fs::read(&database).expect("the database");
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&id), "the search itself works");
    assert!(!holds(&key) && !holds(&key[4..]));
    let pool =
        sqlx::SqlitePool::connect(&format!("sqlite://{}", database.display())).await.expect("the database");
    let rows: Vec<(String, String, Option<String>)> =
        sqlx::query_as("SELECT actor, action, address FROM audit WHERE target = ? ORDER BY id")
            .bind(&id)
            .fetch_all(&pool)
            .await
            .expect("the log");
    let expected = [
        (alice.user_id.clone(), "api-key-create".to_owned(), Some("192.0.2.7".to_owned())),
        (alice.user_id, "api-key-revoke".to_owned(), None),
    ];
    assert_eq!(rows, expected);
    pool.close().await;
}

//! Registering and signing in.

use http::Method;
use serde_json::json;

use crate::harness::{INTERNAL, PASSWORD, ROUTER, TestApp, registration, send};

#[tokio::test]
async fn a_new_account_can_sign_in_by_name_and_by_address() {
    let app = TestApp::start().await;
    let registered = app.register("alice").await.expect(201);
    let session = app.session(&registered.text("session")).await.expect(200);
    assert_eq!(session.body["user"]["username"], "alice");
    assert_eq!(session.body["user"]["email"], "alice@example.com");
    assert_eq!(session.body["user"]["user_id"], registered.body["user_id"]);

    for login in ["alice", " Alice ", "ALICE@example.com"] {
        let answer = app.login(login, PASSWORD).await.expect(200);
        assert_eq!(answer.body["user_id"], registered.body["user_id"]);
        assert_ne!(answer.body["session"], registered.body["session"], "a new session at each sign-in");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn every_fault_is_told_at_its_field() {
    let app = TestApp::start().await;
    let body = json!({"username": "admin", "email": "nonsense", "password": "short"});
    let answer = app.post("/portal/register", &body).await.expect(422);
    assert_eq!(answer.code(), "urn:beaver:invalid-input");
    for field in ["username", "email", "password"] {
        assert!(answer.body["errors"][field].is_string(), "{field}: {answer:?}");
    }
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert!(answer.body["request_id"].is_string());
    assert!(answer.body["errors"]["username"].as_str().expect("text").contains("reserved"));

    // Nothing was left behind: the valid parts of the bad form are free.
    app.register("alice").await.expect(201);
}

#[tokio::test]
async fn weak_passwords_are_refused_with_the_reason() {
    let app = TestApp::start().await;
    for weak in ["short", "password1234567", "aaaaaaaaaaaaaaaaaaaa", "alice@example.com", &"long ".repeat(26)]
    {
        let mut body = registration("alice");
        body["password"] = json!(weak);
        let answer = app.post("/portal/register", &body).await.expect(422);
        assert_eq!(answer.code(), "urn:beaver:weak-password");
        let reason = answer.body["errors"]["password"].as_str().expect("a reason");
        assert!(!reason.contains(weak), "the password is not repeated");
    }
}

#[tokio::test]
async fn taken_names_and_addresses_are_conflicts_at_their_fields() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    let both = app.register("Alice").await.expect(409);
    assert_eq!(both.code(), "urn:beaver:username-taken");
    assert!(both.body["errors"]["username"].is_string() && both.body["errors"]["email"].is_string());

    let mut same_email = registration("bob");
    same_email["email"] = json!("ALICE@Example.com");
    let answer = app.post("/portal/register", &same_email).await.expect(409);
    assert_eq!(answer.code(), "urn:beaver:email-taken");
    assert!(answer.body["errors"]["username"].is_null());
    // bob was not half made.
    app.register("bob").await.expect(201);
}

#[tokio::test]
async fn of_two_who_want_a_name_at_once_one_gets_it() {
    let app = TestApp::start().await;
    let tries = (0..8).map(|n| {
        let mut body = registration("alice");
        body["email"] = json!(format!("alice{n}@example.com"));
        let app = &app;
        async move { app.post("/portal/register", &body).await.status }
    });
    let mut statuses = futures_util::future::join_all(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn known_and_unknown_accounts_are_refused_alike() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    let wrong = app.login("alice", "another password entirely").await.expect(401);
    let unknown = app.login("nobody", "another password entirely").await.expect(401);
    assert_eq!(wrong.code(), "urn:beaver:bad-credentials");
    let shape = |answer: &crate::harness::Answer| {
        let mut body = answer.body.clone();
        body["request_id"] = json!(null);
        (body, answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(shape(&wrong), shape(&unknown));
}

#[tokio::test]
async fn a_body_that_is_too_large_malformed_or_no_json_is_refused_clearly() {
    let app = TestApp::start().await;
    let mut large = registration("alice");
    large["password"] = json!("x".repeat(70_000));
    assert_eq!(app.post("/portal/register", &large).await.expect(413).code(), "urn:beaver:invalid-input");

    let request = app.request(Method::POST, "/portal/register").bearer_auth(INTERNAL);
    send(request.body("username=alice")).await.expect(415);

    let body = json!({"username": "alice", "email": "alice@example.com", "password": 123_456_789});
    let answer = app.post("/portal/register", &body).await.expect(400);
    assert!(!answer.body.to_string().contains("123456789"), "{answer:?}");
    app.post("/portal/register", &json!({})).await.expect(400);
}

#[tokio::test]
async fn a_token_that_does_not_match_names_the_variables_on_both_sides() {
    let app = TestApp::start().await;
    let ask = async |path: &str, token: &str| {
        send(app.request(Method::POST, path).bearer_auth(token).json(&json!({}))).await.expect(401)
    };
    for (path, wrong, variables) in [
        ("/portal/login", ROUTER, ["AUTHZ_INTERNAL_TOKEN", "BEAVER_AUTHZ_INTERNAL_TOKEN"]),
        ("/internal/accounts", ROUTER, ["AUTHZ_INTERNAL_TOKEN", "BEAVER_AUTHZ_INTERNAL_TOKEN"]),
        ("/router/redeem", INTERNAL, ["BEAVER_ROUTER_TOKEN", "router-proxy"]),
    ] {
        let answer = ask(path, wrong).await;
        assert_eq!(answer.code(), "urn:beaver:token-mismatch");
        for variable in variables {
            assert!(answer.text("detail").contains(variable), "{answer:?}");
        }
        assert!(!answer.body.to_string().contains(wrong));
    }
}

#[tokio::test]
async fn the_operator_makes_accounts_and_finds_them() {
    let app = TestApp::start().await;
    let carol = app.post("/internal/accounts", &json!({"username": "carol"})).await.expect(201);
    let login = app.login("carol", &carol.text("password")).await.expect(200);
    let session = app.session(&login.text("session")).await.expect(200);
    assert_eq!(session.body["user"]["email"], "carol@localhost.invalid");
    assert_eq!(session.body["provisioning"]["state"], "refused", "nothing was ordered");

    let given = json!({"username": "bob", "email": "bob@example.com", "password": PASSWORD});
    let bob = app.post("/internal/accounts", &given).await.expect(201);
    assert!(bob.body["password"].is_null(), "a password that was given is not shown");
    app.login("bob", PASSWORD).await.expect(200);

    let again = app.post("/internal/accounts", &json!({"username": "carol"})).await.expect(409);
    assert_eq!(again.code(), "urn:beaver:username-taken");
    let weak = json!({"username": "alice", "password": "short"});
    assert_eq!(app.post("/internal/accounts", &weak).await.expect(422).code(), "urn:beaver:weak-password");

    let found = app.get("/internal/accounts?username=carol").await.expect(200);
    assert_eq!(found.body["accounts"][0]["user_id"], carol.body["user_id"]);
    assert_eq!(found.body["accounts"].as_array().expect("a list").len(), 1);
    assert_eq!(app.get("/internal/accounts?username=nobody").await.expect(200).body["accounts"], json!([]));
}

/// With the parameters of production: skipping the hash for an unknown account would be seen at once.
#[tokio::test]
async fn an_unknown_account_takes_as_long_as_a_known_one() {
    let app = TestApp::start_with(|config| config.hashing = authz_service::HashParams::default()).await;
    app.register("alice").await.expect(201);
    let timed = async |login: &str| {
        let started = std::time::Instant::now();
        app.login(login, "another password entirely").await.expect(401);
        started.elapsed()
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..5 {
        known.push(timed("alice").await);
        unknown.push(timed(&format!("nobody{n}")).await);
    }
    known.sort_unstable();
    unknown.sort_unstable();
    let ratio = unknown[2].as_secs_f64() / known[2].as_secs_f64();
    assert!((0.4..2.5).contains(&ratio), "unknown {unknown:?}, known {known:?}");
}

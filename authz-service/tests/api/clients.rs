//! Clients of instances: registration tokens, credentials, access tokens, discovery.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Resident, TestApp, send};

async fn register_backend(app: &TestApp, token: &str, instance_id: &str) -> Answer {
    let body = json!({"instance_id": instance_id, "name": "app-instance", "version": "0.1.0"});
    send(app.instance_request(Method::POST, "/backends/register").bearer_auth(token).json(&body)).await
}

async fn register_client(app: &TestApp, token: &str, metadata: &Value) -> Answer {
    send(app.instance_request(Method::POST, "/oauth/register").bearer_auth(token).json(metadata)).await
}

async fn client_of(app: &TestApp, resident: &Resident) -> (String, String) {
    let token = app.registration_token(resident).await;
    let answer = register_backend(app, &token, &resident.instance_id).await.expect(201);
    (answer.text("client_id"), answer.text("client_secret"))
}

async fn token(app: &TestApp, form: &[(&str, &str)]) -> Answer {
    send(app.instance_request(Method::POST, "/oauth/token").form(form)).await
}

#[tokio::test]
async fn a_registration_token_works_once_for_its_instance_for_ten_minutes() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let token = app.registration_token(&alice).await;
    // Another instance gets nowhere with it, and does not use it up.
    let stolen = register_backend(&app, &token, &bob.instance_id).await.expect(400);
    assert_eq!(stolen.code(), "urn:beaver:code-invalid");
    let answer = register_backend(&app, &token, &alice.instance_id).await.expect(201);
    assert_eq!(answer.text("issuer"), app.issuer());
    assert_eq!(answer.text("token_endpoint"), format!("{}/oauth/token", app.issuer()));
    register_backend(&app, &token, &alice.instance_id).await.expect(400);
    register_client(&app, &token, &json!({})).await.expect(401);

    let late = app.registration_token(&alice).await;
    app.clock.advance(Duration::from_mins(10));
    register_backend(&app, &late, &alice.instance_id).await.expect(400);

    let replaced = app.registration_token(&alice).await;
    let newest = app.registration_token(&alice).await;
    register_backend(&app, &replaced, &alice.instance_id).await.expect(400);
    register_backend(&app, &newest, &alice.instance_id).await.expect(201);

    let body = json!({"instance_id": alice.instance_id, "name": "x", "version": "1"});
    send(app.instance_request(Method::POST, "/backends/register").json(&body)).await.expect(401);
    let token = app.registration_token(&alice).await;
    let long = json!({"instance_id": alice.instance_id, "name": "x".repeat(101), "version": ""});
    let request = app.instance_request(Method::POST, "/backends/register").bearer_auth(&token).json(&long);
    let answer = send(request).await.expect(422);
    assert!(answer.body["errors"]["name"].is_string() && answer.body["errors"]["version"].is_string());
    register_backend(&app, &token, &alice.instance_id).await.expect(201);
}

#[tokio::test]
async fn one_of_many_registrations_at_once_wins() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let token = app.registration_token(&alice).await;
    let statuses = futures_util::future::join_all(
        (0..20).map(|_| async { register_backend(&app, &token, &alice.instance_id).await.status }),
    )
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_client_gets_access_tokens_with_its_secret_alone() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let (id, secret) = client_of(&app, &alice).await;
    let request = app.instance_request(Method::POST, "/oauth/token").basic_auth(&id, Some(&secret));
    let basic = send(request.form(&[("grant_type", "client_credentials")])).await.expect(200);
    assert_eq!(basic.body["token_type"], "Bearer");
    assert_eq!(basic.body["expires_in"], 600);
    assert_eq!(basic.body["scope"], "backend");
    assert_eq!(basic.headers["cache-control"], "no-store");
    let header = jsonwebtoken::decode_header(basic.text("access_token")).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));

    let in_body = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
    ];
    token(&app, &in_body).await.expect(200);

    let error = async |form: &[(&str, &str)], status: u16, error: &str| {
        let answer = token(&app, form).await.expect(status);
        assert_eq!(answer.body["error"], error, "{answer:?}");
    };
    let body = |grant, secret| [("grant_type", grant), ("client_id", id.as_str()), ("client_secret", secret)];
    error(&body("client_credentials", "wrong"), 401, "invalid_client").await;
    error(&body("authorization_code", &secret), 400, "unauthorized_client").await;
    error(&body("refresh_token", &secret), 400, "unauthorized_client").await;
    error(&body("password", &secret), 400, "unsupported_grant_type").await;
    error(&[("grant_type", "client_credentials")], 401, "invalid_client").await;
    error(&[("client_id", &id), ("client_secret", &secret)], 400, "invalid_request").await;
    let twice = [in_body.as_slice(), &[("client_id", "other")]].concat();
    error(&twice, 400, "invalid_request").await;
    let scope = [in_body.as_slice(), &[("scope", "backend admin")]].concat();
    error(&scope, 400, "invalid_scope").await;

    let wrong = app.instance_request(Method::POST, "/oauth/token").basic_auth(&id, Some("wrong"));
    let wrong = send(wrong.form(&[("grant_type", "client_credentials")])).await.expect(401);
    assert!(wrong.headers["www-authenticate"].to_str().expect("text").starts_with("Basic"));
    let both = app.instance_request(Method::POST, "/oauth/token").basic_auth(&id, Some(&secret));
    let both = send(both.form(&in_body)).await.expect(400);
    assert_eq!(both.body["error"], "invalid_request");
    let json = app.instance_request(Method::POST, "/oauth/token").json(&json!({"grant_type": "x"}));
    assert_eq!(send(json).await.expect(400).body["error"], "invalid_request");
}

#[tokio::test]
async fn a_client_dies_with_its_instance_and_with_the_next_registration() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let ask = async |(id, secret): &(String, String)| {
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        token(&app, &form).await.status
    };
    let first = client_of(&app, &alice).await;
    assert_eq!(ask(&first).await, 200);
    let second = client_of(&app, &alice).await;
    assert_eq!(ask(&first).await, 401);
    assert_eq!(ask(&second).await, 200);

    let waiting = app.registration_token(&alice).await;
    let path = format!("/internal/instances/{}", alice.instance_id);
    app.delete(&path).await.expect(204);
    assert_eq!(ask(&second).await, 401);
    register_backend(&app, &waiting, &alice.instance_id).await.expect(400);
    // Again, and for one that never was.
    app.delete(&path).await.expect(204);
    app.delete("/internal/instances/01JDF3X5S8Q4M7R2V6T9W0YZAB").await.expect(204);
    app.delete("/internal/instances/nonsense").await.expect(404);
}

#[tokio::test]
async fn dynamic_registration_computes_redirects_and_scopes() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let token = app.registration_token(&alice).await;
    for (bad, error) in [
        (json!({"redirect_uris": ["https://evil.example/cb"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
        (json!({"scope": "admin"}), "invalid_client_metadata"),
        (json!({"jwks_uri": "http://169.254.169.254/"}), "invalid_client_metadata"),
        (json!({"grant_types": ["implicit"]}), "invalid_client_metadata"),
        (json!({"client_name": 7}), "invalid_client_metadata"),
    ] {
        let answer = register_client(&app, &token, &bad).await.expect(400);
        assert_eq!(answer.body["error"], error, "{bad}");
    }
    // Refusals did not use the token up.
    let made = register_client(&app, &token, &json!({"client_name": "Notes"})).await.expect(201);
    assert_eq!(made.body["redirect_uris"], json!(["http://alice.localhost:8088/oauth/callback"]));
    assert_eq!(made.body["scope"], "backend");
    assert_eq!(made.body["grant_types"], json!(["client_credentials"]));
    assert_eq!(made.body["client_secret_expires_at"], 0);
    let (id, secret) = (made.text("client_id"), made.text("client_secret"));
    let request = app.instance_request(Method::POST, "/oauth/token").basic_auth(id, Some(secret));
    send(request.form(&[("grant_type", "client_credentials")])).await.expect(200);

    let without = send(app.instance_request(Method::POST, "/oauth/register").json(&json!({}))).await;
    assert_eq!(without.expect(401).body["error"], "invalid_token");
}

#[tokio::test]
async fn discovery_names_routes_that_are_there() {
    let app = TestApp::start().await;
    let request = app.instance_request(Method::GET, "/.well-known/openid-configuration");
    let document = send(request).await.expect(200);
    assert_eq!(document.body["issuer"], app.issuer());
    assert!(document.headers["cache-control"].to_str().expect("text").contains("max-age"));
    for (endpoint, method) in [
        ("jwks_uri", Method::GET),
        ("token_endpoint", Method::POST),
        ("registration_endpoint", Method::POST),
        ("introspection_endpoint", Method::POST),
        ("revocation_endpoint", Method::POST),
        ("userinfo_endpoint", Method::GET),
    ] {
        let url = document.text(endpoint);
        let path = url.strip_prefix(app.issuer()).unwrap_or_else(|| panic!("{url} is elsewhere"));
        let status = send(app.instance_request(method, path)).await.status;
        assert!(status != 404 && status != 405, "{endpoint}: {status}");
    }
    // People are at the portal.
    assert_eq!(document.text("authorization_endpoint"), "http://localhost:3081/oauth/authorize");
    assert_eq!(document.text("end_session_endpoint"), "http://localhost:3081/oauth/logout");
    assert_eq!(document.body["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document.body["response_types_supported"], json!(["code"]));
    let plain = app.instance_request(Method::GET, "/.well-known/oauth-authorization-server");
    assert_eq!(send(plain).await.expect(200).body, document.body);
}

#[tokio::test]
async fn the_instance_facing_listener_serves_nothing_else() {
    let app = TestApp::start().await;
    let document = app.get("/api/openapi.json").await.expect(200).body;
    let facing = [
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/backends/register",
        "/oauth/register",
        "/.well-known/oauth-authorization-server",
        "/oauth/introspect",
        "/oauth/revoke",
        "/oauth/token",
        "/oauth/userinfo",
    ];
    let mut hidden = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("methods").keys() {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let url = path.replace("{id}", "01JDF3X5S8Q4M7R2V6T9W0YZAB");
            let here = send(app.request(method.clone(), &url)).await.status;
            assert!(here != 404 && here != 405, "{method} {path} is documented and not there: {here}");
            let outside = send(app.instance_request(method, &url)).await.status;
            if facing.contains(&path.as_str()) {
                assert_ne!(outside, 404, "{path}");
            } else {
                assert_eq!(outside, 404, "{path}");
                hidden += 1;
            }
        }
    }
    assert!(hidden >= 18, "{hidden}");
}

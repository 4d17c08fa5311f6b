//! Who gets in: an assertion of the issuer about the owner, and nothing else.

use control_api::claims::{APP_TOKEN_TYPE, AssertionClaims};
use control_api::ids::{InstanceId, UserId};
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{FakeIssuer, TestApp, claims, eventually};

async fn status_with(app: &TestApp, token: &str) -> u16 {
    let request = app.bare(Method::GET, "/api/me").header("x-beaver-assertion", token);
    request.send().await.expect("an answer").status().as_u16()
}

fn changed(app: &TestApp, change: impl FnOnce(&mut AssertionClaims)) -> String {
    let mut claims = claims(app.issuer.url(), app.instance_id, app.alice);
    change(&mut claims);
    app.issuer.sign(&app.issuer.header(), &claims)
}

#[tokio::test]
async fn a_good_assertion_opens_and_a_little_skew_is_forgiven() {
    let app = TestApp::start_echo().await;
    assert_eq!(status_with(&app, &changed(&app, |_| ())).await, 200);
    assert_eq!(status_with(&app, &changed(&app, |c| c.exp = c.iat - 2)).await, 200);
    assert_eq!(status_with(&app, &changed(&app, |c| c.iat += 3)).await, 200);
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let app = TestApp::start_echo().await;
    let tokens = [
        ("wrong iss", changed(&app, |c| c.iss = "http://evil.test".to_owned())),
        ("wrong aud", changed(&app, |c| c.aud = InstanceId::generate())),
        ("wrong sub", changed(&app, |c| c.sub = UserId::generate())),
        ("expired", changed(&app, |c| (c.iat, c.exp) = (c.iat - 700, c.iat - 100))),
        ("from the future", changed(&app, |c| c.iat += 100)),
    ];
    for (what, token) in tokens {
        assert_eq!(status_with(&app, &token).await, 401, "{what}");
    }
    let whole = serde_json::to_value(claims(app.issuer.url(), app.instance_id, app.alice)).expect("json");
    for missing in ["iss", "aud", "sub", "exp", "iat"] {
        let mut claims = whole.clone();
        claims.as_object_mut().expect("an object").remove(missing);
        let token = app.issuer.sign_value(&app.issuer.header(), &claims);
        assert_eq!(status_with(&app, &token).await, 401, "without {missing}");
    }
    let mut several = whole.clone();
    several["aud"] = json!([app.instance_id, "another"]);
    assert_eq!(status_with(&app, &app.issuer.sign_value(&app.issuer.header(), &several)).await, 401);
}

#[tokio::test]
async fn headers_that_are_not_ours_are_refused() {
    let app = TestApp::start_echo().await;
    let good = claims(app.issuer.url(), app.instance_id, app.alice);
    let with = |change: &dyn Fn(&mut Header)| {
        let mut header = app.issuer.header();
        change(&mut header);
        app.issuer.sign(&header, &good)
    };
    let tokens = [
        ("no typ", with(&|h| h.typ = None)),
        ("typ JWT", with(&|h| h.typ = Some("JWT".to_owned()))),
        ("an app token", with(&|h| h.typ = Some(APP_TOKEN_TYPE.to_owned()))),
        ("no kid", with(&|h| h.kid = None)),
        ("unknown kid", with(&|h| h.kid = Some("other".to_owned()))),
        (
            "unknown kid with a jku",
            with(&|h| (h.kid, h.jku) = (Some("x".to_owned()), Some("http://evil.test".to_owned()))),
        ),
    ];
    for (what, token) in tokens {
        assert_eq!(status_with(&app, &token).await, 401, "{what}");
    }
}

#[tokio::test]
async fn forged_signatures_are_refused() {
    let app = TestApp::start_echo().await;
    let good = changed(&app, |_| ());
    let parts: Vec<&str> = good.split('.').collect();
    let encode = |value: &Value| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let header = |alg: &str| encode(&json!({"alg": alg, "typ": "beaver-assertion+jwt", "kid": "key-1"}));
    // HS256 keyed with the public key, which everybody has.
    let mut hs256 = app.issuer.header();
    hs256.alg = Algorithm::HS256;
    let public = EncodingKey::from_secret(&app.issuer.public_key());
    let claims = claims(app.issuer.url(), app.instance_id, app.alice);
    let hs256 = jsonwebtoken::encode(&hs256, &claims, &public).expect("a token");
    // Another issuer's key under the same id.
    let other = FakeIssuer::start().await;
    let foreign = other.sign(&app.issuer.header(), &claims);
    let tokens = [
        ("alg none", format!("{}.{}.", header("none"), parts[1])),
        ("alg None with a signature", format!("{}.{}.{}", header("None"), parts[1], parts[2])),
        ("HS256 with the public key", hs256),
        ("another key", foreign),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("changed claims", format!("{}.{}.{}", parts[0], encode(&json!({"sub": app.alice})), parts[2])),
        ("not a token", "nonsense".to_owned()),
        ("empty", String::new()),
        ("very long", "x".repeat(20_000)),
    ];
    for (what, token) in tokens {
        assert_eq!(status_with(&app, &token).await, 401, "{what}");
    }
}

#[tokio::test]
async fn nothing_but_the_assertion_is_believed() {
    let app = TestApp::start_echo().await;
    let assertion = app.issuer.assertion(app.instance_id, app.alice);
    let id = app.alice.to_string();
    let bare = || app.bare(Method::GET, "/api/conversations");
    let requests = [
        bare(),
        bare().header("x-beaver-user-id", &id).header("x-beaver-username", "alice"),
        bare().header("cookie", format!("beaver_app={assertion}")),
        bare().bearer_auth(&assertion),
        bare().header("x_beaver_assertion", &assertion),
        bare().header("x-beaver-assertion", &assertion).header("x-beaver-assertion", &assertion),
    ];
    for request in requests {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}

#[tokio::test]
async fn every_page_and_chat_route_is_behind_the_gate() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    let routes = [
        (Method::GET, "/".to_owned()),
        (Method::POST, "/".to_owned()),
        (Method::GET, format!("/c/{id}")),
        (Method::POST, format!("/c/{id}")),
        (Method::POST, format!("/c/{id}/retry")),
        (Method::POST, format!("/c/{id}/rename")),
        (Method::POST, format!("/c/{id}/delete")),
        (Method::GET, "/api/me".to_owned()),
        (Method::GET, "/api/conversations".to_owned()),
        (Method::POST, "/api/conversations".to_owned()),
        (Method::GET, format!("/api/conversations/{id}")),
        (Method::PATCH, format!("/api/conversations/{id}")),
        (Method::DELETE, format!("/api/conversations/{id}")),
        (Method::POST, format!("/api/conversations/{id}/messages")),
        (Method::POST, format!("/api/conversations/{id}/retry")),
        (Method::POST, format!("/api/conversations/{id}/stop")),
    ];
    for (method, path) in routes {
        let response = app.bare(method.clone(), &path).send().await.expect("an answer");
        assert_eq!(response.status(), 401, "{method} {path}");
    }
    assert_eq!(app.messages(&id).await.len(), 0);
}

#[tokio::test]
async fn another_sites_page_may_not_change_anything() {
    let app = TestApp::start_echo().await;
    for (name, value, status) in [
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("origin", "http://bob.localhost:8088", 403),
        ("sec-fetch-site", "same-origin", 201),
        ("origin", "http://alice.localhost:8088", 201),
    ] {
        let request = app.request(Method::POST, "/api/conversations").json(&json!({})).header(name, value);
        assert_eq!(request.send().await.expect("an answer").status(), status, "{name}: {value}");
    }
    assert_eq!(
        app.get_json("/api/conversations").await["conversations"].as_array().expect("a list").len(),
        2
    );
}

#[tokio::test]
async fn kept_keys_verify_after_a_restart_without_the_issuer() {
    let mut app = TestApp::start_echo().await;
    assert_eq!(status_with(&app, &changed(&app, |_| ())).await, 200);
    app.issuer.go_down().await;
    app.restart().await;
    assert_eq!(status_with(&app, &changed(&app, |_| ())).await, 200);
}

#[tokio::test]
async fn without_any_keys_the_answer_is_that_it_cannot_be_checked() {
    let app = TestApp::start_echo().await;
    eventually("the keys", || async { app.data().join("jwks.json").exists().then_some(()) }).await;
    let mut app = app;
    std::fs::remove_file(app.data().join("jwks.json")).expect("removed");
    app.issuer.go_down().await;
    app.restart().await;
    assert_eq!(status_with(&app, &changed(&app, |_| ())).await, 503);
}

#[tokio::test]
async fn a_new_key_is_fetched_and_invented_ones_do_not_flood_the_issuer() {
    let mut app = TestApp::start_echo().await;
    assert_eq!(status_with(&app, &changed(&app, |_| ())).await, 200);
    app.issuer.rotate("key-2");
    // A restart forgets when the set was last asked for; the one on disk has the old key.
    app.restart().await;
    let before = app.issuer.key_fetches();
    assert_eq!(status_with(&app, &changed(&app, |_| ())).await, 200, "the new key");
    assert_eq!(app.issuer.key_fetches(), before + 1);
    for n in 0..5 {
        let mut header = app.issuer.header();
        header.kid = Some(format!("invented-{n}"));
        let token = app.issuer.sign(&header, &claims(app.issuer.url(), app.instance_id, app.alice));
        assert_eq!(status_with(&app, &token).await, 401);
    }
    assert_eq!(app.issuer.key_fetches(), before + 1, "at most once in ten seconds");
}

#[tokio::test]
async fn the_routers_sign_in_call_checks_the_assertion() {
    let app = TestApp::start_echo().await;
    let login = |assertion: String| {
        app.bare(Method::POST, "/api/auth/login").json(&json!({"assertion": assertion})).send()
    };
    let response = login(changed(&app, |_| ())).await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>().await.expect("json"), json!({"landing": "/"}));
    let response = login(changed(&app, |c| c.sub = UserId::generate())).await.expect("an answer");
    assert_eq!(response.status(), 401);
}

//! An upstream that is away, slow with its keys, or not what it should be.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde_json::json;
use tokio::net::TcpListener;

use crate::fake_issuer::{CLIENT_ID, CLIENT_SECRET, Key};
use crate::harness::{PASSWORD, TestApp};
use crate::upstream_flow::{newcomer, refusal, settings, sign_in, try_start, with_issuer};

#[tokio::test]
async fn an_upstream_that_is_down_is_told_and_the_password_still_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let app = TestApp::start_with(|config| config.upstream = settings(&url, CLIENT_ID, CLIENT_SECRET)).await;
    app.register("alice").await.expect(201);
    let down = try_start(&app).await.expect(503);
    assert_eq!(down.code(), "urn:beaver:upstream-unavailable");
    assert_eq!(down.text("detail"), "no connection to it could be made");
    app.login("alice", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn an_upstream_that_describes_another_is_not_used() {
    for description in [
        json!({"issuer": "https://evil.example"}),
        json!({"token_endpoint": "http://evil.example/token"}),
        json!({"jwks_uri": 1}),
        json!({"filler": "x".repeat(300_000)}),
    ] {
        let (app, issuer) = with_issuer(|_| {}).await;
        issuer.behaviour().description = description;
        assert_eq!(try_start(&app).await.expect(503).code(), "urn:beaver:upstream-unavailable");
    }
}

/// What the issuer answers instead of tokens.
type Answered = fn() -> Response;

#[tokio::test]
async fn answers_to_the_code_that_are_none_are_told_apart() {
    let (app, issuer) = with_issuer(|_| {}).await;
    let table: [(Answered, &str); 6] = [
        (|| StatusCode::INTERNAL_SERVER_ERROR.into_response(), "unavailable"),
        (|| StatusCode::BAD_GATEWAY.into_response(), "unavailable"),
        (|| (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response(), "faulty"),
        (|| Redirect::temporary("http://127.0.0.1:1/").into_response(), "faulty"),
        (|| Json(json!({"access_token": "x"})).into_response(), "faulty"),
        (|| vec![b' '; 300_000].into_response(), "faulty"),
    ];
    for (answer, reason) in table {
        issuer.behaviour().answer = Some(answer);
        assert_eq!(refusal(&sign_in(&app, &issuer, &json!({})).await), reason);
    }
    issuer.behaviour().answer = None;
    issuer.behaviour().description = json!({"jwks_uri": format!("{}/elsewhere", issuer.url)});
    app.clock.advance(Duration::from_hours(1));
    assert_eq!(refusal(&sign_in(&app, &issuer, &json!({})).await), "faulty", "a redirect is not followed");
}

#[tokio::test]
async fn the_secret_goes_into_the_form_where_basic_is_not_taken() {
    let (app, issuer) = with_issuer(|_| {}).await;
    issuer.behaviour().description = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    assert_eq!(sign_in(&app, &issuer, &json!({})).await.body["outcome"], "choose-name");
}

#[tokio::test]
async fn description_and_keys_are_kept_and_a_new_key_is_found_at_once() {
    let (app, issuer) = with_issuer(|_| {}).await;
    newcomer(&app, &issuer, "alice").await;
    let alice = json!({"sub": "alice"});
    let asked = || {
        let behaviour = issuer.behaviour();
        (behaviour.descriptions_asked, behaviour.keys_asked)
    };
    for _ in 0..3 {
        assert_eq!(sign_in(&app, &issuer, &alice).await.body["outcome"], "signed-in");
    }
    assert_eq!(asked(), (1, 1));

    // The issuer rotates.
    app.clock.advance(Duration::from_mins(1));
    let second = Key::generate("second");
    issuer.behaviour().published.push(second.jwk());
    issuer.behaviour().key = second.into();
    assert_eq!(sign_in(&app, &issuer, &alice).await.body["outcome"], "signed-in");
    assert_eq!(asked(), (1, 2));

    // Keys that nobody has are asked for every half a minute at most.
    issuer.forge(|_, claims| {
        let made_up = Key::generate("made-up");
        made_up.sign(&made_up.header(), claims)
    });
    for _ in 0..5 {
        assert_eq!(refusal(&sign_in(&app, &issuer, &alice).await), "faulty");
    }
    assert_eq!(asked(), (1, 2));
    app.clock.advance(Duration::from_secs(30));
    for _ in 0..5 {
        assert_eq!(refusal(&sign_in(&app, &issuer, &alice).await), "faulty");
    }
    assert_eq!(asked(), (1, 3));
}

//! Sign-in to a client: the authorization request, the person's answer, the code.

use std::time::Duration;

use http::Method;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp, VERIFIER, send};
use crate::oauth_flow::{Client, approve, check, parameter};

#[tokio::test]
async fn a_code_becomes_tokens_that_say_who_signed_in() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let asked = check(&app, Some(&alice.session), &client.query(&[])).await.expect(200);
    assert_eq!(
        asked.body,
        json!({
            "outcome": "consent", "client_name": "Notes", "slug": "alice",
            "scopes": ["openid", "profile", "email"]
        })
    );
    app.clock.advance(Duration::from_mins(1));
    let approved = approve(&app, &alice.session, &client.query(&[]), true).await.expect(200);
    assert!(approved.text("to").starts_with("http://alice.localhost:8088/oauth/callback?code="));
    assert_eq!(parameter(&approved, "state").as_deref(), Some("the state"));
    assert_eq!(parameter(&approved, "iss").as_deref(), Some(app.issuer()));
    let code = parameter(&approved, "code").expect("a code");
    let tokens = client.exchange(&app, &code).await.expect(200);
    assert_eq!(tokens.headers["cache-control"], "no-store");
    assert_eq!(tokens.body["token_type"], "Bearer");
    assert_eq!(tokens.body["expires_in"], 600);
    assert_eq!(tokens.body["scope"], "openid profile email");
    assert_eq!(tokens.text("refresh_token").len(), 43);

    let id_token = tokens.text("id_token");
    let keys = send(app.instance_request(Method::GET, "/.well-known/jwks.json")).await.expect(200);
    let keys: JwkSet = serde_json::from_value(keys.body).expect("a key set");
    let header = decode_header(&id_token).expect("a header");
    let key = DecodingKey::from_jwk(keys.find(&header.kid.expect("a kid")).expect("the key")).expect("a key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[app.issuer()]);
    validation.set_audience(&[&client.id]);
    let claims = decode::<Value>(&id_token, &key, &validation).expect("it verifies").claims;
    assert_eq!(claims["sub"], alice.user_id);
    assert_eq!(claims["nonce"], "the-nonce");
    assert_eq!(claims["auth_time"], app.clock.now_secs() - 60);
    assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|iat| iat + 600));
    assert_eq!(claims["sid"], app.session(&alice.session).await.expect(200).text("sid"));
    assert_eq!(
        (&claims["preferred_username"], &claims["email"], &claims["email_verified"]),
        (&json!("alice"), &json!("alice@example.com"), &json!(false))
    );
    let header = decode_header(tokens.text("access_token")).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
}

#[tokio::test]
async fn a_client_gets_no_more_than_it_asked_for_and_registered_for() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let metadata = json!({"grant_types": ["authorization_code"], "response_types": ["code"]});
    let client = Client::register_for(&app, &alice, &metadata).await;
    let query = client.query(&[("scope", "openid"), ("nonce", "")]);
    let approved = approve(&app, &alice.session, &query, true).await.expect(200);
    let code = parameter(&approved, "code").expect("a code");
    let tokens = client.exchange(&app, &code).await.expect(200).body;
    assert!(tokens.get("refresh_token").is_none(), "{tokens}");
    let payload = tokens["id_token"].as_str().expect("a token").split('.').nth(1).expect("claims").to_owned();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload)
        .expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("json");
    for absent in ["nonce", "email", "email_verified", "preferred_username"] {
        assert!(claims.get(absent).is_none(), "{claims}");
    }
    let own = client.post(&app, "/oauth/token", &[("grant_type", "client_credentials")]).await.expect(400);
    assert_eq!(own.body["error"], "unauthorized_client");
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_the_clients() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let bobs = Client::register(&app, &bob).await;
    for change in [
        ("client_id", ""),
        ("client_id", "unknown"),
        ("client_id", bobs.id.as_str()),
        ("redirect_uri", ""),
        ("redirect_uri", bobs.redirect_uri.as_str()),
        ("redirect_uri", "http://alice.localhost:8088/oauth/callback/"),
        ("redirect_uri", "http://alice.localhost:8088/oauth/callback?x=1"),
        ("redirect_uri", "http://ALICE.localhost:8088/oauth/callback"),
        ("redirect_uri", "http://alice.localhost:8088/oauth/callback http://evil.example"),
        ("redirect_uri", "javascript:alert(1)"),
    ] {
        // Also with another fault, which a proven client would be told.
        for more in [("state", "s"), ("response_type", "token")] {
            let query = client.query(&[change, more]);
            for answer in [
                check(&app, None, &query).await,
                check(&app, Some(&alice.session), &query).await,
                approve(&app, &alice.session, &query, true).await,
            ] {
                assert_eq!((answer.status, answer.code()), (400, "urn:beaver:client-invalid"), "{change:?}");
            }
        }
    }
    let twice = format!("{}&redirect_uri=http%3A%2F%2Fevil.example", client.query(&[]));
    check(&app, Some(&alice.session), &twice).await.expect(400);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_a_proven_client() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let error = async |session: Option<&str>, change: (&str, &str)| {
        let answer = check(&app, session, &client.query(&[change])).await.expect(200);
        assert_eq!(parameter(&answer, "state").as_deref(), Some("the state"));
        assert!(parameter(&answer, "code").is_none());
        parameter(&answer, "error").expect("an error")
    };
    assert_eq!(error(None, ("code_challenge", "")).await, "invalid_request");
    assert_eq!(error(None, ("code_challenge_method", "plain")).await, "invalid_request");
    assert_eq!(error(None, ("response_type", "token")).await, "unsupported_response_type");
    assert_eq!(error(None, ("scope", "openid admin")).await, "invalid_scope");
    assert_eq!(error(None, ("prompt", "none")).await, "login_required");
    assert_eq!(error(Some(&alice.session), ("prompt", "none")).await, "consent_required");
    assert_eq!(error(Some(&bob.session), ("x", "y")).await, "access_denied");
    let visitor = check(&app, None, &client.query(&[])).await.expect(200);
    assert_eq!(visitor.body, json!({"outcome": "sign-in"}));
    let ended = check(&app, Some("unknown"), &client.query(&[])).await.expect(200);
    assert_eq!(ended.body["outcome"], "sign-in");

    let no = approve(&app, &alice.session, &client.query(&[]), false).await.expect(200);
    assert_eq!(parameter(&no, "error").as_deref(), Some("access_denied"));
    let others = approve(&app, &bob.session, &client.query(&[]), true).await.expect(200);
    assert_eq!(parameter(&others, "error").as_deref(), Some("access_denied"));
    approve(&app, "unknown", &client.query(&[]), true).await.expect(401);
}

#[tokio::test]
async fn a_client_says_how_long_ago_a_sign_in_may_be() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let again = json!({"outcome": "sign-in-again", "client_name": "Notes"});
    let login = client.query(&[("prompt", "login")]);
    assert_eq!(check(&app, Some(&alice.session), &login).await.expect(200).body, again);
    assert_eq!(check(&app, None, &login).await.expect(200).body["outcome"], "sign-in");
    app.clock.advance(Duration::from_mins(20));
    let asked = async |session: &str, max_age| {
        check(&app, Some(session), &client.query(&[("max_age", max_age)])).await.expect(200)
    };
    assert_eq!(asked(&alice.session, "1200").await.body["outcome"], "consent");
    assert_eq!(asked(&alice.session, "1199").await.body, again);
    let error = |answer: &Answer| parameter(answer, "error");
    assert_eq!(error(&asked(&alice.session, "soon").await).as_deref(), Some("invalid_request"));
    assert_eq!(error(&asked(&bob.session, "1").await).as_deref(), Some("access_denied"));
    let silent = client.query(&[("prompt", "none"), ("max_age", "60")]);
    let refused = check(&app, Some(&alice.session), &silent).await.expect(200);
    assert_eq!(error(&refused).as_deref(), Some("login_required"));
    // A yes does not make up for it.
    let late = client.query(&[("max_age", "60")]);
    assert_eq!(approve(&app, &alice.session, &late, true).await.expect(200).body, again);
    let fresh = app.login("alice", PASSWORD).await.expect(200).text("session");
    assert_eq!(asked(&fresh, "60").await.body["outcome"], "consent");
    assert!(parameter(&approve(&app, &fresh, &late, true).await.expect(200), "code").is_some());
}

#[tokio::test]
async fn of_50_exchanges_at_once_exactly_one_wins() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let code = client.code(&app, &alice).await;
    let statuses =
        futures_util::future::join_all((0..50).map(|_| async { client.exchange(&app, &code).await.status }))
            .await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 49, "{statuses:?}");
}

#[tokio::test]
async fn a_code_is_refused_at_another_client_late_with_another_redirect_and_without_its_verifier() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let bobs = Client::register(&app, &bob).await;
    let other = VERIFIER.replace('d', "e");
    for change in [
        ("code_verifier", other.as_str()),
        ("code_verifier", ""),
        ("code_verifier", "short"),
        ("redirect_uri", bobs.redirect_uri.as_str()),
        ("redirect_uri", ""),
    ] {
        let code = client.code(&app, &alice).await;
        let refused = client.exchange_with(&app, &code, &[change]).await.expect(400);
        assert_eq!(refused.body["error"], "invalid_grant");
        // It is used up by trying.
        client.exchange(&app, &code).await.expect(400);
    }
    let code = client.code(&app, &alice).await;
    let stolen = bobs.exchange_with(&app, &code, &[("redirect_uri", &client.redirect_uri)]).await.expect(400);
    assert_eq!(stolen.body["error"], "invalid_grant");
    client.exchange(&app, &code).await.expect(400);
    let code = client.code(&app, &alice).await;
    app.clock.advance(Duration::from_mins(1));
    client.exchange(&app, &code).await.expect(400);
    client.exchange(&app, "never-given-out").await.expect(400);
    // The secret is asked for before the code is looked at.
    let code = client.code(&app, &alice).await;
    let stranger = Client { secret: "wrong".to_owned(), ..client.clone() };
    assert_eq!(stranger.exchange(&app, &code).await.expect(401).body["error"], "invalid_client");
    client.exchange(&app, &code).await.expect(200);
}

#[tokio::test]
async fn a_code_that_comes_twice_ends_what_it_gave() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let code = client.code(&app, &alice).await;
    let tokens = client.exchange(&app, &code).await.expect(200);
    assert!(client.is_active(&app, &tokens.text("access_token")).await);
    client.exchange(&app, &code).await.expect(400);
    assert!(!client.is_active(&app, &tokens.text("access_token")).await);
    let refused = client.refresh(&app, &tokens.text("refresh_token")).await.expect(400);
    assert_eq!(refused.body["error"], "invalid_grant");
}

#[tokio::test]
async fn a_code_dies_with_its_session_its_instance_and_the_next_registration() {
    let app = TestApp::start().await;
    let mut alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let code = client.code(&app, &alice).await;
    app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    client.exchange(&app, &code).await.expect(400);

    alice.session = app.login("alice", PASSWORD).await.expect(200).text("session");
    let code = client.code(&app, &alice).await;
    let next = Client::register(&app, &alice).await;
    client.exchange(&app, &code).await.expect(401);
    next.exchange(&app, &code).await.expect(400);

    let code = next.code(&app, &alice).await;
    app.delete(&format!("/internal/instances/{}", alice.instance_id)).await.expect(204);
    next.exchange(&app, &code).await.expect(401);
}

//! Signed tokens: what they say, and what is not believed at renewal.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control_api::claims::{APP_TOKEN_TYPE, ASSERTION_TYPE, AssertionClaims};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde_json::{Value, json};

use crate::harness::{TestApp, send};

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}")).to_owned()
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("json")
}

/// `header.claims.` with the signature of `token`.
fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

#[tokio::test]
async fn an_assertion_verifies_against_the_published_keys_and_says_who_it_is() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let tokens = app.tokens(&alice).await;
    let assertion = text(&tokens, "assertion");
    // As an instance does it: over its own listener, without any token of ours.
    let keys = send(app.instance_request(http::Method::GET, "/.well-known/jwks.json")).await.expect(200);
    let keys: JwkSet = serde_json::from_value(keys.body).expect("a key set");
    let header = decode_header(&assertion).expect("a header");
    assert_eq!(header.typ.as_deref(), Some(ASSERTION_TYPE));
    let key = keys.find(&header.kid.expect("a kid")).expect("the key");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[app.issuer()]);
    validation.set_audience(&[&alice.instance_id]);
    let key = DecodingKey::from_jwk(key).expect("a key");
    let claims = decode::<AssertionClaims>(&assertion, &key, &validation).expect("it verifies").claims;
    assert_eq!(claims.sub.to_string(), alice.user_id);
    assert_eq!(claims.preferred_username, "alice");
    assert_eq!(claims.email, "alice@example.com");
    assert_eq!(claims.exp - claims.iat, 600);

    let app_token = text(&tokens, "app_token");
    assert_eq!(part(&app_token, 0)["typ"], APP_TOKEN_TYPE);
    assert_eq!(part(&app_token, 0)["alg"], "EdDSA");
    assert_eq!(part(&app_token, 1)["aud"], alice.instance_id);
    assert_eq!(part(&app_token, 1)["sid"], tokens["sid"]);
}

#[tokio::test]
async fn an_expired_app_token_is_renewed_while_its_session_lives() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let mut token = text(&app.tokens(&alice).await, "app_token");
    for _ in 0..23 {
        app.clock.advance(Duration::from_mins(30));
        let renewed = app.renew(&token).await.expect(200).body;
        assert_ne!(text(&renewed, "app_token"), token);
        token = text(&renewed, "app_token");
    }
    // 11 h 30 min; the tokens end no later than the session.
    app.clock.advance(Duration::from_mins(25));
    let last = app.renew(&token).await.expect(200).body;
    assert_eq!(last["expires_at"], app.clock.now_secs() + 5 * 60);
    app.clock.advance(Duration::from_mins(5));
    assert_eq!(app.renew(&token).await.expect(401).code(), "urn:beaver:session-ended");
}

#[tokio::test]
async fn use_of_the_instance_keeps_the_session_alive() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let token = text(&app.tokens(&alice).await, "app_token");
    for _ in 0..3 {
        app.clock.advance(Duration::from_mins(45));
        app.renew(&token).await.expect(200);
    }
    app.session(&alice.session).await.expect(200);
}

#[tokio::test]
async fn nothing_forged_is_renewed() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let tokens = app.tokens(&alice).await;
    let token = text(&tokens, "app_token");
    let (header, claims) = (part(&token, 0), part(&token, 1));
    let signature = token.rsplit('.').next().expect("a signature").to_owned();
    let with = |base: &Value, field: &str, value: Value| {
        let mut changed = base.clone();
        changed[field] = value;
        changed
    };
    let keys = app.get("/.well-known/jwks.json").await.expect(200).body;
    let x = text(&keys["keys"][0], "x");
    let hs256 = |secret: &[u8]| {
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(APP_TOKEN_TYPE.to_owned());
        header.kid = keys["keys"][0]["kid"].as_str().map(str::to_owned);
        encode(&header, &claims, &EncodingKey::from_secret(secret)).expect("a token")
    };
    let own = own_key();
    let mut own_header = Header::new(Algorithm::EdDSA);
    own_header.typ = Some(APP_TOKEN_TYPE.to_owned());
    own_header.kid = keys["keys"][0]["kid"].as_str().map(str::to_owned);
    let signed_by_another = encode(&own_header, &claims, &own).expect("a token");
    own_header.kid = Some("another".to_owned());
    own_header.jku = Some("http://evil.example/jwks.json".to_owned());
    let foreign_kid = encode(&own_header, &claims, &own).expect("a token");

    for (what, forged) in [
        ("nothing", String::new()),
        ("no token", "not.a.token".to_owned()),
        ("alg none", forged(&with(&header, "alg", json!("none")), &claims, "")),
        ("alg None with the signature", forged(&with(&header, "alg", json!("None")), &claims, &signature)),
        ("HS256 with the public key as text", hs256(x.as_bytes())),
        ("HS256 with the public key", hs256(&URL_SAFE_NO_PAD.decode(&x).expect("a key"))),
        ("another's signature", signed_by_another),
        ("a foreign kid and jku", foreign_kid),
        ("bob's instance", forged(&header, &with(&claims, "aud", json!(bob.instance_id)), &signature)),
        ("bob", forged(&header, &with(&claims, "sub", json!(bob.user_id)), &signature)),
        ("no signature", forged(&header, &claims, "")),
        ("an assertion", text(&tokens, "assertion")),
        ("another type", forged(&with(&header, "typ", json!("JWT")), &claims, &signature)),
        ("the session's secret", alice.session.clone()),
    ] {
        let answer = app.renew(&forged).await;
        assert_eq!((answer.status, answer.code()), (401, "urn:beaver:session-ended"), "{what}");
    }
    app.renew(&token).await.expect(200);
}

fn own_key() -> EncodingKey {
    let document =
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())
            .expect("a key");
    EncodingKey::from_ed_der(document.as_ref())
}

#[tokio::test]
async fn a_token_of_a_forgotten_instance_is_not_renewed() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let token = text(&app.tokens(&alice).await, "app_token");
    app.delete(&format!("/internal/instances/{}", alice.instance_id)).await.expect(204);
    assert_eq!(app.renew(&token).await.expect(403).code(), "urn:beaver:not-yours");
    // The session itself goes on.
    app.session(&alice.session).await.expect(200);
}

#[tokio::test]
async fn the_routers_logout_ends_the_portals_session_too() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let token = text(&app.tokens(&alice).await, "app_token");
    app.post("/router/logout", &json!({"app_token": token})).await.expect(204);
    app.session(&alice.session).await.expect(401);
    app.renew(&token).await.expect(401);
    app.post("/router/logout", &json!({"app_token": token})).await.expect(204);
}

//! What tokens of clients are worth: introspection, revocation, userinfo, sign-out; and what is not believed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp, send};
use crate::oauth_flow::{Client, user_info};

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a part");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("json")
}

/// What a token is turned into by somebody without the key, and what the attempt is called.
fn forgeries(token: &str, key: &Value) -> Vec<(&'static str, String)> {
    let (header, claims) = (part(token, 0), part(token, 1));
    let signature = token.rsplit('.').next().expect("a signature");
    let with = |field: &str, value: Value| {
        let mut changed = header.clone();
        changed[field] = value;
        changed
    };
    let raw = |header: &Value, claims: &Value, signature: &str| {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{signature}", encode(header), encode(claims))
    };
    let (kid, x) = (key["kid"].as_str().expect("a kid"), key["x"].as_str().expect("a key"));
    let mut base = Header::new(Algorithm::HS256);
    base.typ = header["typ"].as_str().map(str::to_owned);
    base.kid = Some(kid.to_owned());
    let hs256 = |secret: &[u8]| encode(&base, &claims, &EncodingKey::from_secret(secret)).expect("a token");
    let document =
        aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())
            .expect("a key");
    let own = EncodingKey::from_ed_der(document.as_ref());
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key");
    let own_x = URL_SAFE_NO_PAD.encode(aws_lc_rs::signature::KeyPair::public_key(&pair).as_ref());
    let signed = |change: &dyn Fn(&mut Header)| {
        let mut header = Header { alg: Algorithm::EdDSA, ..base.clone() };
        change(&mut header);
        encode(&header, &claims, &own).expect("a token")
    };
    let jwk: Jwk =
        serde_json::from_value(json!({"kty": "OKP", "crv": "Ed25519", "x": own_x})).expect("a key");
    let mut later = claims.clone();
    later["exp"] = json!(4_000_000_000_i64);
    vec![
        ("nothing", String::new()),
        ("alg none", raw(&with("alg", json!("none")), &claims, "")),
        ("alg none with the signature", raw(&with("alg", json!("none")), &claims, signature)),
        ("no signature", raw(&header, &claims, "")),
        ("HS256 with the public key as text", hs256(x.as_bytes())),
        ("HS256 with the public key", hs256(&URL_SAFE_NO_PAD.decode(x).expect("a key"))),
        ("another's signature", signed(&|_| {})),
        ("a foreign kid", signed(&|header| header.kid = Some("another".to_owned()))),
        ("no kid", signed(&|header| header.kid = None)),
        ("a jku", signed(&|header| header.jku = Some("http://evil.example/jwks.json".to_owned()))),
        ("an embedded jwk", signed(&|header| header.jwk = Some(jwk.clone()))),
        ("another end", raw(&header, &later, signature)),
        ("another type", raw(&with("typ", json!("beaver-app+jwt")), &claims, signature)),
    ]
}

async fn key(app: &TestApp) -> Value {
    app.get("/.well-known/jwks.json").await.expect(200).body["keys"][0].clone()
}

#[tokio::test]
async fn no_forged_access_or_id_token_is_active() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let tokens = client.tokens(&app, &alice).await;
    let key = key(&app).await;
    for (what, forged) in forgeries(&tokens.text("access_token"), &key) {
        assert!(!client.is_active(&app, &forged).await, "{what}");
        let refused = user_info(&app, &forged).await.expect(401);
        assert_eq!(refused.body["error"], "invalid_token", "{what}");
        assert!(refused.headers["www-authenticate"].to_str().expect("text").starts_with("Bearer"));
    }
    for (what, forged) in forgeries(&tokens.text("id_token"), &key) {
        if forged.is_empty() {
            continue;
        }
        let query = format!("id_token_hint={forged}");
        let body = json!({"session": alice.session, "query": query, "confirmed": true});
        let refused = app.post("/portal/oauth/logout", &body).await;
        assert_eq!((refused.status, refused.code()), (400, "urn:beaver:client-invalid"), "{what}");
    }
    app.session(&alice.session).await.expect(200);
}

#[tokio::test]
async fn every_kind_of_token_is_good_for_its_own_use_alone() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let tokens = client.tokens(&app, &alice).await;
    let app_tokens = app.tokens(&alice).await;
    let key = app
        .post("/portal/api-keys", &json!({"session": alice.session, "name": "k", "scopes": ["instance"]}))
        .await
        .expect(201)
        .text("key");
    let sid = app.session(&alice.session).await.expect(200).text("sid");
    let field = |value: &Value, name: &str| value[name].as_str().expect("a token").to_owned();
    let others = [
        ("an access token", tokens.text("access_token")),
        ("a refresh token", tokens.text("refresh_token")),
        ("an id token", tokens.text("id_token")),
        ("an app token", field(&app_tokens, "app_token")),
        ("an assertion", field(&app_tokens, "assertion")),
        ("an API key", key),
        ("a session's id", sid),
        ("a client's secret", client.secret.clone()),
    ];
    for (what, token) in &others {
        let answer = app.session(token).await;
        assert_eq!((answer.status, answer.code()), (401, "urn:beaver:session-ended"), "{what}");
        let body = json!({"session": token, "query": client.query(&[]), "allow": true});
        app.post("/portal/oauth/approve", &body).await.expect(401);
        if *what != "an access token" {
            user_info(&app, token).await.expect(401);
        }
        if !["an access token", "a refresh token"].contains(what) {
            assert!(!client.is_active(&app, token).await, "{what}");
        }
        if *what != "an app token" {
            app.renew(token).await.expect(401);
        }
    }
    user_info(&app, &alice.session).await.expect(401);
    assert!(!client.is_active(&app, &alice.session).await);
}

#[tokio::test]
async fn a_client_sees_the_tokens_of_its_own_instance_alone() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let bobs = Client::register(&app, &bob).await;
    let tokens = client.tokens(&app, &alice).await;
    let seen = client.introspect(&app, &tokens.text("access_token")).await;
    assert_eq!(seen["sub"], alice.user_id);
    assert_eq!(seen["username"], "alice");
    assert_eq!(seen["client_id"], client.id);
    assert_eq!(seen["scope"], "openid profile email");
    assert_eq!(seen["exp"], app.clock.now_secs() + 600);
    let refresh = client.introspect(&app, &tokens.text("refresh_token")).await;
    assert_eq!((&refresh["active"], &refresh["exp"]), (&json!(true), &json!(app.clock.now_secs() + 86_400)));
    for token in [tokens.text("access_token"), tokens.text("refresh_token")] {
        assert!(!bobs.is_active(&app, &token).await);
        // Neither can it end them; that it cannot is not told.
        bobs.post(&app, "/oauth/revoke", &[("token", &token)]).await.expect(200);
        assert!(client.is_active(&app, &token).await);
    }
    let own = client.post(&app, "/oauth/token", &[("grant_type", "client_credentials")]).await.expect(200);
    let own = own.text("access_token");
    assert_eq!(client.introspect(&app, &own).await["sub"], client.id);
    assert!(!bobs.is_active(&app, &own).await);
    assert_eq!(user_info(&app, &own).await.expect(403).body["error"], "insufficient_scope");

    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let stranger = app.instance_request(Method::POST, path).form(&[("token", "x")]);
        assert_eq!(send(stranger).await.expect(401).body["error"], "invalid_client");
        let wrong = Client { secret: "wrong".to_owned(), ..client.clone() };
        wrong.post(&app, path, &[("token", "x")]).await.expect(401);
        assert_eq!(client.post(&app, path, &[]).await.expect(400).body["error"], "invalid_request");
    }
}

#[tokio::test]
async fn an_access_token_ends_in_time_by_revocation_by_sign_out_and_with_its_instance() {
    let app = TestApp::start().await;
    let mut alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let access = |answer: &Answer| answer.text("access_token");
    let tokens = client.tokens(&app, &alice).await;
    app.clock.advance(Duration::from_secs(599));
    assert!(client.is_active(&app, &access(&tokens)).await);
    app.clock.advance(Duration::from_secs(1));
    assert!(!client.is_active(&app, &access(&tokens)).await);

    let tokens = client.tokens(&app, &alice).await;
    client.post(&app, "/oauth/revoke", &[("token", &access(&tokens))]).await.expect(200);
    client.post(&app, "/oauth/revoke", &[("token", &access(&tokens))]).await.expect(200);
    assert!(!client.is_active(&app, &access(&tokens)).await);
    user_info(&app, &access(&tokens)).await.expect(401);
    let tokens = client.refresh(&app, &tokens.text("refresh_token")).await.expect(200);
    client.post(&app, "/oauth/revoke", &[("token", &tokens.text("refresh_token"))]).await.expect(200);
    assert!(!client.is_active(&app, &access(&tokens)).await, "it hung on the grant");
    client.post(&app, "/oauth/revoke", &[("token", "nonsense")]).await.expect(200);

    let tokens = client.tokens(&app, &alice).await;
    app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    assert!(!client.is_active(&app, &access(&tokens)).await);

    alice.session = app.login("alice", PASSWORD).await.expect(200).text("session");
    let tokens = client.tokens(&app, &alice).await;
    let own = client.post(&app, "/oauth/token", &[("grant_type", "client_credentials")]).await.expect(200);
    app.delete(&format!("/internal/instances/{}", alice.instance_id)).await.expect(204);
    user_info(&app, &access(&tokens)).await.expect(401);
    user_info(&app, &access(&own)).await.expect(401);
}

#[tokio::test]
async fn userinfo_tells_what_the_person_let_the_client_know() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let tokens = client.tokens(&app, &alice).await;
    let all = json!({"sub": alice.user_id, "preferred_username": "alice", "email": "alice@example.com", "email_verified": false});
    assert_eq!(user_info(&app, &tokens.text("access_token")).await.expect(200).body, all);
    let post = app.instance_request(Method::POST, "/oauth/userinfo").bearer_auth(tokens.text("access_token"));
    assert_eq!(send(post).await.expect(200).body, all);
    let narrow = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.text("refresh_token")),
        ("scope", "openid"),
    ];
    let narrow = client.post(&app, "/oauth/token", &narrow).await.expect(200);
    let info = user_info(&app, &narrow.text("access_token")).await.expect(200);
    assert_eq!(info.body, json!({"sub": alice.user_id}));
    send(app.instance_request(Method::GET, "/oauth/userinfo")).await.expect(401);
}

#[tokio::test]
async fn a_client_can_ask_for_sign_out_and_the_person_decides() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let bobs = Client::register(&app, &bob).await;
    let id_token = client.tokens(&app, &alice).await.text("id_token");
    let logout = async |query: &[(&str, &str)], confirmed: bool| {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let body = json!({"session": alice.session, "query": query, "confirmed": confirmed});
        app.post("/portal/oauth/logout", &body).await
    };
    // Expired, as hints are.
    app.clock.advance(Duration::from_mins(30));
    let home = "http://alice.localhost:8088/";
    let hint = ("id_token_hint", id_token.as_str());
    let back = ("post_logout_redirect_uri", home);
    for bad in [
        vec![back],
        vec![hint, ("post_logout_redirect_uri", "http://evil.example/")],
        vec![hint, ("post_logout_redirect_uri", "http://bob.localhost:8088/")],
        vec![hint, ("client_id", bobs.id.as_str())],
        vec![("client_id", bobs.id.as_str()), back],
        vec![("client_id", "unknown")],
    ] {
        assert_eq!(logout(&bad, true).await.expect(400).code(), "urn:beaver:client-invalid");
    }
    let all = [hint, back, ("state", "s&t")];
    let asked = logout(&all, false).await.expect(200).body;
    assert_eq!(asked, json!({"outcome": "ask", "client_name": "Notes"}));
    assert_eq!(logout(&[], false).await.expect(200).body, json!({"outcome": "ask"}));
    app.session(&alice.session).await.expect(200);
    let to = format!("{home}?state=s%26t");
    assert_eq!(logout(&all, true).await.expect(200).body, json!({"outcome": "done", "to": to}));
    app.session(&alice.session).await.expect(401);
    // There is nobody left to ask.
    assert_eq!(logout(&all, false).await.expect(200).body["outcome"], "done");
}

//! Tokens and answers that must not be believed. After each of them nobody is signed in and nobody has arrived.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::fake_issuer::{CLIENT_SECRET, FakeIssuer, Key, answer, unsigned};
use crate::harness::TestApp;
use crate::upstream_flow::{BROWSER, callback, newcomer, now_s, refusal, sign_in, start, with_issuer};

/// A token of alice's is refused; what is said about it names no value of it.
#[track_caller]
fn is_refused(came: &crate::harness::Answer, what: &str) {
    assert_eq!(came.body["outcome"], "refused", "{what}: {came:?}");
    assert_eq!(refusal(came), "faulty", "{what}: {came:?}");
}

async fn prepared() -> (TestApp, FakeIssuer, Value) {
    let (app, issuer) = with_issuer(|_| {}).await;
    newcomer(&app, &issuer, "alice").await;
    let alice = json!({"sub": "alice"});
    assert_eq!(sign_in(&app, &issuer, &alice).await.body["outcome"], "signed-in");
    (app, issuer, alice)
}

#[tokio::test]
async fn a_token_with_a_wrong_claim_signs_nobody_in() {
    let (app, issuer, _) = prepared().await;
    let now = now_s(&app);
    for wrong in [
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", issuer.url)}),
        json!({"iss": null}),
        json!({"aud": "another-client"}),
        json!({"aud": ["beaver", "another-client"]}),
        json!({"aud": ["beaver", "another-client"], "azp": "another-client"}),
        json!({"azp": "another-client"}),
        json!({"aud": []}),
        json!({"exp": now - 60}),
        json!({"exp": null}),
        json!({"iat": now + 61}),
        json!({"iat": now - 16 * 60}),
        json!({"iat": null}),
        json!({"nbf": now + 61}),
        json!({"nonce": "of another sign-in"}),
        json!({"nonce": null}),
        json!({"sub": ""}),
        json!({"sub": null}),
    ] {
        let mut claims = json!({"sub": "alice"});
        for (name, value) in wrong.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        is_refused(&sign_in(&app, &issuer, &claims).await, &wrong.to_string());
        app.post("/portal/upstream/arrival", &json!({"browser": BROWSER})).await.expect(400);
    }
}

#[tokio::test]
async fn a_token_of_another_sign_in_signs_nobody_in() {
    let (app, issuer, alice) = prepared().await;
    // A token that was right once, in the place of the one that belongs here.
    let stolen = std::sync::Arc::new(std::sync::Mutex::new(None::<String>));
    let kept = stolen.clone();
    issuer.forge(move |key, claims| {
        kept.lock().expect("a lock").get_or_insert_with(|| key.sign(&key.header(), claims)).clone()
    });
    assert_eq!(sign_in(&app, &issuer, &alice).await.body["outcome"], "signed-in");
    is_refused(&sign_in(&app, &issuer, &alice).await, "a replayed id token");
}

#[tokio::test]
async fn no_algorithm_but_the_keys_own_is_taken() {
    let (app, issuer, alice) = prepared().await;
    for alg in ["none", "None", "NONE", ""] {
        issuer
            .forge(move |key, claims| format!("{}.", unsigned(&json!({"alg": alg, "kid": key.kid}), claims)));
        is_refused(&sign_in(&app, &issuer, &alice).await, alg);
    }
    // A signature that is right, under a header that says something else.
    for alg in ["RS256", "ES256", "PS256", "HS256", "none"] {
        issuer.forge(move |key, claims| key.sign(&json!({"alg": alg, "kid": key.kid}), claims));
        is_refused(&sign_in(&app, &issuer, &alice).await, alg);
    }
    // HMAC with what everybody knows: the public key, raw, as text and as JSON; and with our own secret.
    let secrets: [fn(&Key) -> Vec<u8>; 4] = [
        |key| key.public().to_vec(),
        |key| URL_SAFE_NO_PAD.encode(key.public()).into_bytes(),
        |key| key.jwk().to_string().into_bytes(),
        |_| CLIENT_SECRET.as_bytes().to_vec(),
    ];
    for secret in secrets {
        issuer.forge(move |key, claims| {
            let text = unsigned(&json!({"alg": "HS256", "kid": key.kid}), claims);
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret(key)), text.as_bytes());
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
        });
        is_refused(&sign_in(&app, &issuer, &alice).await, "HS256");
    }
}

#[tokio::test]
async fn a_key_that_comes_with_the_token_is_not_looked_at() {
    let (app, issuer, alice) = prepared().await;
    let evil = FakeIssuer::start().await;
    let keys = format!("{}/keys", evil.url);
    let headers: [fn(&Key, &Key, &str) -> Value; 7] = [
        |own, _, _| json!({"alg": "EdDSA", "kid": own.kid}),
        |_, foreign, _| json!({"alg": "EdDSA", "kid": foreign.kid}),
        |_, _, _| json!({"alg": "EdDSA", "kid": "../../keys"}),
        |own, foreign, _| json!({"alg": "EdDSA", "kid": own.kid, "jwk": foreign.jwk()}),
        |_, foreign, _| json!({"alg": "EdDSA", "jwk": foreign.jwk()}),
        |own, _, keys| json!({"alg": "EdDSA", "kid": own.kid, "jku": keys}),
        |_, foreign, keys| json!({"alg": "EdDSA", "kid": foreign.kid, "jku": keys}),
    ];
    for (index, header) in headers.into_iter().enumerate() {
        let keys = keys.clone();
        issuer.forge(move |own, claims| {
            let foreign = Key::generate("foreign");
            foreign.sign(&header(own, &foreign, &keys), claims)
        });
        is_refused(&sign_in(&app, &issuer, &alice).await, &format!("header {index}"));
    }
    assert_eq!(evil.behaviour().keys_asked, 0, "nobody asked where the token said");
    // The right key under a header that must be understood and is not (RFC 7515, section 4.1.11).
    issuer.forge(|own, claims| {
        own.sign(&json!({"alg": "EdDSA", "kid": own.kid, "crit": ["x"], "x": 1}), claims)
    });
    is_refused(&sign_in(&app, &issuer, &alice).await, "crit");
    // One bit less.
    issuer.forge(|own, claims| {
        let mut token = own.sign(&own.header(), claims);
        let last = if token.pop() == Some('A') { 'Q' } else { 'A' };
        token.push(last);
        token
    });
    is_refused(&sign_in(&app, &issuer, &alice).await, "a cut signature");
    for nonsense in ["", ".", "..", "a.b.c", "{}"] {
        issuer.forge(move |_, _| nonsense.to_owned());
        is_refused(&sign_in(&app, &issuer, &alice).await, nonsense);
    }
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_not_taken_for_ours() {
    let (app, issuer, alice) = prepared().await;
    let without_iss =
        |query: &str| query.split('&').filter(|pair| !pair.starts_with("iss=")).collect::<Vec<_>>().join("&");
    let approved = async || issuer.approve(&start(&app).await, now_s(&app), &alice);
    // RFC 9207: it is announced, so it must be there and be right.
    let query = without_iss(&approved().await);
    is_refused(&callback(&app, &query).await, "no iss");
    for evil in ["https://evil.example", "", "https://evil.example/?x"] {
        let query = format!("{}&{}", without_iss(&approved().await), answer(&[("iss", evil)]));
        is_refused(&callback(&app, &query).await, evil);
    }
    // Also an error is not believed before.
    let to = start(&app).await;
    let state = to.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let query = answer(&[("error", "access_denied"), ("state", &state), ("iss", "https://evil.example")]);
    is_refused(&callback(&app, &query).await, "an error of another issuer");

    // An issuer that does not announce it may leave it out, but not be another one.
    issuer.behaviour().description = json!({"authorization_response_iss_parameter_supported": false});
    app.clock.advance(std::time::Duration::from_hours(1));
    let query = without_iss(&approved().await);
    assert_eq!(callback(&app, &query).await.body["outcome"], "signed-in");
    let query = format!("{}&iss=https%3A%2F%2Fevil.example", without_iss(&approved().await));
    is_refused(&callback(&app, &query).await, "another iss");
}

#[tokio::test]
async fn a_code_that_is_not_of_this_sign_in_signs_nobody_in() {
    let (app, issuer, alice) = prepared().await;
    // A stolen code of alice's, put into a sign-in of the thief: PKCE at the issuer, and the nonce here.
    let query = issuer.approve(&start(&app).await, now_s(&app), &alice);
    let code = query.split('&').find_map(|pair| pair.strip_prefix("code=")).expect("a code").to_owned();
    let own = start(&app).await;
    let state = own.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let mixed = answer(&[("code", &code), ("state", &state), ("iss", &issuer.url)]);
    is_refused(&callback(&app, &mixed).await, "a code of another sign-in");
    let none = start(&app).await;
    let state = none.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    for rest in ["", "&code=x&error=access_denied"] {
        let query = format!("{}{rest}", answer(&[("state", &state), ("iss", &issuer.url)]));
        let came = callback(&app, &query).await;
        assert_eq!(came.body["outcome"], "refused", "{came:?}");
    }
}

#[tokio::test]
async fn what_is_under_way_is_in_the_database_without_what_proves_it() {
    let (app, issuer, _) = prepared().await;
    let to = start(&app).await;
    let state = to.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let mut bytes = std::fs::read(app.database()).expect("the database");
    let wal = app.database().with_extension("db-wal");
    bytes.extend(std::fs::read(wal).unwrap_or_default());
    for secret in [state.as_str(), BROWSER, CLIENT_SECRET] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    assert!(
        bytes.windows(issuer.url.len()).any(|window| window == issuer.url.as_bytes()),
        "it was looked for"
    );
}

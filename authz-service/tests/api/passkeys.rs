//! Passkeys at the routes: what adding and removing one needs, that a challenge is answered once by its holder, and
//! that a copy with an old counter is refused.

use std::time::Duration;

use authz_service::AdminSecondFactor;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control_api::passkeys::MAX_PASSKEYS;
use serde_json::{Value, json};

use crate::authenticator::{Authenticator as App2, Guarded, audited, codes, confirm, finish, pending, view};
use crate::harness::{Answer, PASSWORD, TestApp};
use crate::software_authenticator::{Algorithm, Authenticator};

fn at_portal(algorithm: Algorithm) -> Authenticator {
    Authenticator::new(algorithm, "localhost", "http://localhost:3081")
}

fn challenge(answer: &Answer) -> String {
    answer.body["options"]["challenge"].as_str().expect("a challenge").to_owned()
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

async fn begin(app: &TestApp, session: &str, code: Option<&str>) -> Answer {
    let body = json!({"session": session, "current_password": PASSWORD, "code": code});
    app.post("/portal/passkeys/begin", &body).await
}

fn created(authenticator: &mut Authenticator, challenge: &str) -> String {
    let (client_data, object) = authenticator.create(challenge);
    json!({"response": {"clientDataJSON": encoded(&client_data), "attestationObject": encoded(&object)}})
        .to_string()
}

fn signed(authenticator: &mut Authenticator, challenge: &str) -> String {
    let (client_data, data, signature) = authenticator.get(challenge);
    json!({"rawId": encoded(&authenticator.id), "response": {
        "clientDataJSON": encoded(&client_data), "authenticatorData": encoded(&data),
        "signature": encoded(&signature),
    }})
    .to_string()
}

async fn add(app: &TestApp, session: &str, credential: &str) -> Answer {
    let body = json!({"session": session, "name": " my phone ", "credential": credential});
    app.post("/portal/passkeys", &body).await
}

async fn sign_in(app: &TestApp, pending: &str, credential: &str) -> Answer {
    let body = json!({"pending": pending, "passkey": credential, "client_addr": "192.0.2.7"});
    app.post("/portal/login/second", &body).await
}

async fn options(app: &TestApp, pending: &str) -> Answer {
    app.post("/portal/login/second/options", &json!({"pending": pending})).await
}

fn asked(answer: &Answer) -> String {
    answer.body["passkey"]["options"]["challenge"].as_str().expect("a challenge").to_owned()
}

/// An account with a passkey and nothing else.
struct Holder {
    session: String,
    authenticator: Authenticator,
    recovery_codes: Vec<String>,
}

async fn sign_up(app: &TestApp, name: &str) -> Holder {
    let session = app.register(name).await.expect(201).text("session");
    let mut authenticator = at_portal(Algorithm::Es256);
    let begun = begin(app, &session, None).await.expect(200);
    let answer = add(app, &session, &created(&mut authenticator, &challenge(&begun))).await.expect(200);
    let recovery_codes = codes(&answer);
    Holder { session: answer.text("session"), authenticator, recovery_codes }
}

#[tokio::test]
async fn a_passkey_is_added_and_signs_in_after_the_password() {
    let app = TestApp::start().await;
    let first = app.register("alice").await.expect(201).text("session");
    let other = app.login("alice", PASSWORD).await.expect(200).text("session");
    let begun = begin(&app, &first, None).await.expect(200);
    let asked_for = &begun.body["options"];
    assert_eq!(asked_for["rp"]["id"], "localhost");
    assert_eq!((&asked_for["attestation"], &asked_for["user"]["name"]), (&json!("none"), &json!("alice")));
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256] {
        // Another answer to the same challenge comes too late below.
        let mut stray = at_portal(algorithm);
        created(&mut stray, &challenge(&begun));
    }
    let mut authenticator = at_portal(Algorithm::EdDsa);
    let answer = add(&app, &first, &created(&mut authenticator, &challenge(&begun))).await.expect(200);
    assert_eq!(codes(&answer).len(), 10, "the first factor brings recovery codes");
    for gone in [&first, &other] {
        app.session(gone).await.expect(401);
    }
    let session = answer.text("session");
    let shown = view(&app, &session).await;
    assert_eq!(shown["passkeys"][0]["name"], "my phone");
    assert_eq!((&shown["totp_since"], &shown["password_min"]), (&json!(null), &json!(8)));

    let waiting = pending(&app, "alice").await;
    let step = options(&app, &waiting).await.expect(200);
    assert_eq!(step.body["totp"], false);
    assert_eq!(step.body["passkey"]["options"]["allowCredentials"][0]["id"], encoded(&authenticator.id));
    let answer = sign_in(&app, &waiting, &signed(&mut authenticator, &asked(&step))).await.expect(200);
    app.session(&answer.text("session")).await.expect(200);
    assert!(view(&app, &session).await["passkeys"][0]["last_used_at"].is_string());
}

#[tokio::test]
async fn of_fifty_answers_to_a_challenge_exactly_one_wins() {
    let app = TestApp::start().await;
    let mut alice = sign_up(&app, "alice").await;
    let waiting = pending(&app, "alice").await;
    let challenge_text = asked(&options(&app, &waiting).await.expect(200));
    let credential = signed(&mut alice.authenticator, &challenge_text);
    let tries = (0..50).map(|_| sign_in(&app, &waiting, &credential));
    let statuses: Vec<u16> =
        futures_util::future::join_all(tries).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");

    let code = &alice.recovery_codes[0];
    let begun = begin(&app, &alice.session, Some(code)).await.expect(200);
    let credential = created(&mut at_portal(Algorithm::Es256), &challenge(&begun));
    let tries = (0..50).map(|_| add(&app, &alice.session, &credential));
    let statuses: Vec<u16> =
        futures_util::future::join_all(tries).await.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn a_challenge_belongs_to_whom_it_was_given_and_ends_after_five_minutes() {
    let app = TestApp::start().await;
    let mut alice = sign_up(&app, "alice").await;
    let mut bob = sign_up(&app, "bob").await;
    let (hers, his) = (pending(&app, "alice").await, pending(&app, "bob").await);
    let given_to_bob = asked(&options(&app, &his).await.expect(200));
    sign_in(&app, &hers, &signed(&mut alice.authenticator, &given_to_bob)).await.expect(401);
    // Her own challenge and his passkey.
    let given = asked(&options(&app, &hers).await.expect(200));
    sign_in(&app, &hers, &signed(&mut bob.authenticator, &given)).await.expect(401);
    // That try has used the challenge up.
    sign_in(&app, &hers, &signed(&mut alice.authenticator, &given)).await.expect(401);
    // A newer one takes the place of an older one.
    let older = asked(&options(&app, &hers).await.expect(200));
    options(&app, &hers).await.expect(200);
    sign_in(&app, &hers, &signed(&mut alice.authenticator, &older)).await.expect(401);

    let code = &alice.recovery_codes[0];
    let begun = begin(&app, &alice.session, Some(code)).await.expect(200);
    app.clock.advance(Duration::from_mins(5));
    let late = created(&mut at_portal(Algorithm::Es256), &challenge(&begun));
    let refused = add(&app, &alice.session, &late).await.expect(422);
    assert!(refused.body["errors"]["credential"].is_string(), "{refused:?}");
    // What was given to add one signs nobody in, and the other way round.
    let begun = begin(&app, &bob.session, Some(&bob.recovery_codes[0])).await.expect(200);
    let waiting = pending(&app, "bob").await;
    sign_in(&app, &waiting, &signed(&mut bob.authenticator, &challenge(&begun))).await.expect(401);
}

#[tokio::test]
async fn another_origin_host_or_absence_is_refused() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let twists: [fn(&mut Authenticator); 4] = [
        |a| a.origin = "http://alice.localhost:3081".into(),
        |a| a.origin = "http://localhost:3082".into(),
        |a| a.rp_id = "alice.localhost".into(),
        |a| a.flags &= !1,
    ];
    for twist in twists {
        let begun = begin(&app, &alice, None).await.expect(200);
        let mut authenticator = at_portal(Algorithm::Es256);
        twist(&mut authenticator);
        add(&app, &alice, &created(&mut authenticator, &challenge(&begun))).await.expect(422);
    }
    for nonsense in ["", "{}", "[]", r#"{"response":{"clientDataJSON":"x","attestationObject":"x"}}"#] {
        add(&app, &alice, nonsense).await.expect(422);
    }
    assert_eq!(view(&app, &alice).await["passkeys"], json!([]));
}

#[tokio::test]
async fn a_copy_with_an_old_counter_is_refused_and_written_down() {
    let app = TestApp::start().await;
    let mut alice = sign_up(&app, "alice").await;
    for (count, expected) in [(5, 200), (5, 401), (3, 401), (7, 200)] {
        app.clock.advance(Duration::from_mins(1));
        let waiting = pending(&app, "alice").await;
        let given = asked(&options(&app, &waiting).await.expect(200));
        alice.authenticator.count = count - 1;
        let answer = sign_in(&app, &waiting, &signed(&mut alice.authenticator, &given)).await;
        assert_eq!(answer.status, expected, "{count}");
    }
    let log = audited(&app, "passkey-%").await;
    let actions: Vec<&str> = log.iter().map(|(_, action, _)| action.as_str()).collect();
    assert_eq!(actions, ["passkey-add", "passkey-counter-refused", "passkey-counter-refused"]);
}

#[tokio::test]
async fn adding_needs_the_password_and_a_code_of_what_is_on() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let code = alice.authenticator.code(&app);
    let fault =
        |answer: &Answer, field: &str| assert!(answer.body["errors"][field].is_string(), "{answer:?}");
    fault(&begin(&app, &alice.session, None).await.expect(422), "code");
    fault(&begin(&app, &alice.session, Some("000")).await.expect(422), "code");
    let body = json!({"session": alice.session, "current_password": "not it at all, no", "code": code});
    fault(&app.post("/portal/passkeys/begin", &body).await.expect(422), "current_password");
    let begun = begin(&app, &alice.session, Some(&code)).await.expect(200);
    // The code is used up.
    begin(&app, &alice.session, Some(&code)).await.expect(422);
    let credential = created(&mut at_portal(Algorithm::Es256), &challenge(&begun));
    let answer = add(&app, &alice.session, &credential).await.expect(200);
    assert!(codes(&answer).is_empty(), "the codes that are there go on");
    let shown = view(&app, &answer.text("session")).await;
    assert_eq!(shown["recovery_codes"], 10);
    // Without begin there is nothing to answer.
    add(&app, &answer.text("session"), &credential).await.expect(422);

    // And one-time passwords beside passkeys need a recovery code.
    let bob = sign_up(&app, "bob").await;
    let phone = App2::begin(&app, &bob.session).await;
    fault(&confirm(&app, &bob.session, &phone.code(&app), PASSWORD).await.expect(422), "existing_code");
    let body = json!({
        "session": bob.session, "code": phone.code(&app), "current_password": PASSWORD,
        "existing_code": bob.recovery_codes[0],
    });
    let answer = app.post("/portal/second-factor/totp/confirm", &body).await.expect(200);
    assert!(codes(&answer).is_empty());
    assert_eq!(view(&app, &answer.text("session")).await["recovery_codes"], 9);
}

#[tokio::test]
async fn an_account_has_ten_at_most() {
    let app = TestApp::start().await;
    let mut alice = sign_up(&app, "alice").await;
    for n in 1..MAX_PASSKEYS {
        app.clock.advance(Duration::from_mins(2));
        let begun = begin(&app, &alice.session, Some(&alice.recovery_codes[n])).await.expect(200);
        let credential = created(&mut at_portal(Algorithm::Es256), &challenge(&begun));
        alice.session = add(&app, &alice.session, &credential).await.expect(200).text("session");
    }
    let refused = begin(&app, &alice.session, Some(&alice.recovery_codes[0])).await.expect(409);
    assert_eq!(refused.code(), "urn:beaver:too-many-passkeys");
}

#[tokio::test]
async fn removing_the_last_one_ends_the_factor_and_its_recovery_codes() {
    let app = TestApp::start().await;
    let mut alice = sign_up(&app, "alice").await;
    let id = view(&app, &alice.session).await["passkeys"][0]["passkey_id"].clone();
    let remove = async |session: &str, id: &Value, code: &str| {
        let body = json!({"session": session, "passkey_id": id, "current_password": PASSWORD, "code": code});
        app.post("/portal/passkeys/remove", &body).await
    };
    remove(&alice.session, &id, "000").await.expect(422);
    let bob = sign_up(&app, "bob").await;
    remove(&bob.session, &id, &bob.recovery_codes[0]).await.expect(404);
    let answer = remove(&alice.session, &id, &alice.recovery_codes[0]).await.expect(200);
    app.session(&alice.session).await.expect(401);
    let shown = view(&app, &answer.text("session")).await;
    assert_eq!((&shown["passkeys"], &shown["recovery_codes"]), (&json!([]), &json!(0)));
    app.login("alice", PASSWORD).await.expect(200).text("session");
    // What was removed opens nothing.
    let waiting = pending(&app, "bob").await;
    let given = asked(&options(&app, &waiting).await.expect(200));
    sign_in(&app, &waiting, &signed(&mut alice.authenticator, &given)).await.expect(401);
    finish(&app, &waiting, &bob.recovery_codes[1]).await.expect(200);
}

#[tokio::test]
async fn a_passkey_is_what_administrators_need() {
    let app = TestApp::start_with(|config| config.admin_second_factor = AdminSecondFactor::Required).await;
    let alice = sign_up(&app, "alice").await;
    let user = app.session(&alice.session).await.expect(200).body["user"]["user_id"].clone();
    let path = format!("/internal/accounts/{}", user.as_str().expect("an id"));
    app.post(&format!("{path}/role"), &json!({"role": "admin"})).await.expect(204);
    assert_eq!(app.session(&alice.session).await.expect(200).text("role"), "admin");
    // The operator takes it away with the rest.
    app.delete(&format!("{path}/second-factor")).await.expect(204);
    app.login("alice", PASSWORD).await.expect(200).text("session");
}

#[tokio::test]
async fn where_browsers_have_no_passkeys_none_are_offered() {
    let portal = "http://portal.example.com".parse().expect("a URL");
    let app = TestApp::start_with(|config| config.portal_url = portal).await;
    let alice = app.register("alice").await.expect(201).text("session");
    assert_eq!(view(&app, &alice).await["passkeys_possible"], false);
    begin(&app, &alice, None).await.expect(404);
}

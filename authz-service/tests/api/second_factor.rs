//! Setting up a second factor, changing it and taking it away: what each needs, and what each ends.

use std::time::Duration;

use authz_service::HashParams;
use control_api::second_factor::RECOVERY_CODES;
use serde_json::json;

use crate::authenticator::{Authenticator, Guarded, audited, change, codes, confirm, finish, pending, view};
use crate::harness::{Answer, PASSWORD, TestApp, registration};
use crate::sink::Sink;

fn fault(answer: &Answer) -> &str {
    let errors = answer.body["errors"].as_object().expect("errors");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.keys().next().expect("a field")
}

#[tokio::test]
async fn a_code_and_the_password_turn_it_on_and_the_other_sessions_end() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let tokens = app.tokens(&alice).await;
    let other = app.login("alice", PASSWORD).await.expect(200).text("session");
    assert_eq!(view(&app, &alice.session).await["totp_since"], json!(null));
    let authenticator = Authenticator::begin(&app, &alice.session).await;
    assert_eq!(authenticator.secret.len(), 20, "160 bits");
    // Nothing is in force before a code has confirmed it.
    app.login("alice", PASSWORD).await.expect(200).text("session");

    let wrong = confirm(&app, &alice.session, &authenticator.wrong_code(&app), PASSWORD).await.expect(422);
    assert_eq!(fault(&wrong), "code");
    let code = authenticator.code(&app);
    let wrong = confirm(&app, &alice.session, &code, "not it at all, no").await.expect(422);
    assert_eq!(fault(&wrong), "current_password");
    app.session(&other).await.expect(200);

    let answer = confirm(&app, &alice.session, &code, PASSWORD).await.expect(200);
    let renewed = answer.text("session");
    assert_eq!(codes(&answer).len(), RECOVERY_CODES);
    for gone in [&alice.session, &other] {
        app.session(gone).await.expect(401);
    }
    app.session(&renewed).await.expect(200);
    app.renew(tokens["app_token"].as_str().expect("a token")).await.expect(401);
    let shown = view(&app, &renewed).await;
    assert!(shown["totp_since"].is_string(), "{shown}");
    assert_eq!(shown["recovery_codes"], 10);
    // The first code is spent.
    let pending = pending(&app, "alice").await;
    finish(&app, &pending, &code).await.expect(401);
    let again = app.post("/portal/second-factor/totp", &json!({"session": renewed})).await.expect(409);
    assert_eq!(again.code(), "urn:beaver:second-factor-on");
}

#[tokio::test]
async fn a_secret_is_shown_to_the_session_that_began_and_to_no_other() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let other = app.login("alice", PASSWORD).await.expect(200).text("session");
    let first = Authenticator::begin(&app, &alice).await;
    assert_eq!(Authenticator::begin(&app, &alice).await.secret, first.secret, "the page can be shown again");
    let second = Authenticator::begin(&app, &other).await;
    assert_ne!(second.secret, first.secret);
    // Who began last confirms; the other has to begin anew.
    confirm(&app, &alice, &first.code(&app), PASSWORD).await.expect(404);
    app.clock.advance(Duration::from_mins(30));
    confirm(&app, &other, &second.code(&app), PASSWORD).await.expect(404);
    let third = Authenticator::begin(&app, &other).await;
    assert_ne!(third.secret, second.secret);
    confirm(&app, &other, &third.code(&app), PASSWORD).await.expect(200);
}

#[tokio::test]
async fn turning_it_off_needs_password_and_code_and_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let code = alice.authenticator.code(&app);
    let refused = change(&app, "remove", &alice.session, &code, "not it at all, no").await.expect(422);
    assert_eq!(fault(&refused), "current_password");
    for wrong in [alice.authenticator.wrong_code(&app), "x".to_owned(), String::new()] {
        let refused = change(&app, "remove", &alice.session, &wrong, PASSWORD).await.expect(422);
        assert_eq!(fault(&refused), "code");
    }
    app.session(&alice.session).await.expect(200);
    let answer = change(&app, "remove", &alice.session, &code, PASSWORD).await.expect(200);
    assert!(codes(&answer).is_empty());
    app.session(&alice.session).await.expect(401);
    let shown = view(&app, &answer.text("session")).await;
    assert_eq!((&shown["totp_since"], &shown["recovery_codes"]), (&json!(null), &json!(0)));
    app.login("alice", PASSWORD).await.expect(200).text("session");
}

#[tokio::test]
async fn new_recovery_codes_take_the_place_of_the_old_ones() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let code = alice.authenticator.code(&app);
    let answer = change(&app, "recovery-codes", &alice.session, &code, PASSWORD).await.expect(200);
    let fresh = codes(&answer);
    assert_eq!(fresh.len(), RECOVERY_CODES);
    assert!(fresh.iter().all(|code| !alice.recovery_codes.contains(code)));
    app.session(&alice.session).await.expect(401);
    let waiting = pending(&app, "alice").await;
    finish(&app, &waiting, &alice.recovery_codes[0]).await.expect(401);
    finish(&app, &waiting, &fresh[0]).await.expect(200);
    assert_eq!(view(&app, &answer.text("session")).await["recovery_codes"], 9);
    // A recovery code does where the authenticator is lost.
    change(&app, "remove", &answer.text("session"), &fresh[1], PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_stolen_session_cannot_guess_its_way_and_spares_its_owners_sign_in() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let wrong = alice.authenticator.wrong_code(&app);
    let tries = (0..40).map(|_| change(&app, "remove", &alice.session, &wrong, PASSWORD));
    let statuses: Vec<u16> =
        futures_util::future::join_all(tries).await.iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().filter(|status| **status == 422).count() <= 5, "{statuses:?}");
    assert!(statuses.contains(&429));
    let app = app.restart().await;
    let code = alice.authenticator.code(&app);
    change(&app, "remove", &alice.session, &code, PASSWORD).await.expect(429);
    let waiting = pending(&app, "alice").await;
    finish(&app, &waiting, &code).await.expect(200);
    app.clock.advance(Duration::from_mins(1));
    change(&app, "remove", &alice.session, &alice.authenticator.code(&app), PASSWORD).await.expect(200);
}

#[tokio::test]
async fn of_many_changes_at_once_with_one_code_exactly_one_wins() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let code = &alice.recovery_codes[3];
    let tries = (0..50).map(|_| change(&app, "recovery-codes", &alice.session, code, PASSWORD));
    let answers = futures_util::future::join_all(tries).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 401, 422, 429].contains(status)), "{statuses:?}");
}

/// A sign-in that was judged by the password alone must not leave a session that outlives the change.
#[tokio::test]
async fn no_sign_in_without_the_factor_slips_through_its_set_up() {
    // Slow enough that checks are under way while the change is written.
    let params = HashParams { memory_kib: 16 * 1024, iterations: 2, parallelism: 1 };
    let app = TestApp::start_with(|config| config.hashing = params).await;
    let alice = app.register("alice").await.expect(201).text("session");
    let authenticator = Authenticator::begin(&app, &alice).await;
    let code = authenticator.code(&app);
    let sign_ins = (0..12).map(|_| app.login("alice", PASSWORD));
    let (changed, sign_ins) =
        tokio::join!(confirm(&app, &alice, &code, PASSWORD), futures_util::future::join_all(sign_ins));
    let renewed = changed.expect(200).text("session");
    for answer in sign_ins.iter().filter(|answer| answer.body.get("session").is_some()) {
        app.session(&answer.text("session")).await.expect(401);
    }
    let list = app.post("/portal/sessions/list", &json!({"session": renewed})).await.expect(200);
    assert_eq!(list.body["sessions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_shorter_password_will_do_beside_it_and_not_alone() {
    const SHORT: &str = "plum tray";
    let app = TestApp::start().await;
    let new_password = async |session: &str, current: &str, new: &str| {
        let body = json!({"session": session, "current_password": current, "new_password": new});
        app.post("/portal/password", &body).await
    };
    let bob = app.register("bob").await.expect(201).text("session");
    new_password(&bob, PASSWORD, SHORT).await.expect(422);
    let alice = Guarded::sign_up(&app, "alice").await;
    assert_eq!(view(&app, &alice.session).await["password_min"], 8);
    new_password(&alice.session, PASSWORD, "plum tr").await.expect(422);
    let session = new_password(&alice.session, PASSWORD, SHORT).await.expect(200).text("session");
    // Off with the factor, and the password is too short: it comes first.
    let refused = change(&app, "remove", &session, &alice.authenticator.code(&app), SHORT).await.expect(422);
    assert_eq!((fault(&refused), refused.code()), ("password", "urn:beaver:weak-password"));
    assert!(refused.body.to_string().contains("fewer than 15"), "{refused:?}");
    let session = new_password(&session, SHORT, PASSWORD).await.expect(200).text("session");
    change(&app, "remove", &session, &alice.authenticator.code(&app), PASSWORD).await.expect(200);
}

#[tokio::test]
async fn the_operator_takes_it_away_from_who_has_lost_it() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let waiting = pending(&app, "alice").await;
    let path = format!("/internal/accounts/{}/second-factor", alice.user_id);
    app.delete(&path).await.expect(204);
    app.session(&alice.session).await.expect(401);
    finish(&app, &waiting, &alice.authenticator.code(&app)).await.expect(401);
    app.login("alice", PASSWORD).await.expect(200).text("session");
    app.delete(&path).await.expect(204);
    app.delete("/internal/accounts/01JDF3X5S8Q4M7R2V6T9W0YZAB/second-factor").await.expect(404);
    let log = audited(&app, "second-factor-%").await;
    let entry = |actor: &str, action: &str| (actor.to_owned(), action.to_owned(), alice.user_id.clone());
    let reset = entry("operator", "second-factor-reset");
    assert_eq!(log, [entry(&alice.user_id, "second-factor-on"), reset.clone(), reset]);
}

#[tokio::test]
async fn every_change_is_written_down_and_no_secret_is() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let code = alice.authenticator.code(&app);
    let wrong = alice.authenticator.wrong_code(&app);
    change(&app, "remove", &alice.session, &wrong, PASSWORD).await.expect(422);
    let answer = change(&app, "recovery-codes", &alice.session, &code, PASSWORD).await.expect(200);
    let fresh = codes(&answer);
    let waiting = pending(&app, "alice").await;
    finish(&app, &waiting, &wrong).await.expect(401);
    finish(&app, &waiting, &fresh[0]).await.expect(200);
    let unfinished = pending(&app, "alice").await;
    change(&app, "remove", &answer.text("session"), &fresh[1], PASSWORD).await.expect(200);
    let log: Vec<String> = audited(&app, "%").await.into_iter().map(|(_, action, _)| action).collect();
    assert_eq!(
        log,
        [
            "register",
            "second-factor-on",
            "second-factor-failed",
            "recovery-codes-new",
            "second-factor-failed",
            "recovery-code-use",
            "login",
            "recovery-code-use",
            "second-factor-off",
        ]
    );
    let file = std::fs::read(app.database()).expect("the database");
    let holds = |bytes: &[u8]| file.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(b"alice@example.com"), "the search itself works");
    let base32 = service_kit::totp::base32(&alice.authenticator.secret);
    let plain = |code: &String| code.replace('-', "");
    for secret in [base32, plain(&fresh[2]), fresh[2].clone(), plain(&alice.recovery_codes[0]), unfinished] {
        assert!(!holds(secret.as_bytes()), "{secret}");
    }
    assert!(!holds(&alice.authenticator.secret), "the secret itself");
}

#[tokio::test]
async fn every_change_of_it_is_told_at_the_proved_address() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[("BEAVER_EMAIL_VERIFICATION", "required")]).await;
    let mut body = registration("alice");
    body["language"] = json!("zh-Hans");
    app.post("/portal/register", &body).await.expect(403);
    let token = sink.token("alice@example.com").await;
    app.post("/portal/mail/confirm", &json!({"token": token})).await.expect(200);
    let session = app.login("alice", PASSWORD).await.expect(200).text("session");
    let user = app.session(&session).await.expect(200).body["user"]["user_id"].clone();
    let subject = "Your two-step sign-in was changed";

    let authenticator = Authenticator::begin(&app, &session).await;
    let answer = confirm(&app, &session, &authenticator.code(&app), PASSWORD).await.expect(200);
    assert_eq!(sink.expect_only("alice@example.com").await.header("Subject"), subject);
    let first = &codes(&answer)[0];
    let answer = change(&app, "recovery-codes", &answer.text("session"), first, PASSWORD).await.expect(200);
    assert_eq!(sink.expect_only("alice@example.com").await.header("Subject"), subject);
    let first = &codes(&answer)[0];
    change(&app, "remove", &answer.text("session"), first, PASSWORD).await.expect(200);
    assert_eq!(sink.expect_only("alice@example.com").await.header("Subject"), subject);

    // Who operates it asks in no language, so the account's own is taken.
    let session = app.login("alice", PASSWORD).await.expect(200).text("session");
    let authenticator = Authenticator::begin(&app, &session).await;
    confirm(&app, &session, &authenticator.code(&app), PASSWORD).await.expect(200);
    sink.expect_only("alice@example.com").await;
    let id = user.as_str().expect("an id");
    app.delete(&format!("/internal/accounts/{id}/second-factor")).await.expect(204);
    let told = sink.expect_only("alice@example.com").await;
    assert!(told.text.contains("两步验证"), "{}", told.text);
}

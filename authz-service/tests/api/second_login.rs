//! Signing in with a second factor: what the password alone is worth, and that each code works once.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::authenticator::{Guarded, finish, finish_from, pending};
use crate::harness::{Answer, PASSWORD, TestApp};

fn code(answer: &Answer) -> String {
    answer.code().trim_start_matches("urn:beaver:").to_owned()
}

#[tokio::test]
async fn the_password_asks_for_the_code_and_both_make_a_session() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let waiting = pending(&app, "alice").await;
    // What waits is no session and no code of anything else.
    app.session(&waiting).await.expect(401);
    app.post("/portal/second-factor", &json!({"session": waiting})).await.expect(401);
    let typed = alice.authenticator.code(&app);
    let typed = format!(" {} {} ", &typed[..3], &typed[3..]);
    let answer = finish(&app, &waiting, &typed).await.expect(200);
    assert_eq!(answer.text("user_id"), alice.user_id);
    assert_eq!(answer.body["cookie_max_age_s"], json!(null));
    let session = answer.text("session");
    app.session(&session).await.expect(200);
    assert_ne!(session, alice.session);
    let list = app.post("/portal/sessions/list", &json!({"session": session})).await.expect(200);
    let newest = &list.body["sessions"][0];
    assert_eq!((&newest["address"], &newest["agent"]), (&json!("192.0.2.7"), &json!("Firefox")));
    // It is over.
    assert_eq!(code(&finish(&app, &waiting, &typed).await.expect(401)), "login-ended");
}

#[tokio::test]
async fn who_asked_to_stay_signed_in_does() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let body = json!({"login": "alice", "password": PASSWORD, "remember": true});
    let waiting = app.post("/portal/login", &body).await.expect(200).text("pending");
    let answer = finish(&app, &waiting, &alice.authenticator.code(&app)).await.expect(200);
    assert_eq!(answer.body["cookie_max_age_s"], 30 * 86_400);
}

#[tokio::test]
async fn a_wrong_password_tells_nothing_of_the_factor() {
    let app = TestApp::start().await;
    Guarded::sign_up(&app, "alice").await;
    app.register("bob").await.expect(201);
    let plain = |answer: Answer| {
        let mut body = answer.expect(401).body;
        body.as_object_mut().expect("a problem").remove("request_id");
        body
    };
    let unknown = plain(app.login("carol", "not it at all, no").await);
    for name in ["alice", "bob"] {
        assert_eq!(plain(app.login(name, "not it at all, no").await), unknown, "{name}");
    }
}

#[tokio::test]
async fn codes_of_the_steps_beside_this_one_will_do_and_older_ones_will_not() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    app.clock.advance(Duration::from_mins(10));
    for (steps, expected) in [(-2, 401), (2, 401), (-1, 200), (-1, 401), (1, 200), (0, 401), (1, 401)] {
        let waiting = pending(&app, "alice").await;
        let answer = finish(&app, &waiting, &alice.authenticator.code_of(&app, steps)).await;
        assert_eq!(answer.status, expected, "{steps}");
    }
}

/// Ten sign-ins wait, each asked five times at once with the one code that shows now.
async fn race(app: &TestApp, code: &str) -> Vec<u16> {
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(pending(app, "alice").await);
    }
    let tries = (0..50).map(|n| finish(app, &waiting[n % 10], code));
    futures_util::future::join_all(tries).await.iter().map(|answer| answer.status).collect()
}

#[tokio::test]
async fn of_fifty_redemptions_of_a_code_exactly_one_wins() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    for code in [alice.authenticator.code(&app), alice.recovery_codes[0].clone()] {
        let statuses = race(&app, &code).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401, 429].contains(status)), "{statuses:?}");
        app.clock.advance(Duration::from_mins(1));
        let waiting = pending(&app, "alice").await;
        finish(&app, &waiting, &code).await.expect(401);
        // Those that lost may have failed after the one that won: who comes next has to wait for that.
        app.clock.advance(Duration::from_mins(1));
    }
}

#[tokio::test]
async fn a_recovery_code_works_once_for_its_owner() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let bob = Guarded::sign_up(&app, "bob").await;
    let waiting = pending(&app, "alice").await;
    finish(&app, &waiting, &bob.recovery_codes[0]).await.expect(401);
    let typed = alice.recovery_codes[4].to_uppercase().replace('-', " ");
    finish(&app, &waiting, &typed).await.expect(200);
    let waiting = pending(&app, "alice").await;
    finish(&app, &waiting, &alice.recovery_codes[4]).await.expect(401);
    finish(&app, &waiting, &alice.recovery_codes[5]).await.expect(200);
}

#[tokio::test]
async fn a_sign_in_waits_five_minutes_and_takes_five_codes() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let waiting = pending(&app, "alice").await;
    let app = app.restart().await;
    app.clock.advance(Duration::from_secs(299));
    assert_eq!(code(&finish(&app, &waiting, "000").await.expect(401)), "second-factor-wrong");
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(code(&finish(&app, &waiting, "000").await.expect(401)), "login-ended");

    let waiting = pending(&app, "alice").await;
    for _ in 0..5 {
        assert_eq!(code(&finish(&app, &waiting, "000").await.expect(401)), "second-factor-wrong");
        app.clock.advance(Duration::from_secs(20));
    }
    let right = alice.authenticator.code(&app);
    assert_eq!(code(&finish(&app, &waiting, &right).await.expect(401)), "login-ended");
    assert_eq!(code(&finish(&app, "unknown", &right).await.expect(401)), "login-ended");
}

#[tokio::test]
async fn guessing_gets_slower_however_often_the_password_is_given_again() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let wrong = alice.authenticator.wrong_code(&app);
    let mut tried = 0;
    for _ in 0..20 {
        let waiting = pending(&app, "alice").await;
        if finish_from(&app, &waiting, &wrong, "198.51.100.9").await.status == 401 {
            tried += 1;
        }
    }
    assert_eq!(tried, 5, "of an account, whatever the sign-in");
    let app = app.restart().await;
    let waiting = pending(&app, "alice").await;
    let right = alice.authenticator.code(&app);
    let refused = finish_from(&app, &waiting, &right, "198.51.100.9").await.expect(429);
    assert_eq!(refused.headers["retry-after"], "1");
    // The wait was no try; a minute later the right one passes, and all is forgotten.
    app.clock.advance(Duration::from_mins(1));
    finish_from(&app, &waiting, &alice.authenticator.code(&app), "198.51.100.9").await.expect(200);
}

#[tokio::test]
async fn a_strangers_failures_do_not_slow_the_owner_where_she_is_known() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let waiting = pending(&app, "alice").await;
    finish_from(&app, &waiting, &alice.authenticator.code(&app), "192.0.2.7").await.expect(200);
    app.clock.advance(Duration::from_secs(30));
    let waiting = pending(&app, "alice").await;
    for _ in 0..5 {
        finish_from(&app, &waiting, "000", "198.51.100.9").await.expect(401);
    }
    let waiting = pending(&app, "alice").await;
    finish_from(&app, &waiting, "000", "198.51.100.9").await.expect(429);
    finish_from(&app, &waiting, &alice.authenticator.code(&app), "192.0.2.7").await.expect(200);
}

#[tokio::test]
async fn the_password_alone_makes_no_network_known_and_gives_no_tries_back() {
    let app = TestApp::start_with(|config| config.login_burst = 3).await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let login = json!({"login": "alice", "password": PASSWORD, "client_addr": "198.51.100.9"});
    for _ in 0..3 {
        let waiting = app.post("/portal/login", &login).await.expect(200).text("pending");
        finish_from(&app, &waiting, "000", "198.51.100.9").await.expect(401);
    }
    app.post("/portal/login", &login).await.expect(429);
    let waiting = pending(&app, "alice").await;
    finish_from(&app, &waiting, &alice.authenticator.code(&app), "192.0.2.7").await.expect(200);
}

#[tokio::test]
async fn a_new_password_ends_what_waits() {
    let app = TestApp::start().await;
    let alice = Guarded::sign_up(&app, "alice").await;
    let waiting = pending(&app, "alice").await;
    let body = json!({
        "session": alice.session, "current_password": PASSWORD, "new_password": "velvet harbour nine moss",
    });
    app.post("/portal/password", &body).await.expect(200);
    let refused = finish(&app, &waiting, &alice.authenticator.code(&app)).await.expect(401);
    assert_eq!(code(&refused), "login-ended");
}

#[tokio::test]
async fn only_the_internal_token_opens_the_routes() {
    let app = TestApp::start().await;
    for (method, path) in [
        (Method::POST, "/portal/login/second"),
        (Method::POST, "/portal/second-factor"),
        (Method::POST, "/portal/second-factor/totp"),
        (Method::POST, "/portal/second-factor/totp/confirm"),
        (Method::POST, "/portal/second-factor/totp/remove"),
        (Method::POST, "/portal/second-factor/recovery-codes"),
        (Method::DELETE, "/internal/accounts/01JDF3X5S8Q4M7R2V6T9W0YZAB/second-factor"),
    ] {
        let answer = crate::harness::send(app.request(method, path).json(&Value::Null)).await;
        assert_eq!(answer.status, 401, "{path}");
    }
}

//! A new password: what it needs, what it ends, and that a stolen session cannot guess the one before.

use std::time::Duration;

use authz_service::HashParams;
use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, Resident, TestApp};

const NEW: &str = "velvet harbour nine moss";

async fn change(app: &TestApp, session: &str, current: &str, new: &str) -> Answer {
    let body = json!({
        "session": session, "current_password": current, "new_password": new, "client_addr": "192.0.2.7",
    });
    app.post("/portal/password", &body).await
}

fn errors(answer: &Answer) -> Vec<&String> {
    answer.body["errors"].as_object().expect("errors").keys().collect()
}

#[tokio::test]
async fn a_change_ends_the_other_sessions_and_renews_this_one() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let tokens = app.tokens(&alice).await;
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(app.login("alice", PASSWORD).await.expect(200).text("session"));
    }
    let bob = app.register("bob").await.expect(201).text("session");
    let before = app.session(&alice.session).await.expect(200).body;
    app.clock.advance(Duration::from_mins(20));
    let answer = change(&app, &alice.session, PASSWORD, NEW).await.expect(200);
    assert!(answer.body.get("cookie_max_age_s").is_none());
    let renewed = answer.text("session");

    for old in others.iter().chain([&alice.session]) {
        app.session(old).await.expect(401);
    }
    app.session(&bob).await.expect(200);
    let after = app.session(&renewed).await.expect(200).body;
    assert_ne!(after["sid"], before["sid"]);
    assert_eq!(after["user"], before["user"]);
    // What hung on the session before is dead too; the renewed one opens the instance anew.
    app.renew(tokens["app_token"].as_str().expect("a token")).await.expect(401);
    app.tokens(&Resident { session: renewed.clone(), ..alice.clone() }).await;
    app.login("alice", PASSWORD).await.expect(401);
    app.login("alice", NEW).await.expect(200);

    // Each session by itself: one of the whole account would hit the renewed one as well.
    let feed = app.get("/router/revocations?after=0&wait_s=0").await.expect(200).body;
    let told = feed["revocations"].as_array().expect("a list");
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|revocation| revocation["kind"] == "session"), "{told:?}");
    assert!(told.iter().any(|revocation| revocation["id"] == before["sid"]));
    // The end of the session did not move: 12 hours from the sign-in.
    for _ in 0..13 {
        app.clock.advance(Duration::from_mins(50));
        app.session(&renewed).await.expect(200);
    }
    app.clock.advance(Duration::from_mins(50));
    app.session(&renewed).await.expect(401);
}

#[tokio::test]
async fn the_router_hears_of_a_change_at_once() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let news = app.get("/router/revocations?after=0&wait_s=30");
    let (news, _) = tokio::join!(news, async { change(&app, &alice, PASSWORD, NEW).await.expect(200) });
    assert_eq!(news.expect(200).body["last"], 1);
}

#[tokio::test]
async fn who_stays_signed_in_stays_so_until_the_same_day() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    let body = json!({"login": "alice", "password": PASSWORD, "remember": true});
    let session = app.post("/portal/login", &body).await.expect(200).text("session");
    app.clock.advance(Duration::from_hours(24 * 10));
    let answer = change(&app, &session, PASSWORD, NEW).await.expect(200);
    assert_eq!(answer.body["cookie_max_age_s"], 20 * 86_400);
    app.clock.advance(Duration::from_hours(24 * 19));
    app.session(&answer.text("session")).await.expect(200);
    app.clock.advance(Duration::from_hours(24));
    app.session(&answer.text("session")).await.expect(401);
}

#[tokio::test]
async fn a_wrong_current_password_is_told_at_its_field_and_changes_nothing() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let refused = change(&app, &alice, "not it at all, no", NEW).await.expect(422);
    assert_eq!(refused.code(), "urn:beaver:invalid-input");
    assert_eq!(errors(&refused), ["current_password"]);
    app.session(&alice).await.expect(200);
    app.login("alice", PASSWORD).await.expect(200);
    app.login("alice", NEW).await.expect(401);
    change(&app, "unknown", PASSWORD, NEW).await.expect(401);
}

#[tokio::test]
async fn a_new_password_meets_what_registration_asks_and_is_another() {
    let app = TestApp::start_with(|config| config.login_burst = 1).await;
    let alice = app.register("alice").await.expect(201).text("session");
    for weak in ["short", "passwordpassword", "alicealicealicealice", &"x".repeat(129), PASSWORD] {
        let refused = change(&app, &alice, PASSWORD, weak).await.expect(422);
        assert_eq!(refused.code(), "urn:beaver:weak-password", "{weak}");
        assert_eq!(errors(&refused), ["new_password"]);
    }
    // Mending the form was no try: the one that the address has is still there.
    change(&app, &alice, PASSWORD, NEW).await.expect(200);
}

#[tokio::test]
async fn a_stolen_session_cannot_guess_the_password_and_spares_its_owner() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let tries = (0..40).map(|n| {
        let (app, alice) = (&app, &alice);
        async move { change(app, alice, &format!("a wrong guess, number {n}"), NEW).await.status }
    });
    let statuses = futures_util::future::join_all(tries).await;
    assert!(statuses.iter().filter(|status| **status == 422).count() <= 5, "{statuses:?}");
    assert!(statuses.contains(&429));
    // The right one has to wait as well, also after a restart; sign-in does not.
    let app = app.restart().await;
    let refused = change(&app, &alice, PASSWORD, NEW).await.expect(429);
    assert_eq!(refused.headers["retry-after"], "1");
    let session = app.login("alice", PASSWORD).await.expect(200).text("session");
    app.clock.advance(Duration::from_mins(1));
    change(&app, &session, PASSWORD, NEW).await.expect(200);
}

#[tokio::test]
async fn an_address_has_its_burst_here_too() {
    let app = TestApp::start_with(|config| config.login_burst = 2).await;
    let alice = app.register("alice").await.expect(201).text("session");
    for n in 0..2 {
        change(&app, &alice, &format!("a wrong guess, number {n}"), NEW).await.expect(422);
    }
    assert_eq!(change(&app, &alice, PASSWORD, NEW).await.expect(429).headers["retry-after"], "20");
}

#[tokio::test]
async fn of_many_changes_at_once_exactly_one_wins() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let new = |n: u32| format!("{NEW} and {n} more");
    let tries = (0..5).map(|n| {
        let (app, alice, new) = (&app, &alice, new(n));
        async move { change(app, alice, PASSWORD, &new).await }
    });
    let answers = futures_util::future::join_all(tries).await;
    let winners: Vec<u32> = (0..5).zip(&answers).filter(|(_, a)| a.status == 200).map(|(n, _)| n).collect();
    let [winner] = winners[..] else { panic!("{winners:?} of {answers:?}") };
    for n in 0..5 {
        let expected = if n == winner { 200 } else { 401 };
        app.login("alice", &new(n)).await.expect(expected);
    }
    app.session(&answers[winner as usize].text("session")).await.expect(200);
}

/// A sign-in that was checked against the password before must not leave a session that outlives the change.
#[tokio::test]
async fn no_sign_in_with_the_old_password_slips_through_a_change() {
    // Slow enough that checks are under way while the change is written.
    let params = HashParams { memory_kib: 16 * 1024, iterations: 2, parallelism: 1 };
    let app = TestApp::start_with(|config| config.hashing = params).await;
    let alice = app.register("alice").await.expect(201).text("session");
    let sign_ins = (0..12).map(|_| app.login("alice", PASSWORD));
    let (changed, sign_ins) =
        tokio::join!(change(&app, &alice, PASSWORD, NEW), futures_util::future::join_all(sign_ins));
    let renewed = changed.expect(200).text("session");
    for answer in sign_ins.iter().filter(|answer| answer.status == 200) {
        app.session(&answer.text("session")).await.expect(401);
    }
    app.session(&renewed).await.expect(200);
    let list = app.post("/portal/sessions/list", &json!({"session": renewed})).await.expect(200);
    assert_eq!(list.body["sessions"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_audit_log_tells_of_changes_and_neither_it_nor_the_file_holds_a_password() {
    let app = TestApp::start().await;
    let answer = app.register("alice").await.expect(201);
    let (alice, user) = (answer.text("session"), answer.text("user_id"));
    change(&app, &alice, "a wrong guess, number 1", NEW).await.expect(422);
    let renewed = change(&app, &alice, PASSWORD, NEW).await.expect(200).text("session");
    let database = app.database();
    assert!(app.stop().await, "a clean stop");
    let file = std::fs::read(&database).expect("the database");
    let holds = |text: &str| file.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("alice@example.com"), "the search itself works");
    for secret in [PASSWORD, NEW, "a wrong guess, number 1", &renewed] {
        assert!(!holds(secret), "{secret}");
    }
    let pool =
        sqlx::SqlitePool::connect(&format!("sqlite://{}", database.display())).await.expect("the database");
    let rows: Vec<(String, String, Option<String>)> =
        sqlx::query_as("SELECT actor, action, address FROM audit WHERE action LIKE 'password%' ORDER BY id")
            .fetch_all(&pool)
            .await
            .expect("the log");
    pool.close().await;
    let entry = |action: &str| (user.clone(), action.to_owned(), Some("192.0.2.7".to_owned()));
    assert_eq!(rows, [entry("password-change-failed"), entry("password-change")]);
}

#[tokio::test]
async fn the_answer_says_nothing_of_either_password() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let refused = change(&app, &alice, "secret-word-one-x", NEW).await.expect(422);
    let weak = change(&app, &alice, PASSWORD, "secret2").await.expect(422);
    for answer in [refused.body, weak.body] {
        let text = serde_json::to_string::<Value>(&answer).expect("json");
        for secret in ["secret-word-one-x", NEW, PASSWORD, "secret2"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

//! Accounts that go for good: what goes with them, and that deploy-control hears of it whatever happens.

use std::time::Duration;

use serde_json::json;

use crate::harness::{FakeDeploy, Mood, PASSWORD, Resident, TestApp};
use crate::people::{act, administrator, log};
use crate::suspension::{api_key, is_key_active, revoked};

async fn leave(app: &TestApp, resident: &Resident, username: &str, password: &str) -> crate::harness::Answer {
    let body = json!({
        "session": resident.session, "username": username, "password": password, "client_addr": "192.0.2.7",
    });
    app.post("/portal/account/delete", &body).await
}

/// Waits until deploy-control was asked so many times to remove what the owner has.
async fn until_removals(app: &TestApp, owner: &str, count: usize) {
    for _ in 0..600 {
        if app.deploy.removals(owner) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("deploy-control was asked {} times", app.deploy.removals(owner));
}

async fn departures(app: &TestApp) -> i64 {
    departures_with(app, 0).await
}

/// Those with at least so many attempts.
async fn departures_with(app: &TestApp, attempts: i64) -> i64 {
    let url = format!("sqlite://{}", app.database().display());
    let pool = sqlx::SqlitePool::connect(&url).await.expect("the database");
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM departures WHERE attempts >= ?")
        .bind(attempts)
        .fetch_one(&pool)
        .await
        .expect("a count");
    pool.close().await;
    count
}

/// Waits until an attempt is over and written down: it is due again so long after now, wherever the clock goes then.
async fn until_postponed(app: &TestApp, attempts: i64) {
    while departures_with(app, attempts).await == 0 {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_all_that_hangs_on_it() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let alice = app.resident("alice").await;
    let key = api_key(&app, &alice).await;
    let set = app.tokens(&alice).await;
    act(&app, &carol, &alice.user_id, "delete").await.expect(204);
    app.session(&alice.session).await.expect(401);
    app.renew(set["app_token"].as_str().expect("a token")).await.expect(401);
    assert!(!is_key_active(&app, &key, &alice).await);
    let news = revoked(&app).await;
    for (kind, id) in [("user", &alice.user_id), ("instance", &alice.instance_id)] {
        assert!(news.contains(&(kind.to_owned(), id.clone())), "{kind}: {news:?}");
    }
    let gone = app.login("alice", PASSWORD).await.expect(401);
    assert_eq!(gone.code(), "urn:beaver:bad-credentials");
    act(&app, &carol, &alice.user_id, "delete").await.expect(404);
    assert_eq!(log(&app, &carol, "delete-account").await, [(carol.id.clone(), "alice".to_owned())]);

    // Asked until nothing is left, and until nothing that was under way can come.
    until_removals(&app, &alice.user_id, 1).await;
    until_postponed(&app, 1).await;
    app.clock.advance(Duration::from_mins(1));
    until_removals(&app, &alice.user_id, 2).await;
    until_postponed(&app, 2).await;
    assert_eq!(departures(&app).await, 1);
    app.clock.advance(Duration::from_mins(3));
    while departures(&app).await > 0 {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    app.register("alice").await.expect(201);
}

#[tokio::test]
async fn the_removal_of_an_instance_waits_for_deploy_control_across_a_restart() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let hint = "Docker cannot be reached.";
    app.deploy.set_mood(Mood::Problem(503, "urn:beaver:docker-unreachable", hint));
    app.delete(&format!("/internal/accounts/{}", alice.user_id)).await.expect(204);
    until_removals(&app, &alice.user_id, 1).await;
    let health = loop {
        let health = app.get("/health").await.expect(200).body;
        if health["checks"]["departures"]["state"] == "warning" {
            break health;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(health.to_string().contains(hint), "{health}");
    let app = app.restart().await;
    let before = app.deploy.removals(&alice.user_id);
    app.deploy.set_mood(Mood::Accept);
    while departures(&app).await > 0 {
        app.clock.advance(Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(app.deploy.removals(&alice.user_id) > before);
    assert_eq!(app.get("/health").await.body["checks"]["departures"]["state"], "ok");
}

#[tokio::test]
async fn an_instance_that_was_ordered_meanwhile_goes_too() {
    let app = TestApp::start_beside(FakeDeploy::reserve(), |_| {}).await;
    let answer = app.register("alice").await.expect(201);
    let alice = answer.text("user_id");
    app.delete(&format!("/internal/accounts/{alice}")).await.expect(204);
    until_postponed(&app, 1).await;
    app.deploy.come_up();
    app.clock.advance(Duration::from_mins(1));
    until_removals(&app, &alice, 1).await;
    assert!(app.deploy.orders().is_empty(), "the order went with the account");
}

#[tokio::test]
async fn an_order_that_is_under_way_brings_nothing_back_of_an_account_that_left() {
    let app = TestApp::start().await;
    app.deploy.set_mood(Mood::TakeAndHang);
    let alice = app.register("alice").await.expect(201).text("user_id");
    while app.deploy.orders().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It was taken, and its answer comes when the account is gone.
    app.delete(&format!("/internal/accounts/{alice}")).await.expect(204);
    app.deploy.let_go();
    until_removals(&app, &alice, 1).await;
    until_postponed(&app, 1).await;
    app.clock.advance(Duration::from_mins(1));
    until_removals(&app, &alice, 2).await;
    until_postponed(&app, 2).await;
    app.deploy.set_mood(Mood::Accept);
    let app = app.restart().await;
    app.clock.advance(Duration::from_mins(3));
    while departures(&app).await > 0 {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(app.deploy.orders().len(), 1, "nothing was ordered again");
    app.login("alice", PASSWORD).await.expect(401);
}

#[tokio::test]
async fn a_person_leaves_with_name_and_password_typed_again() {
    let app = TestApp::start().await;
    let carol = administrator(&app, "carol").await;
    let alice = app.resident("alice").await;
    app.resident("bob").await;
    let answer = leave(&app, &alice, "bob", PASSWORD).await.expect(422);
    assert!(answer.body["errors"]["username"].is_string());
    let answer = leave(&app, &alice, "alice", "another password entirely").await.expect(422);
    assert!(answer.body["errors"]["password"].is_string());
    assert!(!answer.body.to_string().contains("entirely"));
    app.session(&alice.session).await.expect(200);
    assert_eq!(
        log(&app, &carol, "delete-account-failed").await,
        [(alice.user_id.clone(), alice.user_id.clone())]
    );

    // What is guessed here has to wait, like what is guessed at the change of a password.
    let mut waits = false;
    for _ in 0..20 {
        waits |= leave(&app, &alice, "alice", "wrong").await.status == 429;
    }
    assert!(waits);
    app.clock.advance(Duration::from_hours(1));
    let alice = Resident { session: app.login("alice", PASSWORD).await.expect(200).text("session"), ..alice };

    leave(&app, &alice, " Alice ", PASSWORD).await.expect(204);
    app.session(&alice.session).await.expect(401);
    app.login("alice", PASSWORD).await.expect(401);
    until_removals(&app, &alice.user_id, 1).await;
    leave(&app, &alice, "alice", PASSWORD).await.expect(401);
    let bob = app.login("bob", PASSWORD).await.expect(200).text("session");
    app.session(&bob).await.expect(200);
    let carol_again = app.login("carol", PASSWORD).await.expect(200).text("session");
    let carol = crate::people::Person { session: carol_again, ..carol };
    assert_eq!(log(&app, &carol, "delete-account").await, [(alice.user_id.clone(), "alice".to_owned())]);
}

//! The feed of revocations that the router follows.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::TestApp;

async fn after(app: &TestApp, seq: i64, wait_s: u32) -> Value {
    app.get(&format!("/router/revocations?after={seq}&wait_s={wait_s}")).await.expect(200).body
}

#[tokio::test]
async fn the_feed_has_what_was_revoked_in_order_and_waits_for_more() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let sid = app.session(&alice.session).await.expect(200).text("sid");
    assert_eq!(after(&app, 0, 0).await, json!({"last": 0, "revocations": []}));

    let waiting = after(&app, 0, 30);
    let logout = async {
        app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    };
    let started = Instant::now();
    let (news, ()) = tokio::join!(waiting, logout);
    assert!(started.elapsed() < Duration::from_secs(10), "answered at once");
    let at = app.clock.now_secs();
    let first = json!({"seq": 1, "kind": "session", "id": sid, "at": at});
    assert_eq!(news, json!({"last": 1, "revocations": [first]}));

    app.delete(&format!("/internal/instances/{}", alice.instance_id)).await.expect(204);
    let second = json!({"seq": 2, "kind": "instance", "id": alice.instance_id, "at": at});
    assert_eq!(after(&app, 0, 0).await, json!({"last": 2, "revocations": [first, second]}));
    assert_eq!(after(&app, 1, 30).await, json!({"last": 2, "revocations": [second]}));
    assert_eq!(after(&app, 2, 1).await, json!({"last": 2, "revocations": []}));
}

#[tokio::test]
async fn numbers_go_on_after_a_restart_and_a_number_from_the_future_starts_over() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    let app = app.restart().await;
    let session = app.login("alice", crate::harness::PASSWORD).await.expect(200).text("session");
    app.post("/portal/logout", &json!({"session": session})).await.expect(204);
    let feed = after(&app, 1, 0).await;
    assert_eq!(feed["last"], 2);
    // The database was put back from a backup: the router must not wait for a number that is far away.
    let feed = after(&app, 1000, 30).await;
    assert_eq!((feed["last"].as_i64(), feed["revocations"].as_array().map(Vec::len)), (Some(2), Some(2)));
}

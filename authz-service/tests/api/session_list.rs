//! What people see of their sessions, how they end them, and how long a session may live.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, PASSWORD, TestApp};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const DAY: Duration = Duration::from_hours(24);

async fn login_with(app: &TestApp, change: impl FnOnce(&mut Value)) -> Answer {
    let mut body = json!({"login": "alice", "password": PASSWORD});
    change(&mut body);
    app.post("/portal/login", &body).await
}

async fn list(app: &TestApp, session: &str) -> Vec<Value> {
    let answer = app.post("/portal/sessions/list", &json!({"session": session})).await.expect(200);
    answer.body["sessions"].as_array().expect("a list").clone()
}

async fn sid(app: &TestApp, session: &str) -> String {
    app.session(session).await.expect(200).text("sid")
}

async fn revoked(app: &TestApp) -> Vec<Value> {
    let feed = app.get("/router/revocations?after=0&wait_s=0").await.expect(200).body;
    feed["revocations"].as_array().expect("a list").clone()
}

async fn actions(app: &TestApp) -> Vec<(String, String, Option<String>)> {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", app.database().display()))
        .await
        .expect("the database");
    let rows = sqlx::query_as("SELECT action, target, address FROM audit ORDER BY id").fetch_all(&pool).await;
    pool.close().await;
    rows.expect("the log")
}

#[tokio::test]
async fn the_list_tells_where_from_when_and_with_what_and_marks_the_own() {
    let app = TestApp::start().await;
    let first = app.register("alice").await.expect(201).text("session");
    app.clock.advance(Duration::from_mins(10));
    let answer = login_with(&app, |body| {
        body["client_addr"] = json!("192.0.2.7");
        body["agent"] = json!(FIREFOX);
    });
    let second = answer.await.expect(200).text("session");
    app.register("bob").await.expect(201);
    let sessions = list(&app, &second).await;
    assert_eq!(sessions.len(), 2, "bob's is not alice's");
    assert_eq!(sessions[0]["sid"], sid(&app, &second).await);
    assert_eq!(sessions[0]["current"], true);
    assert_eq!(sessions[0]["address"], "192.0.2.7");
    assert_eq!(sessions[0]["agent"], FIREFOX);
    assert_eq!(sessions[0]["remember"], false);
    let times = |session: &Value| {
        ["created_at", "last_used_at", "expires_at"].map(|name| {
            session[name].as_str().expect("a time").parse::<jiff::Timestamp>().expect("a time").as_second()
        })
    };
    let now = app.clock.now_secs();
    assert_eq!(times(&sessions[0]), [now, now, now + 3600]);
    assert_eq!(times(&sessions[1]), [now - 600, now - 600, now + 3000]);
    assert_eq!((&sessions[1]["current"], sessions[1].get("address")), (&json!(false), None));
    // The secrets are in no answer, and one that has ended is no more listed.
    let text = serde_json::to_string(&sessions).expect("json");
    assert!(!text.contains(&first) && !text.contains(&second));
    app.clock.advance(Duration::from_mins(50));
    app.session(&second).await.expect(200);
    assert_eq!(list(&app, &second).await.len(), 1);
}

#[tokio::test]
async fn what_a_browser_calls_itself_cannot_flood_or_forge() {
    let app = TestApp::start().await;
    app.register("alice").await.expect(201);
    let agent = format!("a\nb\u{202e}{}", "x".repeat(5000));
    let session = login_with(&app, |body| body["agent"] = json!(agent)).await.expect(200).text("session");
    let shown = list(&app, &session).await[0]["agent"].as_str().expect("an agent").to_owned();
    assert!(shown.starts_with("a\\nb\\u{202e}x") && shown.ends_with("[cut]"), "{shown}");
    assert!(shown.len() < 250);
}

#[tokio::test]
async fn one_session_is_ended_and_the_router_hears_of_it() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let tokens = app.tokens(&alice).await;
    let other = app.login("alice", PASSWORD).await.expect(200).text("session");
    let id = sid(&app, &alice.session).await;
    let body = json!({"session": other, "sid": id, "client_addr": "192.0.2.7"});
    let news = app.get("/router/revocations?after=0&wait_s=30");
    let (news, _) =
        tokio::join!(news, async { app.post("/portal/sessions/revoke", &body).await.expect(204) });
    let told = json!({"seq": 1, "kind": "session", "id": id, "at": app.clock.now_secs()});
    assert_eq!(news.expect(200).body, json!({"last": 1, "revocations": [told]}));
    app.session(&alice.session).await.expect(401);
    app.session(&other).await.expect(200);
    app.renew(tokens["app_token"].as_str().expect("a token")).await.expect(401);
    // Again is no error, no news and no entry.
    app.post("/portal/sessions/revoke", &body).await.expect(204);
    assert_eq!(revoked(&app).await.len(), 1);
    let entries = actions(&app).await;
    let entries: Vec<_> = entries.iter().filter(|entry| entry.0 == "session-revoke").collect();
    assert_eq!(entries, [&("session-revoke".to_owned(), id, Some("192.0.2.7".to_owned()))]);
}

#[tokio::test]
async fn nobody_ends_another_persons_session() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await.expect(201).text("session");
    let bob = app.register("bob").await.expect(201).text("session");
    let body = json!({"session": bob, "sid": sid(&app, &alice).await});
    app.post("/portal/sessions/revoke", &body).await.expect(204);
    app.post("/portal/sessions/revoke-others", &json!({"session": bob})).await.expect(204);
    app.session(&alice).await.expect(200);
    assert!(revoked(&app).await.is_empty());
    for path in ["list", "revoke", "revoke-others"] {
        let body = json!({"session": "unknown", "sid": sid(&app, &alice).await});
        let refused = app.post(&format!("/portal/sessions/{path}"), &body).await.expect(401);
        assert_eq!(refused.code(), "urn:beaver:session-ended");
    }
}

#[tokio::test]
async fn all_others_end_and_each_is_published_by_itself() {
    let app = TestApp::start().await;
    let mut others = vec![app.register("alice").await.expect(201).text("session")];
    for _ in 0..3 {
        others.push(app.login("alice", PASSWORD).await.expect(200).text("session"));
    }
    let kept = app.login("alice", PASSWORD).await.expect(200).text("session");
    let bob = app.register("bob").await.expect(201).text("session");
    let mut ids = Vec::new();
    for session in &others {
        ids.push(sid(&app, session).await);
    }
    app.post("/portal/sessions/revoke-others", &json!({"session": kept})).await.expect(204);
    for session in &others {
        app.session(session).await.expect(401);
    }
    app.session(&kept).await.expect(200);
    app.session(&bob).await.expect(200);
    // A revocation of the whole account would close the pages of the session that stays.
    let told = revoked(&app).await;
    assert!(told.iter().all(|revocation| revocation["kind"] == "session"), "{told:?}");
    let mut published: Vec<_> = told.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect();
    published.sort();
    ids.sort();
    assert_eq!(published, ids);
    assert_eq!(actions(&app).await.iter().filter(|entry| entry.0 == "sessions-revoke-others").count(), 1);
    // With none left nothing is written.
    app.post("/portal/sessions/revoke-others", &json!({"session": kept})).await.expect(204);
    assert_eq!(revoked(&app).await.len(), 4);
    assert_eq!(actions(&app).await.iter().filter(|entry| entry.0 == "sessions-revoke-others").count(), 1);
}

#[tokio::test]
async fn of_two_who_sign_each_other_out_at_once_one_stays() {
    let app = TestApp::start().await;
    for _ in 0..5 {
        let (a, b) = (app.register("alice").await, app.login("alice", PASSWORD).await.expect(200));
        let a = if a.status == 201 { a } else { app.login("alice", PASSWORD).await.expect(200) };
        let others = async |session: &str| {
            app.post("/portal/sessions/revoke-others", &json!({"session": session})).await.status
        };
        let (first, second) = (a.text("session"), b.text("session"));
        tokio::join!(others(&first), others(&second));
        let left = [app.session(&first).await.status, app.session(&second).await.status];
        assert!(left.contains(&401) && left.contains(&200), "{left:?}");
    }
}

#[tokio::test]
async fn who_asked_to_stay_signed_in_stays_for_thirty_days_and_no_longer() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let answer = login_with(&app, |body| body["remember"] = json!(true)).await.expect(200);
    assert_eq!(answer.body["cookie_max_age_s"], 30 * 86_400);
    assert!(app.login("alice", PASSWORD).await.expect(200).body.get("cookie_max_age_s").is_none());
    let kept = crate::harness::Resident { session: answer.text("session"), ..alice.clone() };
    let tokens = app.tokens(&kept).await;
    app.clock.advance(29 * DAY);
    app.session(&alice.session).await.expect(401);
    assert_eq!(list(&app, &kept.session).await[0]["remember"], true);
    // What hangs on it is renewed as long, and use does not move the end.
    app.renew(tokens["app_token"].as_str().expect("a token")).await.expect(200);
    app.clock.advance(DAY);
    app.session(&kept.session).await.expect(401);
    app.renew(tokens["app_token"].as_str().expect("a token")).await.expect(401);
}

#[tokio::test]
async fn sessions_from_before_go_on_as_they_were() {
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await.expect("a database");
    let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&pool).await.expect("done");
    run(include_str!("../../migrations/0001_identity.sql")).await;
    run(include_str!("../../migrations/0002_roles.sql")).await;
    run(include_str!("../../migrations/0003_api_keys.sql")).await;
    run("PRAGMA foreign_keys = ON").await;
    run("INSERT INTO accounts (user_id, username, email, email_key, password_hash, state, created_at)
         VALUES ('u', 'alice', 'a', 'a', 'h', 'active', 1)")
    .await;
    run("INSERT INTO sessions (sid, secret_hash, user_id, created_at, last_used_at, ends_at)
         VALUES ('a', x'01', 'u', 1, 1000, 43200001), ('b', x'02', 'u', 1, 43000000, 43200001)")
    .await;
    run("INSERT INTO api_keys (key_id, secret_hash, user_id, name, scopes, created_at, expires_at)
         VALUES ('k', x'01', 'u', 'n', 'instance', 5, NULL), ('l', x'02', 'u', 'n', 'instance', 5, 7)")
    .await;
    run(include_str!("../../migrations/0004_sessions.sql")).await;
    let rows: Vec<(String, i64, i64, bool)> =
        sqlx::query_as("SELECT sid, idle_ends_at, ends_at, remember FROM sessions ORDER BY sid")
            .fetch_all(&pool)
            .await
            .expect("rows");
    let expected = [("a", 3_601_000), ("b", 43_200_001)];
    assert_eq!(rows, expected.map(|(sid, idle)| (sid.to_owned(), idle, 43_200_001, false)));
    let keys: Vec<(String, Option<i64>)> =
        sqlx::query_as("SELECT key_id, expires_at FROM api_keys ORDER BY key_id")
            .fetch_all(&pool)
            .await
            .expect("rows");
    assert_eq!(keys, [("k".to_owned(), Some(5 + 365 * 86_400_000)), ("l".to_owned(), Some(7))]);
}

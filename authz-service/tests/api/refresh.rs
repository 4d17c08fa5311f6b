//! Refresh tokens: rotated, and what happens when one comes again.

use std::time::Duration;

use serde_json::json;

use crate::harness::TestApp;
use crate::oauth_flow::Client;

#[tokio::test]
async fn a_refresh_token_goes_on_with_new_tokens_for_as_long_as_it_is_used_within_a_day() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let first = client.tokens(&app, &alice).await;
    let mut token = first.text("refresh_token");
    for _ in 0..3 {
        // The session is long idle: the grant outlives that, and not a sign-out.
        app.clock.advance(Duration::from_hours(23));
        let next = client.refresh(&app, &token).await.expect(200);
        assert_eq!(next.body["scope"], "openid profile email");
        assert!(client.is_active(&app, &next.text("access_token")).await);
        assert!(next.text("id_token").contains('.'));
        assert_ne!(next.text("refresh_token"), token);
        token = next.text("refresh_token");
    }
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", "openid")];
    let narrow = client.post(&app, "/oauth/token", &narrow).await.expect(200);
    assert_eq!(narrow.body["scope"], "openid");
    token = narrow.text("refresh_token");
    let wide = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", "backend")];
    assert_eq!(client.post(&app, "/oauth/token", &wide).await.expect(400).body["error"], "invalid_scope");
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(client.refresh(&app, &token).await.expect(400).body["error"], "invalid_grant");
}

#[tokio::test]
async fn after_30_days_the_person_signs_in_again_however_often_it_was_refreshed() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let mut token = client.tokens(&app, &alice).await.text("refresh_token");
    for _ in 0..31 {
        app.clock.advance(Duration::from_hours(23));
        token = client.refresh(&app, &token).await.expect(200).text("refresh_token");
    }
    app.clock.advance(Duration::from_hours(7));
    client.refresh(&app, &token).await.expect(400);
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_ends_its_family_but_not_within_five_seconds() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let first = client.tokens(&app, &alice).await.text("refresh_token");
    let second = client.refresh(&app, &first).await.expect(200);
    app.clock.advance(Duration::from_secs(5));
    let again = client.refresh(&app, &first).await.expect(200);
    assert!(client.is_active(&app, &second.text("refresh_token")).await);
    assert!(!client.is_active(&app, &first).await, "a used one is not active");

    app.clock.advance(Duration::from_millis(1));
    let refused = client.refresh(&app, &first).await.expect(400);
    assert_eq!(refused.body["error"], "invalid_grant");
    for answer in [&second, &again] {
        assert!(!client.is_active(&app, &answer.text("access_token")).await);
        client.refresh(&app, &answer.text("refresh_token")).await.expect(400);
    }
    // Another sign-in is another family.
    let other = client.tokens(&app, &alice).await.text("refresh_token");
    client.refresh(&app, &first).await.expect(400);
    client.refresh(&app, &other).await.expect(200);
}

#[tokio::test]
async fn refresh_tokens_are_their_clients_alone_and_die_with_sign_out_account_and_owner() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.resident("alice").await, app.resident("bob").await);
    let client = Client::register(&app, &alice).await;
    let bobs = Client::register(&app, &bob).await;
    let token = client.tokens(&app, &alice).await.text("refresh_token");
    assert_eq!(bobs.refresh(&app, &token).await.expect(400).body["error"], "invalid_grant");
    let token = client.refresh(&app, &token).await.expect(200).text("refresh_token");
    app.post("/portal/logout", &json!({"session": alice.session})).await.expect(204);
    client.refresh(&app, &token).await.expect(400);

    // The instance gets another owner.
    let token = bobs.tokens(&app, &bob).await.text("refresh_token");
    let mut moved = alice.clone();
    moved.instance_id.clone_from(&bob.instance_id);
    moved.slug = "bob".to_owned();
    app.registration_token(&moved).await;
    bobs.refresh(&app, &token).await.expect(400);
    app.registration_token(&bob).await;
    let token = bobs.refresh(&app, &token).await.expect(200).text("refresh_token");

    // The account may not sign in any more.
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", app.database().display()))
        .await
        .expect("the database");
    let suspend = "UPDATE accounts SET state = 'pending_approval' WHERE username = 'bob'";
    sqlx::query(suspend).execute(&pool).await.expect("written");
    bobs.refresh(&app, &token).await.expect(400);
}

#[tokio::test]
async fn a_person_who_is_out_has_no_grant_left() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let client = Client::register(&app, &alice).await;
    let tokens = client.tokens(&app, &alice).await;
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", app.database().display()))
        .await
        .expect("the database");
    sqlx::query("INSERT INTO revocations (kind, id, at) VALUES ('user', ?, 0)")
        .bind(&alice.user_id)
        .execute(&pool)
        .await
        .expect("written");
    assert!(!client.is_active(&app, &tokens.text("access_token")).await);
    client.refresh(&app, &tokens.text("refresh_token")).await.expect(400);
}

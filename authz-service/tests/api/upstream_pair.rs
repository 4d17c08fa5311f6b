//! This very service as the upstream of another one: each is what a standard client or provider would be to the
//! other.

use serde_json::json;
use url::Url;

use crate::harness::{Resident, TestApp};
use crate::oauth_flow::{Client, approve, parameter};
use crate::upstream_flow::{callback, choose_name, refusal, settings, start};

const CALLBACK: &str = "http://localhost:3081/login/upstream/callback";

/// A client of the provider whose redirect is another portal's. The provider computes redirects and takes none, so
/// an operator would write this one, too.
async fn foreign_client(provider: &TestApp, alice: &Resident) -> Client {
    let client = Client::register(provider, alice).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(provider.database());
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("the database");
    sqlx::query("UPDATE clients SET redirect_uris = ? WHERE client_id = ?")
        .bind(CALLBACK)
        .bind(&client.id)
        .execute(&pool)
        .await
        .expect("written");
    Client { redirect_uri: CALLBACK.to_owned(), ..client }
}

/// The query with which the browser comes back after a yes or a no at the provider.
async fn decide(provider: &TestApp, alice: &Resident, to: &Url, allow: bool) -> String {
    let answer = approve(provider, &alice.session, to.query().expect("a query"), allow).await.expect(200);
    assert!(parameter(&answer, "state").is_some());
    let back = Url::parse(&answer.text("to")).expect("a URL");
    assert!(back.as_str().starts_with(CALLBACK), "{back}");
    back.query().expect("a query").to_owned()
}

#[tokio::test]
async fn one_of_these_services_signs_people_in_at_another() {
    let provider = TestApp::start_reachable().await;
    let alice = provider.resident("alice").await;
    let client = foreign_client(&provider, &alice).await;
    let app = TestApp::start_with(|config| {
        config.upstream = settings(provider.issuer(), &client.id, &client.secret);
    })
    .await;

    let to = start(&app).await;
    assert!(to.as_str().starts_with("http://localhost:3081/oauth/authorize?"), "{to}");
    let query = decide(&provider, &alice, &to, true).await;
    assert_eq!(callback(&app, &query).await.expect(200).body, json!({"outcome": "choose-name"}));
    let made = choose_name(&app, "alice").await.expect(201);
    assert_ne!(made.text("user_id"), alice.user_id);

    let query = decide(&provider, &alice, &start(&app).await, true).await;
    let again = callback(&app, &query).await.expect(200);
    assert_eq!(again.text("user_id"), made.text("user_id"));
    // Replayed, and with a code that the provider has seen already.
    assert_eq!(refusal(&callback(&app, &query).await), "expired");
    let query = decide(&provider, &alice, &start(&app).await, false).await;
    assert_eq!(refusal(&callback(&app, &query).await), "denied");

    assert!(provider.stop().await);
    // What it said of itself is kept, so that the start works; the code cannot be redeemed.
    let to = start(&app).await;
    let state = to.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let answer = [("code", "c"), ("state", state.as_str()), ("iss", provider.issuer())];
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    assert_eq!(refusal(&callback(&app, &query).await), "unavailable");
}

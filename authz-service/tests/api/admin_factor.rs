//! Administrators need a second factor: without one they sign in and administer nothing.

use authz_service::AdminSecondFactor;
use serde_json::json;

use crate::authenticator::{Authenticator, change, confirm, view};
use crate::harness::{PASSWORD, TestApp};

async fn promoted(app: &TestApp) -> String {
    let answer = app.register("alice").await.expect(201);
    let path = format!("/internal/accounts/{}/role", answer.text("user_id"));
    app.post(&path, &json!({"role": "admin"})).await.expect(204);
    answer.text("session")
}

#[tokio::test]
async fn an_administrator_without_one_is_a_user_until_it_is_set_up() {
    let app = TestApp::start_with(|config| config.admin_second_factor = AdminSecondFactor::Required).await;
    let session = promoted(&app).await;
    let audit = async |session: &str| app.post("/portal/admin/audit", &json!({"session": session})).await;
    let answer = app.session(&session).await.expect(200);
    assert_eq!(
        (answer.text("role"), &answer.body["second_factor_needed"]),
        ("user".to_owned(), &json!(true))
    );
    assert_eq!(view(&app, &session).await["needed"], true);
    let refused = audit(&session).await.expect(403);
    assert_eq!(refused.code(), "urn:beaver:second-factor-needed");
    // To anybody else there is no such reason.
    let bob = app.register("bob").await.expect(201).text("session");
    assert_eq!(audit(&bob).await.expect(403).code(), "urn:beaver:not-yours");
    assert_eq!(app.session(&bob).await.expect(200).body["second_factor_needed"], false);

    let authenticator = Authenticator::begin(&app, &session).await;
    // Begun is not done.
    audit(&session).await.expect(403);
    let answer = confirm(&app, &session, &authenticator.code(&app), PASSWORD).await.expect(200);
    let session = answer.text("session");
    assert_eq!(app.session(&session).await.expect(200).text("role"), "admin");
    audit(&session).await.expect(200);

    // And from the moment on that it is off.
    app.clock.advance(std::time::Duration::from_secs(30));
    let answer = change(&app, "remove", &session, &authenticator.code(&app), PASSWORD).await.expect(200);
    let session = answer.text("session");
    assert_eq!(app.session(&session).await.expect(200).text("role"), "user");
    audit(&session).await.expect(403);
}

#[tokio::test]
async fn where_it_is_optional_a_password_is_enough() {
    let app = TestApp::start_with(|config| config.admin_second_factor = AdminSecondFactor::Optional).await;
    let session = promoted(&app).await;
    let answer = app.session(&session).await.expect(200);
    assert_eq!(
        (answer.text("role"), &answer.body["second_factor_needed"]),
        ("admin".to_owned(), &json!(false))
    );
    app.post("/portal/admin/audit", &json!({"session": session})).await.expect(200);
}

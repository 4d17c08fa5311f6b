//! Owners of API keys are told by mail, once, 7 days before a key ends.

use std::time::Duration;

use serde_json::json;

use crate::mail::rows;
use crate::sink::Sink;

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn the_owner_is_told_seven_days_before_once_and_only_at_a_proved_address() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[("BEAVER_EMAIL_VERIFICATION", "optional")]).await;
    let mut token = String::new();
    for name in ["alice", "bob"] {
        let body = json!({
            "username": name, "email": format!("{name}@example.com"), "password": "plum tray orbit lamp",
            "language": "zh-Hans",
        });
        let session = app.post("/portal/register", &body).await.expect(201).text("session");
        let link = sink.token(&format!("{name}@example.com")).await;
        if name == "alice" {
            token = link;
        }
        for (key, days) in [("nightly backup", 30), ("for a week", 7), ("for a year", 365)] {
            let key =
                json!({"session": session, "name": key, "scopes": ["instance"], "expires_in_days": days});
            app.post("/portal/api-keys", &key).await.expect(201);
        }
    }
    app.post("/portal/mail/confirm", &json!({"token": token})).await.expect(200);

    app.clock.advance(DAY * 22);
    // What is done now and then is done at the start, too.
    let app = app.restart().await;
    app.clock.advance(DAY);
    let app = app.restart().await;
    let mail = sink.mail().await;
    assert_eq!(mail.about["to"][0], "alice@example.com");
    assert!(mail.text.contains("API 密钥“nightly backup”"), "{}", mail.text);
    while rows(&app, "mails").await > 0 {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let app = app.restart().await;
    assert_eq!(rows(&app, "api_keys WHERE warned_at IS NOT NULL").await, 1);
    assert_eq!(rows(&app, "mails").await, 0);
}

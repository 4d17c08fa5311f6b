//! Mail leaves through a real server, whatever that does first, and says nothing where it should not.

use std::time::Duration;

use serde_json::{Value, json};
use service_kit::secret::random_token;

use crate::harness::{PASSWORD, TestApp, registration};
use crate::sink::{FROM, Sink, app_with};

const OPTIONAL: (&str, &str) = ("BEAVER_EMAIL_VERIFICATION", "optional");

async fn mail_check(app: &TestApp) -> Value {
    app.get("/health").await.expect(200).body["checks"]["mail"].clone()
}

/// Polls until the check says this.
async fn until_check(app: &TestApp, text: &str) {
    for _ in 0..600 {
        if mail_check(app).await.to_string().contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("health never said {text:?}: {}", mail_check(app).await);
}

#[tokio::test]
async fn a_mail_is_well_formed_and_in_the_language_of_the_request() {
    let mut sink = Sink::start(&[]).await;
    let app = sink.app(&[OPTIONAL]).await;
    app.register("alice").await.expect(201);
    let mail = sink.mail().await;
    assert_eq!(mail.about["from"], FROM);
    assert_eq!(mail.about["hello"], "localhost");
    assert_eq!(mail.header("From"), format!("Beaver <{FROM}>"));
    assert_eq!(mail.header("To"), "alice@example.com");
    assert_eq!(mail.header("Subject"), "Confirm your e-mail address");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.header("Message-ID").ends_with("@example.com>"));
    assert!(mail.text.contains("\nhttp://localhost:3081/confirm?token="), "{}", mail.text);

    let mut chinese = registration("bob");
    chinese["language"] = json!("zh-Hans");
    app.post("/portal/register", &chinese).await.expect(201);
    let mail = sink.mail().await;
    assert!(mail.text.starts_with("bob，你好："), "{}", mail.text);
    assert_eq!(mail_check(&app).await["state"], "ok");
}

struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn of(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).expect("written");
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }
}

#[tokio::test]
async fn starttls_and_implicit_tls_with_a_password() {
    let certificate = Certificate::of("localhost");
    let (cert, key) = (certificate.path("cert.pem"), certificate.path("key.pem"));
    let password = random_token().expose().clone();
    for tls in ["starttls", "implicit"] {
        let mut sink = Sink::start(&[tls, &cert, &key, "login", "beaver", &password]).await;
        let port = sink.port.to_string();
        let app = app_with(&[
            ("BEAVER_SMTP_HOST", "localhost"),
            ("BEAVER_SMTP_PORT", &port),
            ("BEAVER_SMTP_TLS", tls),
            ("BEAVER_SMTP_USER", "beaver"),
            ("BEAVER_SMTP_PASSWORD", &password),
            ("BEAVER_SMTP_CA_FILE", &cert),
            ("BEAVER_MAIL_FROM", FROM),
            OPTIONAL,
        ])
        .await;
        app.register("alice").await.expect(201);
        let mail = sink.mail().await;
        assert_eq!((&mail.about["tls"], &mail.about["login"]), (&json!(true), &json!(true)), "{tls}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_with_anothers_certificate_or_without_starttls() {
    let other = Certificate::of("mail.example.com");
    let (cert, key) = (other.path("cert.pem"), other.path("key.pem"));
    for (options, says) in
        [(&["starttls", &cert, &key][..], "TLS with the server failed"), (&[], "does not offer")]
    {
        let sink = Sink::start(options).await;
        let port = sink.port.to_string();
        let app = app_with(&[
            ("BEAVER_SMTP_HOST", "localhost"),
            ("BEAVER_SMTP_PORT", &port),
            ("BEAVER_SMTP_CA_FILE", &cert),
            ("BEAVER_MAIL_FROM", FROM),
            OPTIONAL,
        ])
        .await;
        app.register("alice").await.expect(201);
        until_check(&app, says).await;
    }
}

#[tokio::test]
async fn a_server_that_is_busy_or_hangs_gets_the_mail_later_and_a_restart_loses_nothing() {
    for what in ["later", "hang"] {
        let mut sink = Sink::start(&["behave", what, "2"]).await;
        let app = sink.app(&[OPTIONAL]).await;
        app.register("alice").await.expect(201);
        assert_eq!(sink.line().await, "stumbled");
        until_check(&app, "mails wait").await;
        let app = app.restart().await;
        app.clock.advance(Duration::from_secs(5));
        assert_eq!(sink.line().await, "stumbled");
        until_check(&app, "mails wait").await;
        app.clock.advance(Duration::from_secs(10));
        let token = sink.token("alice@example.com").await;
        until_check(&app, "ok").await;
        app.post("/portal/mail/confirm", &json!({"token": token})).await.expect(200);
    }
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_dropped_and_told_without_its_address() {
    let sink = Sink::start(&["behave", "refuse"]).await;
    let app = sink.app(&[OPTIONAL]).await;
    app.register("alice").await.expect(201);
    until_check(&app, "refused for good: the server answered 550").await;
    assert!(!mail_check(&app).await.to_string().contains("alice"));
    assert_eq!(rows(&app, "mails").await, 0);
}

#[tokio::test]
async fn a_mail_waits_for_a_server_until_its_link_is_dead() {
    let sink = Sink::start(&[]).await;
    let port = sink.port;
    let app = sink.app(&[OPTIONAL]).await;
    drop(sink);
    app.register("alice").await.expect(201);
    until_check(&app, "cannot be reached").await;
    let mut sink = Sink::start(&[&port.to_string()]).await;
    app.clock.advance(Duration::from_hours(23));
    // A try that found nobody may be written down after the clock was moved, and is due again so long after that.
    let ticking = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            app.clock.advance(Duration::from_secs(10));
        }
    };
    tokio::select! {
        _ = sink.token("alice@example.com") => {}
        () = ticking => {}
    }
    drop(sink);
    app.register("bob").await.expect(201);
    until_check(&app, "cannot be reached").await;
    app.clock.advance(Duration::from_hours(24));
    for _ in 0..600 {
        if rows(&app, "mails").await == 0 {
            return;
        }
        app.clock.advance(Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the mail is still there");
}

#[tokio::test]
async fn links_lie_sealed_in_the_database() {
    let sink = Sink::start(&[]).await;
    let app = sink.app(&[("BEAVER_EMAIL_VERIFICATION", "required")]).await;
    drop(sink);
    assert_eq!(app.register("alice").await.expect(403).code(), "urn:beaver:verification-pending");
    until_check(&app, "cannot be reached").await;
    assert_eq!(rows(&app, "mails").await, 1);
    assert!(app.stop().await);
    let bytes = std::fs::read(app.database()).expect("the database");
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"alice@example.com"), "the sign-up itself");
    assert!(!has(b"token") || !has(b"/confirm"), "a link in plain");
    assert!(!has(b"\"to\":"), "a letter in plain");
}

#[tokio::test]
async fn without_a_server_what_needs_mail_says_that_it_is_off() {
    let app = TestApp::start_with(|config| config.mail.delivery = authz_service::Delivery::Off).await;
    let settings = app.get("/portal/mail").await.expect(200);
    assert_eq!(settings.body, json!({"sends": false, "verification": "off"}));
    let session = app.register("alice").await.expect(201).text("session");
    for (path, body) in [
        ("/portal/forgot", json!({"login": "alice"})),
        ("/portal/email/verify", json!({"session": session})),
        (
            "/portal/email",
            json!({"session": session, "email": "b@example.com", "current_password": PASSWORD}),
        ),
    ] {
        assert_eq!(app.post(path, &body).await.expect(409).code(), "urn:beaver:mail-off", "{path}");
    }
    assert!(mail_check(&app).await.is_null());
    assert_eq!(rows(&app, "mails").await, 0);
}

pub(crate) async fn rows(app: &TestApp, table: &'static str) -> i64 {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", app.database().display()))
        .await
        .expect("the database");
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(&pool).await.expect("a count")
}

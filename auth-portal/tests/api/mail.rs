//! What people do by e-mail: a forgotten password, links that are looked at and used, another address.

use control_api::codes;
use control_api::mail::Confirmed;
use http::{Method, StatusCode, header};

use crate::app::{Browser, TestApp};
use crate::fakes::{Fakes, problem};

const SID: &str = "session-secret-of-alice";
const PASSWORD: &str = "password of alice";
const NEW: &str = "velvet harbour nine moss";

fn link(path: &str) -> String {
    format!("{path}?token={}", Fakes::LINK)
}

#[tokio::test]
async fn asking_for_a_new_password_is_answered_the_same_whoever_is_named() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/login").await.shows("<a href=\"/forgot\">Forgot your password?</a>");
    let mut pages = Vec::new();
    for login in ["alice", "nobody"] {
        browser.get("/forgot").await.shows("name=\"login\"");
        let page = browser.post("/forgot", &[("login", login)]).await;
        page.shows("If there is such an account");
        page.hides(login);
        pages.push((page.status, page.body));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0].0, StatusCode::ACCEPTED);
    let calls = app.fakes.calls("/portal/forgot");
    assert_eq!((&calls[0]["client_addr"], &calls[0]["language"]), (&"127.0.0.1".into(), &"en".into()));

    let faulty = browser.post("/forgot", &[("login", " ")]).await;
    assert_eq!(faulty.status, StatusCode::UNPROCESSABLE_ENTITY);
    faulty.shows("id=\"login-fault\">User name or e-mail address must be");
    let refusal = problem(429, codes::TOO_MANY_TRIES, "x");
    app.fakes.world().refusals.insert("/portal/forgot".to_owned(), refusal);
    let slow = browser.post("/forgot", &[("login", "alice")]).await;
    assert_eq!(slow.status, StatusCode::TOO_MANY_REQUESTS);
    slow.shows("Too many tries.");
}

#[tokio::test]
async fn mails_are_written_in_the_language_of_the_request() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/forgot").await;
    let fields = [("login", "alice"), ("csrf", browser.csrf.as_str())];
    let request = browser
        .request(Method::POST, "/forgot")
        .header("sec-fetch-site", "same-origin")
        .header(header::ACCEPT_LANGUAGE, "zh-CN,zh;q=0.9")
        .form(&fields);
    browser.send(request).await.shows("请查看你的邮箱");
    assert_eq!(app.fakes.calls("/portal/forgot")[0]["language"], "zh-Hans");
}

#[tokio::test]
async fn without_mail_the_pages_say_so() {
    let app = TestApp::start().await;
    app.fakes.world().mail.sends = false;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/forgot").await;
    page.shows("This installation sends no mail.");
    page.hides("name=\"login\"");
    let page = browser.get("/account/security").await;
    page.shows("so the address cannot be changed here");
    page.hides("action=\"/account/email\"");
}

#[tokio::test]
async fn looking_at_a_link_uses_nothing_up_and_its_button_does() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    for path in ["/confirm", "/reset"] {
        let page = browser.get(&link(path)).await;
        assert_eq!(page.status, StatusCode::OK);
        page.shows(&format!("<form method=\"post\" action=\"{path}\""));
        page.shows(&format!("name=\"token\" value=\"{}\"", Fakes::LINK));
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    }
    assert!(
        app.fakes.calls("/portal/mail/confirm").is_empty() && app.fakes.calls("/portal/reset").is_empty()
    );
    for (outcome, text) in [
        (Confirmed::Address, "Your address is confirmed."),
        (Confirmed::Registered, "your account is made. Sign in"),
        (Confirmed::ApprovalPending, "An administrator looks at it"),
    ] {
        app.fakes.world().mail.outcome = outcome;
        let page = browser.post("/confirm", &[("token", Fakes::LINK)]).await;
        assert_eq!(page.status, StatusCode::OK);
        page.shows(text);
        page.hides(Fakes::LINK);
    }
    assert_eq!(app.fakes.calls("/portal/mail/confirm")[0]["client_addr"], "127.0.0.1");
}

#[tokio::test]
async fn a_link_that_does_not_work_says_so_and_where_another_is_had() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/login").await;
    for path in ["/confirm", "/reset", "/confirm?token=", "/reset?token=%22%3E%3Cscript%3E"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        page.shows("This link does not work");
        page.hides("<script>");
    }
    for (path, again) in [("/confirm", "/account/security"), ("/reset", "/forgot")] {
        let page = browser.post(path, &[("token", "used"), ("new_password", NEW)]).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        page.shows(&format!("href=\"{again}\">Ask for a new link"));
        page.hides(NEW);
    }
    for (refusal, status, text) in [
        (problem(409, codes::USERNAME_TAKEN, "x"), 409, "taken by somebody else in the meantime"),
        (problem(403, codes::REGISTRATION_CLOSED, "x"), 403, "Sign-up was closed in the meantime"),
    ] {
        app.fakes.world().refusals.insert("/portal/mail/confirm".to_owned(), refusal);
        let page = browser.post("/confirm", &[("token", Fakes::LINK)]).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
    }
}

#[tokio::test]
async fn a_new_password_is_set_by_a_link_and_a_weak_one_is_told_at_its_field() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let page = browser.get(&link("/reset")).await;
    page.shows("minlength=\"15\" maxlength=\"128\" autocomplete=\"new-password\"");
    let fields = |password| [("token", Fakes::LINK), ("new_password", password)];
    let page = browser.post("/reset", &fields("sh0rt")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"new_password-fault\">New password must have at least 15 characters.");
    page.shows(&format!("name=\"token\" value=\"{}\"", Fakes::LINK));
    page.hides("sh0rt");
    let page = browser.post("/reset", &fields(NEW)).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Your new password is set.");
    page.hides(NEW);
    assert!(page.header("set-cookie").is_none(), "nobody is signed in by a link");
}

#[tokio::test]
async fn a_sign_up_that_waits_for_its_link_says_so() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/register").await;
    let stored = problem(403, codes::VERIFICATION_PENDING, "x");
    app.fakes.world().refusals.insert("/portal/register".to_owned(), stored);
    let fields = [("username", "alice"), ("email", "alice@example.com"), ("password", NEW)];
    let page = browser.post("/register", &fields).await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    page.shows("Look at your e-mail");
    page.hides("alice@example.com");
    assert!(!browser.cookies.contains_key("beaver_sid"));
}

async fn security(app: &TestApp) -> Browser {
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account/security").await;
    page.shows("Mails about your account go to alice@example.com.");
    browser
}

#[tokio::test]
async fn the_security_page_says_whether_the_address_is_proved_and_sends_a_link() {
    let app = TestApp::start().await;
    let mut browser = security(&app).await;
    browser.get("/account/security").await.shows("action=\"/account/email/verify\"");
    let page = browser.post("/account/email/verify", &[]).await;
    assert_eq!(page.location(), "/account/security?done=verify");
    browser.get("/account/security?done=verify").await.shows("A link to confirm your address is on its way.");
    app.fakes.world().mail.verified = true;
    let page = browser.get("/account/security").await;
    page.shows("Confirmed</span>");
    page.hides("action=\"/account/email/verify\"");
}

#[tokio::test]
async fn another_address_needs_the_password_and_faults_stand_at_their_fields() {
    let app = TestApp::start().await;
    let mut browser = security(&app).await;
    let fields = |email, password| [("email", email), ("email_password", password)];
    let page = browser.post("/account/email", &fields("new@example.com", "wr0ng-s3cret")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"email_password-fault\">This is not your current password.");
    page.shows("value=\"new@example.com\"");
    page.hides("wr0ng-s3cret");
    page.hides("current_password-fault");
    let page = browser.post("/account/email", &fields("new", PASSWORD)).await;
    page.shows("id=\"email-fault\">New e-mail address must be an e-mail address");
    page.hides(PASSWORD);
    let page = browser.post("/account/email", &fields("new@example.com", PASSWORD)).await;
    assert_eq!(page.location(), "/account/security?done=email");
    browser.get("/account/security?done=email").await.shows("A link is on its way to the new address.");
    for (refusal, status, text) in [
        (problem(429, codes::TOO_MANY_TRIES, "x"), 429, "Many links are on their way already."),
        (problem(409, codes::MAIL_OFF, "x"), 409, "sends no mail"),
        (problem(503, codes::BUSY, "x"), 503, "That could not be done just now."),
    ] {
        app.fakes.world().refusals.insert("/portal/email".to_owned(), refusal);
        let page = browser.post("/account/email", &fields("new@example.com", PASSWORD)).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.hides(PASSWORD);
    }
    assert_eq!(browser.get("/account/email").await.location(), "/account/security");
}

//! Sign-up: what is sent on, what comes back at the fields, and what is never shown again.

use control_api::authz::RegistrationMode;
use control_api::codes;
use http::StatusCode;
use service_kit::problem::Problem;

use crate::app::TestApp;
use crate::fakes::problem;

const GOOD: [(&str, &str); 3] =
    [("username", "alice"), ("email", "alice@example.com"), ("password", "s3cret horse battery")];

#[tokio::test]
async fn a_new_account_gets_a_session_and_the_progress_page() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let form = browser.get("/register").await;
    assert_eq!(form.status, StatusCode::OK);
    form.shows("minlength=\"15\"");
    let page = browser.post("/register", &GOOD).await;
    assert_eq!(page.location(), "/provisioning");
    assert_eq!(
        page.header("set-cookie"),
        Some("beaver_sid=session-of-alice-0123456789; Path=/; HttpOnly; SameSite=Lax")
    );
    let call = &app.fakes.calls("/portal/register")[0];
    assert_eq!(call["username"], "alice");
    assert_eq!(call["password"], "s3cret horse battery");
    assert_eq!(call["client_addr"], "127.0.0.1");
    assert!(call.get("invite").is_none());
    let progress = browser.get("/provisioning").await;
    progress.shows("Building the container");
}

#[tokio::test]
async fn a_trusted_proxy_names_the_caller() {
    let app = TestApp::start_with(&[("BEAVER_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let mut browser = app.browser();
    browser.get("/register").await;
    let mut fields = GOOD.to_vec();
    let token = browser.csrf.clone();
    fields.push(("csrf", &token));
    let request = browser
        .request(http::Method::POST, "/register")
        .header("sec-fetch-site", "same-origin")
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.9")
        .form(&fields);
    browser.send(request).await;
    assert_eq!(app.fakes.calls("/portal/register")[0]["client_addr"], "203.0.113.9");
}

#[tokio::test]
async fn faults_stand_at_their_fields_and_secrets_are_not_sent_back() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/register").await;
    let page = browser
        .post("/register", &[("username", "Al ice"), ("email", "nonsense"), ("password", "s3cret-s3cret")])
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows(
        "id=\"username-fault\">User name may contain the letters a to z, digits and single hyphens only.",
    );
    page.shows("id=\"email-fault\">E-mail address must be an e-mail address such as alice@example.com.");
    page.shows("aria-invalid=\"true\" aria-describedby=\"username-fault username-hint\"");
    page.shows("value=\"Al ice\"");
    page.shows("value=\"nonsense\"");
    page.hides("s3cret");
}

#[tokio::test]
async fn each_refusal_has_its_message_and_place() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/register").await;
    let weak = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::WEAK_PASSWORD, "Weak")
        .field("password", "must have at least 15 characters");
    let table = [
        (problem(409, codes::USERNAME_TAKEN, "x"), 422, "id=\"username-fault\">This user name is taken."),
        (problem(409, codes::EMAIL_TAKEN, "x"), 422, "id=\"email-fault\">This e-mail address is taken."),
        (weak, 422, "id=\"password-fault\">Password must have at least 15 characters."),
        (problem(422, codes::WEAK_PASSWORD, "Too common."), 422, "id=\"password-fault\">Too common."),
        (problem(429, codes::TOO_MANY_TRIES, "x"), 429, "Too many tries."),
        (problem(503, codes::BUSY, "Many sign up."), 503, "Many sign up."),
    ];
    for (refusal, status, text) in table {
        app.fakes.world().refusals.insert("/portal/register".to_owned(), refusal);
        let page = browser.post("/register", &GOOD).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.shows("value=\"alice\"");
        page.hides("s3cret");
        assert!(page.header("set-cookie").is_none());
    }
}

#[tokio::test]
async fn the_mode_decides_what_is_asked() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/register").await.hides("name=\"invite\"");

    app.fakes.world().settings.registration = RegistrationMode::Invite;
    browser.get("/register").await.shows("name=\"invite\"");
    let refusal = problem(403, codes::REGISTRATION_CLOSED, "x");
    app.fakes.world().refusals.insert("/portal/register".to_owned(), refusal);
    let mut fields = GOOD.to_vec();
    fields.push(("invite", " inv1te-s3cret "));
    let page = browser.post("/register", &fields).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("id=\"invite-fault\">This invite code is unknown");
    page.hides("s3cret");
    assert_eq!(app.fakes.calls("/portal/register")[0]["invite"], "inv1te-s3cret");

    app.fakes.world().settings.registration = RegistrationMode::Approval;
    browser.get("/register").await.shows("An administrator looks at new accounts");

    app.fakes.world().settings.registration = RegistrationMode::Closed;
    let closed = browser.get("/register").await;
    closed.shows("Sign-up is closed");
    closed.hides("name=\"password\"");
    let page = browser.post("/register", &GOOD).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("Sign-up is closed");
}

#[tokio::test]
async fn an_account_that_waits_for_a_yes_says_so() {
    let app = TestApp::start().await;
    app.fakes.world().settings.registration = RegistrationMode::Approval;
    let mut browser = app.browser();
    browser.get("/register").await;
    let stored = problem(403, codes::APPROVAL_PENDING, "stored");
    app.fakes.world().refusals.insert("/portal/register".to_owned(), stored);
    let page = browser.post("/register", &GOOD).await;
    assert_eq!(page.status, StatusCode::ACCEPTED);
    page.shows("Your request is stored");
    assert!(!browser.cookies.contains_key("beaver_sid"));
}

#[tokio::test]
async fn what_authz_service_says_at_a_field_is_shown_there() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/register").await;
    let both = Problem::new(StatusCode::CONFLICT, codes::USERNAME_TAKEN, "Taken")
        .field("username", "is taken <here>")
        .field("email", "is taken too");
    app.fakes.world().refusals.insert("/portal/register".to_owned(), both);
    let page = browser.post("/register", &GOOD).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"username-fault\">User name is taken &#60;here&#62;.");
    page.shows("id=\"email-fault\">E-mail address is taken too.");
    // In the order of the form.
    let at = |text: &str| page.body.find(text).expect("a link");
    assert!(at("href=\"#username\"") < at("href=\"#email\""));
}

#[tokio::test]
async fn an_outage_keeps_what_was_typed_and_says_what_to_do() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    browser.get("/register").await;
    app.fakes.world().authz_down = true;
    let page = browser.post("/register", &GOOD).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    page.shows("the accounts service cannot be reached");
    page.shows("value=\"alice@example.com\"");
    page.hides("s3cret");
    assert!(page.header("refresh").is_none(), "a form must not be reloaded away");
    app.fakes.world().authz_down = false;
    assert_eq!(browser.post("/register", &GOOD).await.location(), "/provisioning");
}

#[tokio::test]
async fn whoever_is_signed_in_needs_no_account() {
    let app = TestApp::start().await;
    app.fakes.person("alice", "session-secret-of-alice");
    let mut browser = app.browser_with("session-secret-of-alice");
    assert_eq!(browser.get("/register").await.location(), "/account");
}

//! Setting up a second factor and taking it away, and administrators who need one.

use control_api::authz::Role;
use control_api::codes;
use http::{Method, StatusCode};

use crate::app::{Browser, ORIGIN, TestApp};
use crate::fakes::{Fakes, problem};

const SID: &str = "session-secret-of-alice";
const PASSWORD: &str = "password of alice";
const PAGE: &str = "/account/second-factor";

fn fields<'a>(code: &'a str, password: &'a str) -> [(&'a str, &'a str); 2] {
    [("code", code), ("current_password", password)]
}

/// alice, with the second factor on.
async fn guarded(app: &TestApp, codes: u32) -> Browser {
    let alice = app.fakes.person("alice", SID);
    app.fakes.guard(&alice, codes);
    let mut browser = app.browser_with(SID);
    browser.get(PAGE).await.shows(&format!("<dd>{codes}</dd>"));
    browser
}

#[tokio::test]
async fn set_up_shows_a_picture_and_a_key_and_then_the_recovery_codes_once() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account/security").await;
    page.shows("href=\"/account/second-factor\">Set up</a>");
    page.shows("minlength=\"15\"");
    browser.get(PAGE).await.shows("action=\"/account/second-factor/begin\"");
    let page = browser.post("/account/second-factor/begin", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("<svg class=\"qr\"");
    page.shows("<code id=\"secret\">MZXW 6YTB OIQG K3TB NZRW KZDF MQ</code>");
    page.hides("style=");
    page.hides("<script>");
    let page = browser.post("/account/second-factor/confirm", &fields(Fakes::CODE, PASSWORD)).await;
    assert_eq!(page.status, StatusCode::OK);
    let cookie = format!("beaver_sid=renewed-{SID}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1000");
    assert_eq!(page.header("set-cookie"), Some(cookie.as_str()));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    page.shows("abcd-efgh-jkmn-pqr0\nabcd-efgh-jkmn-pqr1");
    page.shows("abcd-efgh-jkmn-pqr9");
    assert_eq!(app.fakes.calls("/portal/second-factor/totp/confirm")[0]["client_addr"], "127.0.0.1");
    // The forms of that very page go on with the new session.
    let language = browser.post("/account/second-factor/begin", &[]).await;
    assert_eq!(language.location(), PAGE, "it is on already");
    let page = browser.get(PAGE).await;
    page.shows("<dd>10</dd>");
    page.hides("abcd-efgh");
    let page = browser.get("/account/security").await;
    page.shows("href=\"/account/second-factor\">Manage</a>");
    page.shows("minlength=\"8\"");
    for form in ["begin", "confirm", "recovery-codes", "remove"] {
        assert_eq!(browser.get(&format!("{PAGE}/{form}")).await.location(), PAGE);
    }
}

#[tokio::test]
async fn a_slip_at_set_up_shows_the_same_key_again_and_neither_code_nor_password() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    browser.get(PAGE).await;
    browser.post("/account/second-factor/begin", &[]).await;
    let page = browser.post("/account/second-factor/confirm", &fields("271828", PASSWORD)).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"code-fault\">This code is wrong");
    page.shows("MZXW 6YTB");
    page.hides("271828");
    page.hides(PASSWORD);
    let page = browser.post("/account/second-factor/confirm", &fields(Fakes::CODE, "wr0ng-s3cret")).await;
    page.shows("id=\"current_password-fault\">This is not your current password.");
    page.hides("wr0ng-s3cret");
    let gone = problem(404, codes::NOT_FOUND, "too long");
    app.fakes.world().refusals.insert("/portal/second-factor/totp/confirm".to_owned(), gone);
    let page = browser.post("/account/second-factor/confirm", &fields(Fakes::CODE, PASSWORD)).await;
    assert_eq!(page.location(), "/account/second-factor?again=1");
    browser.get("/account/second-factor?again=1").await.shows("That set-up waited too long.");
}

#[tokio::test]
async fn new_codes_are_shown_once_and_few_are_told_about() {
    let app = TestApp::start().await;
    let mut browser = guarded(&app, 3).await;
    browser.get("/account/security").await.shows("Few recovery codes are left.");
    let page = browser.post("/account/second-factor/recovery-codes", &fields(Fakes::CODE, PASSWORD)).await;
    page.shows("These take the place of your old recovery codes.");
    page.shows("abcd-efgh-jkmn-pqr4");
    browser.get(PAGE).await.hides("Few recovery codes are left.");
}

#[tokio::test]
async fn turning_it_off_needs_password_and_code() {
    let app = TestApp::start().await;
    let mut browser = guarded(&app, 10).await;
    for (code, password, field) in
        [("271828", PASSWORD, "code"), (Fakes::CODE, "wr0ng-s3cret", "current_password")]
    {
        let page = browser.post("/account/second-factor/remove", &fields(code, password)).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.shows(&format!("id=\"{field}-fault\""));
        for secret in ["271828", "wr0ng-s3cret", PASSWORD, Fakes::CODE] {
            page.hides(secret);
        }
    }
    for (refusal, status, text) in [
        (problem(422, codes::WEAK_PASSWORD, "x"), 422, "too short to stand alone"),
        (problem(429, codes::TOO_MANY_TRIES, "x"), 429, "Too many tries."),
        (problem(503, codes::BUSY, "x"), 503, "could not be done just now"),
    ] {
        app.fakes.world().refusals.insert("/portal/second-factor/totp/remove".to_owned(), refusal);
        let page = browser.post("/account/second-factor/remove", &fields(Fakes::CODE, PASSWORD)).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
    }
    app.fakes.world().refusals.clear();
    let page = browser.post("/account/second-factor/remove", &fields(Fakes::CODE, PASSWORD)).await;
    assert_eq!(page.location(), "/account/security?done=second-factor-off");
    let page = browser.get("/account/security?done=second-factor-off").await;
    page.shows("The authenticator app is off.");
    page.shows("href=\"/account/second-factor\">Set up</a>");
}

#[tokio::test]
async fn an_administrator_without_one_reaches_no_admin_page_and_is_told_why() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    app.fakes.world().sessions.get_mut(SID).expect("a session").second_factor_needed = true;
    let mut browser = app.browser_with(SID);
    let page = browser.get(PAGE).await;
    page.shows("Administrators need this.");
    page.shows("href=\"/admin\"");
    let token = browser.csrf.clone();
    app.fakes.world().calls.clear();
    let id = control_api::ids::InstanceId::generate();
    for path in ["/admin", "/admin/audit", "/admin/settings", "/admin/isolation", "/admin/nonsense"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("/admin/instances/{id}"), format!("/admin/instances/{id}/stop")])
    {
        for method in [Method::GET, Method::POST] {
            let request = browser.request(method.clone(), &path).header("origin", ORIGIN);
            let page = browser.send(request.form(&[("csrf", token.as_str())])).await;
            if path == "/admin/nonsense" {
                assert_eq!(page.status, StatusCode::NOT_FOUND);
            } else {
                assert_eq!(page.location(), PAGE, "{method} {path}");
            }
        }
    }
    let calls = app.fakes.world().calls.clone();
    assert!(calls.iter().all(|(path, _)| !path.starts_with("/api/instances/")), "{calls:?}");

    browser.post("/account/second-factor/begin", &[]).await;
    browser.post("/account/second-factor/confirm", &fields(Fakes::CODE, PASSWORD)).await;
    let renewed = format!("renewed-{SID}");
    app.fakes.role(&renewed, Role::Admin);
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_outage_says_so_on_the_security_page_alone() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let refusal = problem(500, codes::INTERNAL, "x");
    app.fakes.world().refusals.insert("/portal/second-factor".to_owned(), refusal);
    let mut browser = app.browser_with(SID);
    let page = browser.get("/account/security").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Two-step sign-in cannot be shown just now.");
    page.shows("minlength=\"15\"");
    assert_eq!(browser.get(PAGE).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

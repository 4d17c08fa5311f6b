//! Passkeys as far as the portal goes: what it asks the browser, what it sends on, and what it says without JavaScript.

use control_api::codes;
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::{Fakes, problem};

const SID: &str = "session-secret-of-alice";
const PASSWORD: &str = "password of alice";
const PAGE: &str = "/account/second-factor";
/// In an attribute.
const OPTIONS: &str = "data-options=\"{&#34;challenge&#34;:&#34;a-\\&#34;challenge\\&#34;&#34;}\"";

async fn begun(app: &TestApp) -> Browser {
    let mut browser = app.browser_with(SID);
    browser.get("/account/passkeys/new").await.shows("Passkeys need JavaScript.");
    let fields = [("name", "my <phone>"), ("current_password", PASSWORD)];
    let page = browser.post("/account/passkeys/new", &fields).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("data-passkey=\"create\"");
    page.shows(OPTIONS);
    page.shows("name=\"name\" value=\"my &#60;phone&#62;\"");
    page.shows("<script src=\"/assets/passkeys.");
    page.shows("<noscript>");
    page.hides(PASSWORD);
    browser
}

#[tokio::test]
async fn a_passkey_is_added_in_two_steps_and_the_first_brings_recovery_codes() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = begun(&app).await;
    let fields = [("name", "my <phone>"), ("credential", "made")];
    let page = browser.post("/account/passkeys/finish", &fields).await;
    page.shows("abcd-efgh-jkmn-pqr0");
    let cookie = format!("beaver_sid=renewed-{SID}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1000");
    assert_eq!(page.header("set-cookie"), Some(cookie.as_str()));
    let page = browser.get(PAGE).await;
    page.shows("<dt>my &#60;phone&#62;</dt>");
    page.shows("aria-label=\"Remove my &#60;phone&#62;\"");
    // The next one brings none, and needs a code.
    browser.get("/account/passkeys/new").await.shows("name=\"code\"");
    let page = browser.post("/account/passkeys/finish", &fields).await;
    assert_eq!(page.location(), PAGE);
}

#[tokio::test]
async fn what_the_browser_did_not_make_is_told_and_can_be_begun_anew() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = begun(&app).await;
    let page = browser.post("/account/passkeys/finish", &[("name", "phone"), ("credential", "")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("The passkey was not taken");
    page.shows("name=\"name\" value=\"phone\"");
    let page = browser.post("/account/passkeys/new", &[("name", " "), ("current_password", PASSWORD)]).await;
    page.shows("id=\"name-fault\">Give it a name.");
    let page = browser.post("/account/passkeys/new", &[("name", "x"), ("current_password", "wr0ng")]).await;
    page.shows("id=\"current_password-fault\">");
    page.hides("wr0ng");
    let full = problem(409, codes::TOO_MANY_PASSKEYS, "x");
    app.fakes.world().refusals.insert("/portal/passkeys/begin".to_owned(), full);
    let page = browser.post("/account/passkeys/new", &[("name", "x"), ("current_password", PASSWORD)]).await;
    page.shows("as many passkeys as an account may have");
    assert_eq!(browser.get("/account/passkeys/finish").await.location(), "/account/passkeys/new");
}

#[tokio::test]
async fn removing_one_asks_for_password_and_code() {
    let app = TestApp::start().await;
    let alice = app.fakes.person("alice", SID);
    app.fakes.passkey(&alice, "old phone");
    let id = app.fakes.world().passkeys.of[&alice.user_id][0].passkey_id.to_string();
    let mut browser = app.browser_with(SID);
    let there = format!("/account/passkeys/remove?id={id}");
    browser.get(PAGE).await.shows(&there);
    browser.get(&there).await.shows("“old phone” signs you in no more.");
    let fields = |code: &'static str| {
        [("passkey_id", id.clone()), ("code", code.to_owned()), ("current_password", PASSWORD.to_owned())]
    };
    let send = |fields: &[(&'static str, String); 3]| fields.clone();
    let wrong = send(&fields("271828"));
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = browser.post("/account/passkeys/remove", &wrong).await;
    page.shows("id=\"code-fault\">");
    page.hides("271828");
    let right = send(&fields(Fakes::CODE));
    let right: Vec<(&str, &str)> = right.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(browser.post("/account/passkeys/remove", &right).await.location(), PAGE);
    browser.get(PAGE).await.hides("old phone");
    assert_eq!(browser.get(&there).await.location(), PAGE);
    assert_eq!(browser.get("/account/passkeys/remove").await.location(), PAGE);
}

#[tokio::test]
async fn sign_in_offers_the_passkey_and_a_recovery_code() {
    let app = TestApp::start().await;
    let alice = app.fakes.person("alice", SID);
    app.fakes.passkey(&alice, "phone");
    let mut browser = app.browser();
    browser.get("/login").await;
    let page = browser.post("/login", &[("login", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(page.location(), "/login/second");
    let page = browser.get("/login/second").await;
    page.shows("data-passkey=\"get\"");
    page.shows(OPTIONS);
    page.shows("<label for=\"code\">Recovery code</label>");
    let page = browser.post("/login/second", &[("passkey", "forged")]).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page.shows("The passkey was not accepted.");
    page.hides("forged");
    let page = browser.post("/login/second", &[("passkey", "signed")]).await;
    assert!(page.status.is_redirection());
    assert_eq!(browser.cookies.get("beaver_sid").map(String::as_str), Some(SID));
    // With an authenticator app and no passkey there is no script.
    app.fakes.world().passkeys.of.clear();
    app.fakes.guard(&alice, 10);
    let mut browser = app.browser();
    browser.get("/login").await;
    browser.post("/login", &[("login", "alice"), ("password", PASSWORD)]).await;
    let page = browser.get("/login/second").await;
    page.hides("data-passkey");
    page.hides("/assets/passkeys.");
}

#[tokio::test]
async fn where_browsers_have_none_the_page_says_why() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    app.fakes.world().passkeys.impossible = true;
    let mut browser = app.browser_with(SID);
    browser.get(PAGE).await.shows("only for sites with a name and a secure connection");
    assert_eq!(browser.get("/account/passkeys/new").await.location(), PAGE);
}

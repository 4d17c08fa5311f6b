//! The page that makes the first administrator, and the way there.

use control_api::codes;
use http::StatusCode;
use service_kit::problem::Problem;

use crate::app::{Browser, TestApp};
use crate::fakes::{Fakes, problem};

fn good(code: &str) -> [(&str, &str); 4] {
    [
        ("code", code),
        ("username", "alice"),
        ("email", "alice@example.com"),
        ("password", "s3cret horse battery"),
    ]
}

async fn open() -> (TestApp, Browser) {
    let app = TestApp::start().await;
    app.fakes.world().settings.setup_open = true;
    let browser = app.browser();
    (app, browser)
}

#[tokio::test]
async fn the_way_to_the_set_up_is_shown_until_it_is_done() {
    let (app, mut browser) = open().await;
    for path in ["/", "/login"] {
        let page = browser.get(path).await;
        page.shows("Nobody administers this installation yet.");
        page.shows("href=\"/setup\"");
    }
    let form = browser.get("/setup").await;
    assert_eq!(form.status, StatusCode::OK);
    form.shows("scripts/first-admin.sh");
    form.shows("minlength=\"15\"");
    let page = browser.post("/setup", &good(Fakes::SETUP_CODE)).await;
    assert_eq!(page.location(), "/provisioning");
    assert!(browser.cookies["beaver_sid"].starts_with("session-of-alice"));
    let call = &app.fakes.calls("/portal/setup")[0];
    assert_eq!((call["username"].as_str(), call["client_addr"].as_str()), (Some("alice"), Some("127.0.0.1")));
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
    let mut visitor = app.browser();
    for path in ["/", "/login"] {
        visitor.get(path).await.hides("/setup");
    }
}

#[tokio::test]
async fn once_closed_the_page_says_so_and_asks_for_nothing() {
    let (app, mut browser) = open().await;
    browser.get("/setup").await;
    app.fakes.world().settings.setup_open = false;
    let page = browser.post("/setup", &good(Fakes::SETUP_CODE)).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("The set-up is closed");
    assert!(!browser.cookies.contains_key("beaver_sid"));
    let page = browser.get("/setup").await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("scripts/make-admin.sh");
    page.hides("name=\"password\"");
}

#[tokio::test]
async fn each_refusal_has_its_place_and_no_secret_comes_back() {
    let (app, mut browser) = open().await;
    browser.get("/setup").await;
    let page = browser.post("/setup", &good("gue55")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"code-fault\">This code is unknown");
    page.shows("value=\"alice@example.com\"");
    page.hides("gue55");
    page.hides("s3cret");
    let weak = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::WEAK_PASSWORD, "Weak")
        .field("password", "must have at least 15 characters");
    let taken = Problem::new(StatusCode::CONFLICT, codes::USERNAME_TAKEN, "Taken")
        .field("username", "is taken; choose another");
    let table = [
        (weak, 422, "id=\"password-fault\">Password must have at least 15 characters."),
        (taken, 422, "id=\"username-fault\">User name is taken; choose another."),
        (problem(429, codes::TOO_MANY_TRIES, "x"), 429, "Too many tries."),
        (problem(503, codes::BUSY, "Many sign up."), 503, "Many sign up."),
    ];
    for (refusal, status, text) in table {
        app.fakes.world().refusals.insert("/portal/setup".to_owned(), refusal);
        let page = browser.post("/setup", &good(Fakes::SETUP_CODE)).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.hides(Fakes::SETUP_CODE);
        page.hides("s3cret");
    }
}

#[tokio::test]
async fn it_speaks_chinese_too() {
    let (_app, mut browser) = open().await;
    let request = browser.request(http::Method::GET, "/setup").header("accept-language", "zh-CN");
    let page = browser.send(request).await;
    page.shows("创建第一个管理员");
    page.shows("设置码");
}

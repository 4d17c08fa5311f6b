//! English and Chinese: what decides which it is, the switch at the foot of every page, and that pages, errors and
//! events speak alike.

use control_api::codes;
use control_api::deploy::{InstanceState, OperationState};
use http::{Method, StatusCode, header};

use crate::app::{Browser, ORIGIN, Page, TestApp};

const SID: &str = "session-secret-of-alice";

async fn get(browser: &mut Browser, path: &str, accept: &str) -> Page {
    let request = browser.request(Method::GET, path).header(header::ACCEPT_LANGUAGE, accept);
    browser.send(request).await
}

/// Presses a button of the switch on the page at `path`.
async fn choose(browser: &mut Browser, language: &str, path: &str) -> Page {
    let request = browser.request(Method::POST, "/language").form(&[("language", language)]);
    let request = request.header(header::ORIGIN, ORIGIN).header(header::REFERER, format!("{ORIGIN}{path}"));
    browser.send(request).await
}

#[track_caller]
fn speaks(page: &Page, tag: &str) {
    page.shows(&format!("<html lang=\"{tag}\">"));
    assert_eq!(page.header("content-language"), Some(tag));
    let vary: Vec<_> = page.headers.get_all("vary").iter().map(|v| v.to_str().expect("text")).collect();
    assert!(vary.contains(&"Accept-Language, Cookie"), "{vary:?}");
}

#[tokio::test]
async fn the_choice_counts_before_the_browser_and_the_browser_before_english() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    speaks(&browser.get("/login").await, "en");
    speaks(&get(&mut browser, "/login", "de, zh-CN;q=0.9, en;q=0.1").await, "zh-Hans");
    assert_eq!(choose(&mut browser, "en", "/login").await.location(), "/login");
    speaks(&get(&mut browser, "/login", "zh-CN").await, "en");
    assert_eq!(choose(&mut browser, "zh-Hans", "/login").await.location(), "/login");
    let page = get(&mut browser, "/login", "en").await;
    speaks(&page, "zh-Hans");
    page.shows("欢迎回来");
    page.hides("Welcome back");
    // A value that no switch has set is as none.
    for odd in ["zh", "ZH-HANS", "\"zh-Hans\"", "de", ""] {
        browser.cookies.insert("beaver_lang".to_owned(), odd.to_owned());
        speaks(&browser.get("/login").await, "en");
    }
}

#[tokio::test]
async fn every_page_has_the_switch_and_it_leads_back_to_the_page() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    let mut visitor = app.browser();
    let pages = [
        browser.get("/account").await,
        browser.get("/account/security").await,
        browser.get("/nothing/here").await,
        visitor.get("/login").await,
        visitor.get("/").await,
    ];
    for page in &pages {
        page.shows("<form class=\"languages\" method=\"post\" action=\"/language\" aria-label=\"Language\">");
        page.shows("value=\"en\" lang=\"en\" aria-current=\"true\">English</button>");
        page.shows("value=\"zh-Hans\" lang=\"zh-Hans\">简体中文</button>");
    }
    let long = format!("/app/authorize?slug=alice&state={}", "a".repeat(43));
    for path in ["/", "/account?done=stop", "/login?next=%2Faccount", long.as_str()] {
        assert_eq!(choose(&mut browser, "zh-Hans", path).await.location(), path);
    }
    // What a form was answered with cannot be loaded again; its page can.
    choose(&mut browser, "en", "/").await;
    browser.get("/account").await;
    visitor.post("/login", &[("login", "alice")]).await.shows("name=\"next\" value=\"/login\"");
    browser.post("/account/password", &[]).await.shows("name=\"next\" value=\"/account/security\"");
    let fields = [("language", "zh-Hans"), ("next", "/account/security")];
    let request = browser.request(Method::POST, "/language").header(header::ORIGIN, ORIGIN);
    let request = request.header(header::REFERER, format!("{ORIGIN}/account/password")).form(&fields);
    assert_eq!(browser.send(request).await.location(), "/account/security");
}

#[tokio::test]
async fn the_switch_sets_one_cookie_and_leads_nowhere_else() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let page = choose(&mut browser, "zh-Hans", "/login").await;
    let expected = "beaver_lang=zh-Hans; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000";
    assert_eq!(page.header("set-cookie"), Some(expected));
    for path in ["", ".evil.example/", "@evil.example/", "//evil.example", "/%2fevil.example"] {
        assert_eq!(choose(&mut browser, "en", path).await.location(), "/", "{path}");
    }
    let hostile = ["https://evil.example/", "//evil.example", "/\\evil.example", "/%5cevil.example"];
    for next in hostile {
        let request = browser.request(Method::POST, "/language").header(header::ORIGIN, ORIGIN);
        let page = browser.send(request.form(&[("language", "en"), ("next", next)])).await;
        assert_eq!(page.location(), "/", "{next}");
        let request = browser.request(Method::POST, "/language").header(header::ORIGIN, ORIGIN);
        let request = request.header(header::REFERER, format!("https://evil.example{next}"));
        let page = browser.send(request.form(&[("language", "en")])).await;
        assert_eq!(page.location(), "/", "{next}");
    }
    let page = choose(&mut browser, "tlh", "/login").await;
    assert_eq!((page.status, page.header("set-cookie")), (StatusCode::NOT_FOUND, None));
    assert_eq!(browser.get("/language").await.location(), "/");
}

#[tokio::test]
async fn no_other_site_can_choose_the_language() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let headers = [
        ("x-none", ""),
        ("origin", "http://alice.portal.test"),
        ("origin", "null"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "cross-site"),
    ];
    for (name, value) in headers {
        let request = browser.request(Method::POST, "/language").form(&[("language", "zh-Hans")]);
        let page = browser.send(request.header(name, value)).await;
        assert_eq!((page.status, page.header("set-cookie")), (StatusCode::FORBIDDEN, None), "{name} {value}");
    }
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    let origin = "https://portal.example.com";
    let app = TestApp::start_with(&[("PORTAL_PUBLIC_URL", origin)]).await;
    let mut browser = app.browser();
    let request = browser.request(Method::POST, "/language").header("origin", origin);
    let page = browser.send(request.form(&[("language", "zh-Hans")])).await;
    let cookie = page.header("set-cookie").expect("a cookie");
    assert!(
        cookie.starts_with("__Host-beaver_lang=zh-Hans; Path=/;") && cookie.contains("; Secure"),
        "{cookie}"
    );
    speaks(&browser.get("/login").await, "zh-Hans");
    // An instance can set the plain name for the whole domain.
    let mut browser = app.browser();
    browser.cookies.insert("beaver_lang".to_owned(), "zh-Hans".to_owned());
    speaks(&browser.get("/login").await, "en");
}

#[tokio::test]
async fn errors_speak_the_language_too() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let page = get(&mut browser, "/nothing", "zh").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    speaks(&page, "zh-Hans");
    page.shows("这里什么也没有");
    app.fakes.world().authz_down = true;
    let mut browser = app.browser_with(SID);
    let page = get(&mut browser, "/account", "zh").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    speaks(&page, "zh-Hans");
    page.shows("暂时连不上账户服务");
    let request = browser.request(Method::POST, "/account/stop").header(header::ACCEPT_LANGUAGE, "zh");
    let page = browser.send(request).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("重新加载表单");
}

#[tokio::test]
async fn events_speak_the_language_of_the_page() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Creating).instance_id;
    let operation = app.fakes.operation(id, "container", "Creating the container", 40).operation_id;
    app.fakes.change(operation, |view| view.state = OperationState::Running);
    let browser = app.browser_with(SID);
    let request =
        browser.request(Method::GET, "/provisioning/events").header(header::ACCEPT_LANGUAGE, "zh-CN");
    let mut response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["content-language"], "zh-Hans");
    let mut text = String::new();
    while !text.contains("\n\n") {
        let chunk = response.chunk().await.expect("a stream").expect("an event");
        text.push_str(std::str::from_utf8(&chunk).expect("text"));
    }
    assert!(text.contains("搭建容器") && text.contains("已完成 40%"), "{text}");
    assert!(!text.contains("Building the container"), "{text}");
}

#[tokio::test]
async fn dates_are_written_as_the_language_writes_them() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Ready).instance_id;
    let long_ago = crate::fakes::at("2026-01-02T12:00:00Z");
    app.fakes.world().instances.get_mut(&id).expect("there").created_at = long_ago;
    let mut browser = app.browser_with(SID);
    get(&mut browser, "/account", "en").await.shows(">2 January 2026</time>");
    get(&mut browser, "/account", "zh").await.shows(">2026年1月2日</time>");
}

#[tokio::test]
async fn what_has_no_words_in_it_has_no_language() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let page = browser.get("/").await;
    let css = page.body.split('"').find(|text| text.contains(".css")).expect("a style sheet").to_owned();
    for path in [css.as_str(), "/health/live"] {
        let answer = browser.get(path).await;
        assert_eq!((answer.header("content-language"), answer.header("vary")), (None, None), "{path}");
    }
}

#[tokio::test]
async fn what_the_services_say_is_told_in_the_language_and_never_kept_back() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Failed).instance_id;
    app.fakes.world().instances.get_mut(&id).expect("there").reason =
        Some("The app ended while it started: it used up its memory.".to_owned());
    let mut browser = app.browser_with(SID);
    get(&mut browser, "/account", "en").await.shows("The app ended while it started: it used up its memory.");
    get(&mut browser, "/account", "zh").await.shows("应用在启动时结束：内存用尽。");
    app.fakes.world().instances.get_mut(&id).expect("there").reason = Some("The moon is full.".to_owned());
    get(&mut browser, "/account", "zh").await.shows("The moon is full.");

    let mut visitor = app.browser();
    choose(&mut visitor, "zh-Hans", "/").await;
    visitor.get("/register").await;
    let fault = "must have at least 15 characters; a few words make a good one";
    let problem = crate::fakes::problem(422, codes::WEAK_PASSWORD, "No.").field("password", fault);
    app.fakes.world().refusals.insert("/portal/register".to_owned(), problem);
    let fields = [("username", "bob"), ("email", "bob@example.com"), ("password", "short")];
    let page = visitor.post("/register", &fields).await;
    page.shows("密码：至少要有 15 个字符；几个词连起来就很好。");
    page.hides("must have");
    let problem = crate::fakes::problem(507, codes::DISK_FULL, "Nothing was changed.");
    app.fakes.world().refusals.insert("/portal/register".to_owned(), problem);
    visitor.post("/register", &fields).await.shows("没有做任何更改。");
}

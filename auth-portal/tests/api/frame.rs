//! What every answer carries: headers, assets, health.

use std::time::Duration;

use control_api::deploy::InstanceState;
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::app::TestApp;

const SID: &str = "session-secret-of-alice";

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser_with(SID);
    let mut visitor = app.browser();
    let mut pages = Vec::new();
    for path in ["/account", "/onboarding/provider", "/provisioning", "/nothing", "/app/authorize"] {
        pages.push(browser.get(path).await);
    }
    for path in ["/", "/login", "/register", "/account"] {
        pages.push(visitor.get(path).await);
    }
    pages.push(visitor.post("/login", &[]).await);
    pages.push(visitor.post("/account/stop", &[("csrf", "x")]).await);
    for page in pages {
        let csp = page.header("content-security-policy").expect("a policy");
        assert!(csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'"), "{csp}");
        assert!(csp.contains("form-action 'self' http://*.localhost:8088;"), "{csp}");
        assert!(!csp.contains("unsafe"), "{csp}");
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("strict-transport-security"), None);
        assert!(page.header("x-request-id").is_some());
        // The policy would stop these.
        page.hides("style=\"");
        page.hides("<style");
        page.hides(" onclick");
    }
}

#[tokio::test]
async fn https_brings_strict_transport_and_host_cookies() {
    let origin = "https://portal.example.com";
    let app = TestApp::start_with(&[
        ("PORTAL_PUBLIC_URL", origin),
        ("DEPLOY_PUBLIC_SCHEME", "https"),
        ("DEPLOY_PUBLIC_BASE_DOMAIN", "apps.example.com"),
        ("DEPLOY_PUBLIC_PORT", "443"),
    ])
    .await;
    let mut browser = app.browser();
    let page = browser.get("/login").await;
    assert!(page.header("strict-transport-security").is_some());
    assert!(
        page.header("content-security-policy").is_some_and(|v| v.contains("https://*.apps.example.com:443"))
    );
    let cookie = page.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-beaver_csrf=") && cookie.ends_with("; Secure"), "{cookie}");
    app.fakes.person("alice", SID);
    let token = browser.csrf.clone();
    let fields = [("login", "alice"), ("password", "password of alice"), ("csrf", token.as_str())];
    let request = browser.request(http::Method::POST, "/login").header("origin", origin).form(&fields);
    let page = browser.send(request).await;
    let expected = format!("__Host-beaver_sid={SID}; Path=/; HttpOnly; SameSite=Lax; Secure");
    assert_eq!(page.header("set-cookie"), Some(expected.as_str()));
}

#[tokio::test]
async fn assets_are_named_by_their_content_and_kept_for_ever() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let page = browser.get("/").await;
    let names: Vec<_> =
        page.body.split('"').filter(|text| text.starts_with("/assets/")).map(str::to_owned).collect();
    assert!(names.len() >= 4, "{names:?}");
    for (name, media_type) in names.iter().map(|name| {
        let media_type = match name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        (name, media_type)
    }) {
        let asset = browser.get(name).await;
        assert_eq!(asset.status, StatusCode::OK, "{name}");
        assert_eq!(asset.header("content-type"), Some(media_type));
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(asset.header("x-content-type-options"), Some("nosniff"));
        assert!(
            !asset.body.contains("http://") || media_type == "image/svg+xml",
            "{name} loads from elsewhere"
        );
    }
}

#[tokio::test]
async fn the_front_page_is_for_visitors() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let page = app.browser().get("/").await;
    page.shows("href=\"/register\"");
    page.shows("href=\"/login\"");
    assert_eq!(app.browser_with(SID).get("/").await.location(), "/account");
    // An ended session is a visitor.
    assert_eq!(app.browser_with("session-that-has-ended").get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn health_follows_the_neighbours_on_both_listeners() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    assert_eq!(browser.get("/health/live").await.status, StatusCode::OK);
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ready = async |status: StatusCode| {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let answer = client.get(format!("{}/health/ready", app.admin)).send().await.expect("an answer");
            let (is, text) = (answer.status(), answer.text().await.expect("text"));
            if is == status {
                return text;
            }
            assert!(Instant::now() < until, "not {status} in time: {text}");
            sleep(Duration::from_millis(50)).await;
        }
    };
    ready(StatusCode::OK).await;
    app.fakes.world().deploy_down = true;
    let text = ready(StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(text.contains("deploy-control"), "{text}");
    assert_eq!(browser.get("/health").await.status, StatusCode::OK);
    let metrics = client.get(format!("{}/metrics", app.admin)).send().await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    assert!(metrics.contains("beaver_http_requests"), "{metrics}");
    assert!(browser.get("/metrics").await.status == StatusCode::NOT_FOUND);
}

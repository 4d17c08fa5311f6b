//! The pages: what they show, what they let the browser do, and that they work without JavaScript.

use http::Method;
use serde_json::Value;

use crate::support::TestApp;

#[tokio::test]
async fn the_page_names_owner_and_provider_and_lets_nothing_in() {
    let app = TestApp::start_echo().await;
    let response = app.request(Method::GET, "/").send().await.expect("an answer");
    let policy = response.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(policy.contains("form-action 'self' http://portal.test:3081"));
    assert!(!policy.contains("unsafe"));
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.headers().contains_key("x-request-id"));
    assert!(!response.headers().contains_key("set-cookie"));
    let page = response.text().await.expect("text");
    assert!(page.contains("Hello, alice"));
    assert!(page.contains("echo"));
    assert!(page.contains("action=\"/.beaver/logout\""));
    for inline in ["<style", "style=\"", "onclick", "javascript:", "<script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn what_was_said_is_shown_as_text() {
    let app = TestApp::start_echo().await;
    let id = app.new_conversation().await;
    app.say(&id, "<img src=x onerror=alert(1)> \"quoted\" & more").await;
    let page = app.get_page(&format!("/c/{id}")).await;
    assert!(!page.contains("<img src=x"));
    assert!(page.contains("&#60;img src=x onerror=alert(1)&#62; &#34;quoted&#34; &#38; more"));
    assert!(page.contains("Answer again"));
}

#[tokio::test]
async fn the_forms_work_without_javascript() {
    let app = TestApp::start_echo().await;
    let post = |path: String, form: &'static [(&'static str, &'static str)]| {
        let request = app.request(Method::POST, &path).form(form);
        async move {
            let response = request.send().await.expect("an answer");
            let location = response.headers().get("location").map(|l| l.to_str().expect("text").to_owned());
            (response.status().as_u16(), location.unwrap_or_default())
        }
    };
    let (status, location) = post("/".to_owned(), &[("text", "line one\r\nline two")]).await;
    assert_eq!(status, 303);
    let path = location.trim_end_matches("#end").to_owned();
    let id = path.strip_prefix("/c/").expect("a conversation").to_owned();
    assert_eq!(app.messages(&id).await[1]["content"], "line one\nline two");
    assert_eq!(post(path.clone(), &[("text", "more")]).await, (303, location.clone()));
    assert_eq!(post(format!("{path}/retry"), &[]).await, (303, location.clone()));
    assert_eq!(post(format!("{path}/rename"), &[("title", "By hand")]).await, (303, location));
    assert!(app.get_page("/").await.contains("By hand"));
    assert_eq!(app.messages(&id).await.len(), 4);
    assert_eq!(post(format!("{path}/delete"), &[]).await, (303, "/".to_owned()));
    assert!(!app.get_page("/").await.contains("By hand"));
    assert_eq!(post("/".to_owned(), &[("text", " ")]).await.0, 422);
    assert_eq!(app.get_json("/api/conversations").await["conversations"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn problems_are_pages_for_people_and_json_for_programs() {
    let app = TestApp::start_echo().await;
    let page = app.bare(Method::GET, "/").send().await.expect("an answer");
    assert_eq!(page.status(), 401);
    assert!(page.headers()["content-type"].to_str().expect("text").starts_with("text/html"));
    assert!(page.text().await.expect("text").contains("You are not signed in here"));
    for path in ["/c/nonsense", "/c/01JDF3X5S8Q4M7R2V6T9W0YZAB", "/nonsense"] {
        let page = app.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(page.status(), 404);
        assert!(page.headers()["content-type"].to_str().expect("text").starts_with("text/html"), "{path}");
    }
    let json = app.request(Method::GET, "/api/nonsense").send().await.expect("an answer");
    assert_eq!(json.status(), 404);
    let json: Value = json.json().await.expect("json");
    assert_eq!(json["type"], "urn:beaver:not-found");
    assert!(json["request_id"].is_string());
}

#[tokio::test]
async fn the_pages_files_are_there_and_kept_by_browsers() {
    let app = TestApp::start_echo().await;
    let page = app.get_page("/").await;
    for name in ["app.css", "app.js", "icon.svg"] {
        let end = page.find(name).expect("a reference") + name.len();
        let start = page[..end].rfind('"').expect("a quote") + 1;
        let response = app.bare(Method::GET, &page[start..end]).send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{name}");
        assert!(response.headers()["cache-control"].to_str().expect("text").contains("immutable"));
    }
    assert_eq!(app.bare(Method::GET, "/assets/x/other").send().await.expect("an answer").status(), 404);
}

#[tokio::test]
async fn the_api_description_names_every_route() {
    let app = TestApp::unregistered(None).await;
    let document = app.bare(Method::GET, "/api/openapi.json").send().await.expect("an answer");
    let document: Value = document.json().await.expect("json");
    let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().cloned().collect();
    assert_eq!(
        paths,
        [
            "/api/auth/login",
            "/api/auth/register",
            "/api/conversations",
            "/api/conversations/{id}",
            "/api/conversations/{id}/messages",
            "/api/conversations/{id}/retry",
            "/api/conversations/{id}/stop",
            "/api/health",
            "/api/me",
        ]
    );
    assert!(document["components"]["securitySchemes"]["assertion"].is_object());
}

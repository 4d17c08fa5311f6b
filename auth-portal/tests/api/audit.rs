//! The page of the audit log and its files.

use http::StatusCode;

use crate::app::{Browser, TestApp};

const SID: &str = "session-secret-of-carol";

async fn administrator() -> (TestApp, Browser) {
    let app = TestApp::start().await;
    app.fakes.admin("carol", SID);
    let browser = app.browser_with(SID);
    (app, browser)
}

#[tokio::test]
async fn entries_are_shown_filtered_and_in_pages() {
    let (app, mut browser) = administrator().await;
    browser.get("/admin").await.shows("href=\"/admin/audit\"");
    browser.get("/admin/audit").await.shows("There is no such entry.");
    for _ in 0..60 {
        app.fakes.audit_entry("login", "x", None);
    }
    app.fakes.audit_entry("make-admin", "01JDF3X5S8Q4M7R2V6T9W0YZAC", Some("alice"));
    app.fakes.audit_entry("login-failed", "<script>", None);
    let page = browser.get("/admin/audit").await;
    page.shows("alice <span class=\"hint\">01JDF3X5S8Q4M7R2V6T9W0YZAC</span>");
    page.shows("2026-11-21 11:00:00");
    page.shows("&#60;script&#62;");
    page.hides("<script>alert");
    page.shows("href=\"/admin/audit?&#38;before=13\"");
    let older = browser.get("/admin/audit?&before=13").await;
    older.shows("Newest");
    older.hides("Older");

    let page = browser.get("/admin/audit?who=+bob+&action=login&since=2026-11-20&until=2026-11-21").await;
    page.hides("make-admin</td>");
    page.shows("value=\"2026-11-20\"");
    page.shows("<option value=\"login\" selected>");
    page.shows("/admin/audit/export?who=bob&#38;action=login&#38;since=2026-11-20&#38;until=2026-11-21");
    let asked = app.fakes.calls("/portal/admin/audit").last().expect("a call").clone();
    assert_eq!(asked["filter"]["who"], "bob");
    assert_eq!(asked["filter"]["since"], "2026-11-20T00:00:00Z");
    assert_eq!(asked["filter"]["until"], "2026-11-22T00:00:00Z", "the last day is part of it");

    let calls = app.fakes.calls("/portal/admin/audit").len();
    let page = browser.get("/admin/audit?since=yesterday").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("must be a day such as 2026-11-21");
    assert_eq!(app.fakes.calls("/portal/admin/audit").len(), calls, "nobody was asked");
}

#[tokio::test]
async fn the_whole_log_is_a_file() {
    let (app, mut browser) = administrator().await;
    // More than one question's answer.
    for _ in 0..501 {
        app.fakes.audit_entry("login", "x", None);
    }
    app.fakes.audit_entry("login-failed", "=1+1\",\"", None);
    let csv = browser.get("/admin/audit/export?format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    let lines: Vec<_> = csv.body.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 502);
    assert!(lines[0].starts_with("id,at,actor,") && lines[1].contains("\"'=1+1\"\",\"\"\""), "{}", lines[1]);
    assert!(lines[502].starts_with("\"1\","), "{}", lines[502]);
    let json = browser.get("/admin/audit/export?format=jsonl&action=login-failed").await;
    let [line] = json.body.lines().collect::<Vec<_>>()[..] else { panic!("{}", json.body) };
    let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(entry["target"], "=1+1\",\"");
    for bad in ["", "?format=pdf", "?format=csv&since=x"] {
        assert_eq!(browser.get(&format!("/admin/audit/export{bad}")).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn to_others_there_is_no_log() {
    let (app, _) = administrator().await;
    app.fakes.person("alice", "session-secret-of-alice");
    let mut alice = app.browser_with("session-secret-of-alice");
    for path in ["/admin/audit", "/admin/audit/export?format=csv"] {
        assert_eq!(alice.get(path).await.status, StatusCode::NOT_FOUND);
    }
    assert!(app.fakes.calls("/portal/admin/audit").is_empty());
}

#[tokio::test]
async fn administrators_see_where_the_log_goes_and_try_it() {
    let (app, mut browser) = administrator().await;
    browser.get("/admin/audit").await.shows("href=\"/admin/audit/forwarding\"");
    browser.get("/admin/audit/forwarding").await.shows("It is sent nowhere.");
    let test = "/admin/audit/forwarding/test";
    let page = browser.post(test, &[("target", "syslog")]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.shows("not configured any more");

    app.fakes.audit_targets();
    let page = browser.get("/admin/audit/forwarding").await;
    page.shows("<dd>128</dd>");
    page.shows("udp://logs.example.com:514");
    page.shows("The last try failed");
    page.shows("the receiver answered with status 503");
    page.shows("arrived means sent");

    let page = browser.post(test, &[("target", "syslog")]).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("Syslog: the test entry has arrived.");
    let asked = app.fakes.calls("/portal/admin/audit/test").last().expect("a call").clone();
    assert_eq!(asked["client_addr"], "127.0.0.1");
    browser
        .post(test, &[("target", "webhook")])
        .await
        .shows("Webhook: the test entry has not arrived yet: the receiver answered with status 503.");
    assert_eq!(browser.post(test, &[("target", "pigeon")]).await.status, StatusCode::NOT_FOUND);
}

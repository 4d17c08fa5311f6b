//! The administrators' page about invites.

use control_api::authz::RegistrationMode;
use control_api::ids::InviteId;
use control_api::invites::InviteState;
use http::StatusCode;

use crate::app::{Browser, TestApp};

const SID: &str = "session-secret-of-carol";

async fn administrator() -> (TestApp, Browser) {
    let app = TestApp::start().await;
    app.fakes.admin("carol", SID);
    app.fakes.world().settings.registration = RegistrationMode::Invite;
    let mut browser = app.browser_with(SID);
    browser.get("/admin/invites").await.shows("There are no invites.");
    (app, browser)
}

#[tokio::test]
async fn codes_are_shown_once() {
    let (app, mut browser) = administrator().await;
    let fields = [("count", "2"), ("hours", "72"), ("note", " the <team> ")];
    let page = browser.post("/admin/invites", &fields).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("the-code-of-invite-0\nthe-code-of-invite-1");
    page.shows("until 2026-11-24 12:00 UTC");
    let asked = &app.fakes.calls("/portal/admin/invites")[0];
    assert_eq!((&asked["count"], &asked["hours"]), (&2.into(), &72.into()));
    assert_eq!((&asked["note"], &asked["client_addr"]), (&"the <team>".into(), &"127.0.0.1".into()));
    let page = browser.get("/admin/invites").await;
    page.shows("the &#60;team&#62;");
    page.shows("by carol");
    page.hides("the-code-of-invite");
}

#[tokio::test]
async fn each_state_has_its_words_and_only_an_open_invite_is_withdrawn() {
    let (app, mut browser) = administrator().await;
    app.fakes.invite(|invite| {
        (invite.state, invite.used_by) = (InviteState::Used, Some("alice".to_owned()));
    });
    app.fakes.invite(|invite| invite.state = InviteState::Expired);
    let open = app.fakes.invite(|invite| invite.note = "for bob".to_owned());
    let page = browser.get("/admin/invites").await;
    for text in ["Used by alice", "Expired</span>", "Open</span>", "by the operator"] {
        page.shows(text);
    }
    page.shows("aria-label=\"Withdraw the invite made 45 min ago, for bob\"");
    assert_eq!(page.body.matches("action=\"/admin/invites/withdraw\"").count(), 1);
    let id = open.to_string();
    let page = browser.post("/admin/invites/withdraw", &[("invite", &id)]).await;
    assert_eq!(page.location(), "/admin/invites?done=withdraw");
    let page = browser.get(page.location()).await;
    page.shows("The invite is withdrawn.");
    page.shows("Withdrawn</span>");
    // Somebody was faster.
    let page = browser.post("/admin/invites/withdraw", &[("invite", &id)]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("That invite is not open any more.");
    let page = browser.post("/admin/invites/withdraw", &[("invite", "x")]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/admin/invites/withdraw").await.location(), "/admin/invites");
}

#[tokio::test]
async fn faults_are_told_at_their_fields_and_nobody_is_asked() {
    let (app, mut browser) = administrator().await;
    let long = "x".repeat(101);
    let page = browser.post("/admin/invites", &[("count", "51"), ("hours", "week"), ("note", &long)]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"count-fault\">Enter a number from 1 to 50.");
    page.shows("id=\"hours-fault\">Enter a number from 1 to 720.");
    page.shows("id=\"note-fault\">Enter one line of at most 100 characters.");
    page.shows("value=\"week\"");
    assert!(app.fakes.calls("/portal/admin/invites").is_empty());
}

#[tokio::test]
async fn invites_come_in_pages_and_it_is_said_where_none_is_asked_for() {
    let (app, mut browser) = administrator().await;
    for _ in 0..52 {
        app.fakes.invite(|_| {});
    }
    let first = browser.get("/admin/invites").await;
    first.hides("does not ask for an invite");
    assert_eq!(first.body.matches("name=\"invite\"").count(), 50);
    let next = first.body.split("href=\"/admin/invites?before=").nth(1).expect("a next page");
    let before: InviteId = next.split('"').next().expect("an id").parse().expect("an id");
    app.fakes.world().settings.registration = RegistrationMode::Open;
    let second = browser.get(&format!("/admin/invites?before={before}")).await;
    assert_eq!(second.body.matches("name=\"invite\"").count(), 2);
    second.shows("Newest");
    second.shows("does not ask for an invite");
}

//! The administrators' pages about people.

use control_api::authz::Role;
use control_api::codes;
use control_api::deploy::InstanceState;
use control_api::ids::UserId;
use control_api::people::Standing;
use http::StatusCode;

use crate::app::{Browser, TestApp};
use crate::fakes::problem;

const SID: &str = "session-secret-of-carol";

async fn administrator() -> (TestApp, Browser) {
    let app = TestApp::start().await;
    app.fakes.admin("carol", SID);
    let browser = app.browser_with(SID);
    (app, browser)
}

/// The page of an account, with the token of its forms.
async fn page_of(browser: &mut Browser, id: UserId) -> String {
    let path = format!("/admin/people/{id}");
    assert_eq!(browser.get(&path).await.status, StatusCode::OK);
    path
}

#[tokio::test]
async fn people_are_listed_searched_and_come_in_pages() {
    let (app, mut browser) = administrator().await;
    browser.get("/admin").await.shows("href=\"/admin/people\"");
    browser.get("/admin/people").await.shows("There is no such account.");
    let alice = app.fakes.account("alice", |account| {
        // The oldest, whatever the clock says.
        account.user_id = "01000000000000000000000000".parse().expect("an id");
        account.state = Standing::Suspended;
        account.email = "<b>alice</b>@example.com".to_owned();
    });
    for n in 0..55 {
        app.fakes.account(&format!("tenant-{n}"), |account| account.last_used_at = None);
    }
    app.fakes.account("bob", |account| account.role = Role::Admin);
    let first = browser.get("/admin/people").await;
    assert_eq!(first.body.matches("href=\"/admin/people/0").count(), 50);
    first.shows("Not signed in");
    first.hides("Newest");
    let next = first.body.split("href=\"/admin/people?before=").nth(1).expect("a next page");
    let before = next.split('"').next().expect("an id").to_owned();
    let second = browser.get(&format!("/admin/people?before={before}")).await;
    second.shows(&format!("href=\"/admin/people/{alice}\">alice</a>"));
    second.shows("&#60;b&#62;alice");
    second.hides("<b>alice");
    second.shows("Newest");
    second.hides("Older");

    let found = browser.get("/admin/people?text=+tenant+&state=active&role=user").await;
    found.shows("value=\" tenant \"");
    found.shows("<option value=\"active\" selected>Active</option>");
    found.shows("/admin/people?text=tenant&#38;state=active&#38;role=user&#38;before=");
    let asked = app.fakes.calls("/portal/admin/people").last().expect("a call").clone();
    assert_eq!((&asked["filter"]["text"], &asked["filter"]["role"]), (&"tenant".into(), &"user".into()));
    // What the query makes no sense of is left out.
    for query in
        ["?state=nonsense", "?before=x", "?done=%3Cscript%3E&name=x", "?done=delete", "?text=a&text=b"]
    {
        let page = browser.get(&format!("/admin/people{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        page.hides("<script>");
    }
}

#[tokio::test]
async fn a_persons_page_tells_all_of_the_account_and_offers_what_makes_sense() {
    let (app, mut browser) = administrator().await;
    let alice = app.fakes.person("alice", "session-secret-of-alice");
    let instance = app.fakes.instance(&alice, InstanceState::Ready).instance_id;
    let id = app.fakes.account("alice", |account| account.user_id = alice.user_id);
    let page = browser.get(&format!("/admin/people/{id}")).await;
    page.shows(&format!("href=\"/admin/instances/{instance}\">alice</a>"));
    page.shows("href=\"/admin/audit?who=alice\"");
    for action in ["sign-out", "promote", "suspend", "delete"] {
        page.shows(&format!("/admin/people/{id}/{action}\""));
    }
    for action in ["approve", "reject", "lift", "demote"] {
        page.hides(&format!("/admin/people/{id}/{action}\""));
    }
    let waits = app.fakes.account("bob", |account| account.state = Standing::PendingApproval);
    let page = browser.get(&format!("/admin/people/{waits}")).await;
    for (action, offered) in [("approve", true), ("reject", true), ("promote", false), ("sign-out", false)] {
        assert_eq!(page.body.contains(&format!("/admin/people/{waits}/{action}\"")), offered, "{action}");
    }
    // Nobody shuts out or removes themselves here.
    let own = app.fakes.world().sessions[SID].user.user_id;
    app.fakes.account("carol", |account| (account.user_id, account.role) = (own, Role::Admin));
    let page = browser.get(&format!("/admin/people/{own}")).await;
    page.shows("This is your own account.");
    for (action, offered) in [("demote", true), ("suspend", false), ("delete", false)] {
        assert_eq!(page.body.contains(&format!("/admin/people/{own}/{action}\"")), offered, "{action}");
    }
    // Without deploy-control accounts can be governed all the same.
    app.fakes.world().deploy_down = true;
    assert_eq!(browser.get(&format!("/admin/people/{id}")).await.status, StatusCode::OK);
    for path in [UserId::generate().to_string(), "x".to_owned()] {
        assert_eq!(browser.get(&format!("/admin/people/{path}")).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_is_done_with_an_account_is_done_and_said() {
    let (app, mut browser) = administrator().await;
    let id = app.fakes.account("alice", |account| account.state = Standing::PendingApproval);
    let path = page_of(&mut browser, id).await;
    for (action, fields, said) in [
        ("approve", vec![], "The account is approved."),
        ("suspend", vec![("reason", "sends <spam>")], "Suspended 45 min ago: sends &#60;spam&#62;"),
        ("lift", vec![], "The suspension is lifted."),
        ("promote", vec![("confirm", " alice ")], "an administrator&#39;s now"),
        ("demote", vec![], "no administrator&#39;s any more"),
        ("sign-out", vec![], "signed out everywhere."),
    ] {
        let page = browser.post(&format!("{path}/{action}"), &fields).await;
        assert_eq!(page.location(), format!("{path}?done={action}"), "{action}");
        browser.get(page.location()).await.shows(said);
        let asked = app.fakes.calls("/portal/admin/people/act").last().expect("a call").clone();
        assert_eq!((&asked["action"], &asked["client_addr"]), (&action.into(), &"127.0.0.1".into()));
        assert_eq!(browser.get(&format!("{path}/{action}")).await.location(), path);
    }
    assert_eq!(browser.post(&format!("{path}/nonsense"), &[]).await.status, StatusCode::NOT_FOUND);
    let waiting = app.fakes.account("bob", |account| account.state = Standing::PendingApproval);
    let page = browser.post(&format!("/admin/people/{waiting}/reject"), &[]).await;
    assert_eq!(page.location(), "/admin/people?done=reject&name=bob");
    browser.get(page.location()).await.shows("bob was turned away.");
    assert!(app.fakes.account_of(waiting).is_none());
}

#[tokio::test]
async fn a_deletion_and_a_new_administrator_need_the_name_and_a_suspension_a_reason() {
    let (app, mut browser) = administrator().await;
    let id = app.fakes.account("alice", |_| {});
    let path = page_of(&mut browser, id).await;
    for action in ["delete", "promote"] {
        for typed in ["", "bob", "ALICE"] {
            let page = browser.post(&format!("{path}/{action}"), &[("confirm", typed)]).await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{action} {typed}");
            page.shows(&format!("id=\"confirm-{action}-fault\">This is not the user name."));
        }
    }
    assert!(app.fakes.calls("/portal/admin/people/act").is_empty());
    let page = browser.post(&format!("{path}/suspend"), &[("reason", " ")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("id=\"reason-fault\">Enter a reason: one line of at most 200 characters.");
    let page = browser.post(&format!("{path}/delete"), &[("confirm", "alice")]).await;
    assert_eq!(page.location(), "/admin/people?done=delete&name=alice");
    browser.get(page.location()).await.shows("The account alice is gone.");
    assert!(app.fakes.account_of(id).is_none());
}

#[tokio::test]
async fn refusals_are_told_on_the_page() {
    let (app, mut browser) = administrator().await;
    let id = app.fakes.account("alice", |account| account.role = Role::Admin);
    let path = page_of(&mut browser, id).await;
    for (code, said) in [
        (codes::LAST_ADMIN, "One administrator must stay."),
        (codes::OWN_ACCOUNT, "Nobody does that to their own account here."),
    ] {
        app.fakes.world().refusals.insert("/portal/admin/people/act".to_owned(), problem(409, code, "x"));
        let page = browser.post(&format!("{path}/demote"), &[]).await;
        assert_eq!(page.status, StatusCode::CONFLICT);
        page.shows(said);
    }
    // The role was taken away a moment ago.
    let refusal = problem(403, codes::NOT_YOURS, "x");
    app.fakes.world().refusals.insert("/portal/admin/people/act".to_owned(), refusal);
    assert_eq!(browser.post(&format!("{path}/demote"), &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_is_suspended_reads_why_after_the_right_password() {
    let app = TestApp::start().await;
    let refusal = problem(403, codes::ACCOUNT_SUSPENDED, "sends <spam>");
    app.fakes.world().refusals.insert("/portal/login".to_owned(), refusal);
    let mut browser = app.browser();
    browser.get("/login").await;
    let page = browser.post("/login", &[("login", "alice"), ("password", "x")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("This account is suspended: sends &#60;spam&#62;");
}

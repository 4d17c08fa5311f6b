//! The administration: for administrators alone, at every address and with every method, and what its forms do.

use control_api::authz::Role;
use control_api::codes;
use control_api::deploy::{CheckView, EventView, InstanceState, OperationState};
use control_api::ids::{InstanceId, OperationId, UserId};
use control_api::people::PersonAction;
use http::{Method, StatusCode};

use crate::app::{Browser, ORIGIN, TestApp};
use crate::fakes::{at, problem};

const SID: &str = "session-secret-of-alice";
const BOB: &str = "session-secret-of-bob-1";

/// alice is an administrator, bob has an instance.
async fn installation(state: InstanceState) -> (TestApp, Browser, InstanceId) {
    let app = TestApp::start().await;
    app.fakes.admin("alice", SID);
    let bob = app.fakes.person("bob", BOB);
    let id = app.fakes.instance(&bob, state).instance_id;
    let mut browser = app.browser_with(SID);
    browser.get("/admin").await;
    (app, browser, id)
}

fn event(seq: i64, what: &str, cause: &str) -> EventView {
    EventView {
        seq,
        at: at("2026-11-21T11:00:00Z"),
        what: what.to_owned(),
        cause: cause.to_owned(),
        evidence: Some("exit code 1".to_owned()),
        actor: "reconciler".to_owned(),
    }
}

fn addresses(id: InstanceId) -> Vec<String> {
    let mut all = vec![
        "/admin".to_owned(),
        "/admin/audit".to_owned(),
        "/admin/audit/export".to_owned(),
        "/admin/audit/forwarding".to_owned(),
        "/admin/audit/forwarding/test".to_owned(),
        "/admin/settings".to_owned(),
        "/admin/settings/instances".to_owned(),
        "/admin/rollouts".to_owned(),
        format!("/admin/rollouts/{}", OperationId::generate()),
        format!("/admin/rollouts/{}/cancel", OperationId::generate()),
        "/admin/people".to_owned(),
        "/admin/invites".to_owned(),
        "/admin/invites/withdraw".to_owned(),
        format!("/admin/people/{}", UserId::generate()),
        "/admin/isolation".to_owned(),
        format!("/admin/operations/{}/cancel", OperationId::generate()),
        format!("/admin/instances/{id}"),
    ];
    for action in ["start", "stop", "restart", "sleep", "upgrade", "rollback", "delete", "purge", "nonsense"]
    {
        all.push(format!("/admin/instances/{id}/{action}"));
    }
    for action in PersonAction::ALL {
        all.push(format!("/admin/people/{}/{}", UserId::generate(), action.as_str()));
    }
    all
}

#[tokio::test]
async fn to_others_there_is_nothing_whatever_the_method() {
    let (app, _, id) = installation(InstanceState::Ready).await;
    let mut bob = app.browser_with(BOB);
    // A token that holds changes nothing about it.
    bob.get("/account").await.hides("/admin");
    let token = bob.csrf.clone();
    let unknown = bob.get("/no-such-page").await;
    app.fakes.world().calls.clear();
    for path in addresses(id) {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            let request = bob.request(method.clone(), &path).header("origin", ORIGIN);
            let page = bob.send(request.form(&[("csrf", token.as_str()), ("confirm", "bob")])).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{method} {path}");
            let stripped = |body: &str| body.split("Request id").next().unwrap_or_default().to_owned();
            assert_eq!(stripped(&page.body), stripped(&unknown.body), "{method} {path}");
        }
    }
    let calls = app.fakes.world().calls.clone();
    assert!(calls.iter().all(|(path, _)| !path.contains(&id.to_string())), "{calls:?}");
}

#[tokio::test]
async fn who_is_not_signed_in_signs_in_and_comes_back() {
    let (app, _, id) = installation(InstanceState::Ready).await;
    let mut visitor = app.browser();
    assert_eq!(visitor.get("/admin?state=ready").await.location(), "/login?next=%2Fadmin%3Fstate%3Dready");
    let stop = format!("/admin/instances/{id}/stop");
    assert_eq!(visitor.post(&stop, &[]).await.location(), "/login?next=%2Fadmin");
    assert!(app.fakes.calls(&format!("/api/instances/{id}/stop")).is_empty());
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_gone_at_the_next_request() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
    browser.get("/account").await.shows("href=\"/admin\"");
    app.fakes.role(SID, Role::User);
    let stop = format!("/admin/instances/{id}/stop");
    assert_eq!(browser.post(&stop, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/admin").await.status, StatusCode::NOT_FOUND);
    browser.get("/account").await.hides("href=\"/admin\"");
    assert!(app.fakes.calls(&format!("/api/instances/{id}/stop")).is_empty());
}

#[tokio::test]
async fn every_form_needs_its_origin_and_its_token() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    let token = browser.csrf.clone();
    let mut bob = app.browser_with(BOB);
    bob.get("/account").await;
    let others = bob.csrf.clone();
    app.fakes.world().calls.clear();
    let refused: [(Option<(&str, &str)>, &str); 5] = [
        (None, &token),
        (Some(("origin", "http://bob.portal.test")), &token),
        (Some(("sec-fetch-site", "same-site")), &token),
        (Some(("origin", ORIGIN)), ""),
        (Some(("origin", ORIGIN)), &others),
    ];
    for path in addresses(id).into_iter().filter(|path| path.matches('/').count() != 1) {
        // These have no form that changes anything.
        let has_form = path == "/admin/audit/forwarding/test";
        let is_one = path.starts_with("/admin/rollouts/") && !path.ends_with("/cancel");
        let is_person = path.starts_with("/admin/people") && path.matches('/').count() < 4;
        if is_person
            || is_one
            || path == format!("/admin/instances/{id}")
            || (path.starts_with("/admin/audit") && !has_form)
        {
            continue;
        }
        for (header, token) in refused {
            let mut request =
                browser.request(Method::POST, &path).form(&[("csrf", token), ("confirm", "bob")]);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            let page = browser.send(request).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {header:?}");
            page.shows("nothing was changed");
        }
    }
    let calls = app.fakes.world().calls.clone();
    assert!(calls.iter().all(|(path, _)| !path.contains("/api/instances/") && !path.contains("DELETE")));
}

#[tokio::test]
async fn the_overview_tells_counts_checks_work_and_instances() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    let carol = app.fakes.person("carol", "session-secret-of-carol");
    let failed = app.fakes.instance(&carol, InstanceState::Failed).instance_id;
    let operation = app.fakes.operation(id, "ready", "Starting the app", 60).operation_id;
    app.fakes.change(operation, |view| {
        view.state = OperationState::Queued;
        view.queue_position = Some(7);
    });
    {
        let mut world = app.fakes.world();
        world.instances.get_mut(&failed).expect("there").reason = Some("<b>exit</b> code 1".to_owned());
        let reason = Some("an instance can reach <the host>".to_owned());
        world.health.checks.insert("isolation".into(), CheckView { state: "failing".into(), reason });
    }
    let page = browser.get("/admin").await;
    page.shows("<strong>2</strong> All");
    page.shows("href=\"/admin?state=failed\"><strong>1</strong> Did not start");
    page.shows("an instance can reach &#60;the host&#62;");
    page.shows("Does not hold");
    page.shows("Starting the app, 60 %");
    page.shows("<td data-label=\"Place in the queue\">7</td>");
    page.shows("12:05:00 UTC");
    page.shows("&#60;b&#62;exit&#60;/b&#62; code 1");
    page.hides("<b>exit");
    page.shows(&format!("href=\"/admin/instances/{id}\">bob</a>"));
    page.shows(&format!("action=\"/admin/operations/{operation}/cancel\""));
    let only = browser.get("/admin?state=failed").await;
    only.shows(&format!("/admin/instances/{failed}"));
    only.shows("<option value=\"failed\" selected>");
    // What the query makes no sense of is left out.
    for query in ["?state=nonsense", "?after=x", "?done=%3Cscript%3E", "?done=delete", "?state=a&state=b"] {
        let page = browser.get(&format!("/admin{query}")).await;
        assert_eq!(page.status, StatusCode::OK, "{query}");
        page.hides("<script>");
    }
}

#[tokio::test]
async fn the_list_is_paged() {
    let (app, mut browser, _) = installation(InstanceState::Ready).await;
    for n in 0..54 {
        let name = format!("tenant-{n}");
        let person = app.fakes.person(&name, &format!("session-secret-of-{name}"));
        app.fakes.instance(&person, InstanceState::Asleep);
    }
    let count = |body: &str| body.matches("href=\"/admin/instances/").count();
    let first = browser.get("/admin").await;
    assert_eq!(count(&first.body), 50);
    first.hides("First page");
    let next = first.body.split("href=\"/admin?state=&#38;after=").nth(1).expect("a next page");
    let after = next.split('"').next().expect("an id").to_owned();
    let second = browser.get(&format!("/admin?state=&after={after}")).await;
    assert_eq!(count(&second.body), 5);
    second.shows("First page");
    second.hides("Next page");
    // The filter stays.
    let asleep = browser.get("/admin?state=asleep").await;
    asleep.shows("href=\"/admin?state=asleep&#38;after=");
}

#[tokio::test]
async fn the_page_of_an_instance_tells_all_of_it() {
    let (app, mut browser, id) = installation(InstanceState::Failed).await;
    {
        let mut world = app.fakes.world();
        world.events = vec![event(9, "start failed", "<script>alert(1)</script>")];
        world.log = "one\n<img src=x onerror=alert(2)>\u{1b}[31m\u{202e}end\n".to_owned();
        let instance = world.instances.get_mut(&id).expect("there");
        instance.reason = Some("<i>why</i>".to_owned());
        instance.image = Some("sha256:0123".to_owned());
    }
    let page = browser.get(&format!("/admin/instances/{id}")).await;
    assert_eq!(page.status, StatusCode::OK);
    page.shows("&#60;i&#62;why&#60;/i&#62;");
    page.shows("sha256:0123");
    page.shows("Start failed");
    page.shows("&#60;script&#62;alert(1)");
    page.hides("<script>alert");
    page.shows("exit code 1");
    page.shows("Beaver");
    page.shows("64 MiB of 256 MiB");
    page.shows("700 MiB of 1 GiB");
    page.shows("&#60;img src=x onerror=alert(2)&#62;\u{fffd}[31m\u{fffd}end");
    page.hides("<img src=x");
    page.shows("Type bob to confirm");
    let unknown = browser.get(&format!("/admin/instances/{}", InstanceId::generate())).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/admin/instances/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_ledger_is_paged_backwards() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    app.fakes.world().events =
        (1..=45).rev().map(|seq| event(seq, "woken", &format!("visit {seq}."))).collect();
    let path = format!("/admin/instances/{id}");
    let mut next = path.clone();
    for (first, last, more) in [(45, 26, true), (25, 6, true), (5, 1, false)] {
        let page = browser.get(&next).await;
        page.shows(&format!("Visit {first}."));
        page.shows(&format!("Visit {last}."));
        page.hides(&format!("Visit {}.", first + 1));
        page.hides(&format!("Visit {}.", last - 1));
        next = format!("{path}?before={last}");
        assert_eq!(page.body.contains(&format!("href=\"{next}\"")), more);
        assert_eq!(page.body.contains("The newest entries</a>"), first != 45);
    }
}

#[tokio::test]
async fn each_action_is_done_and_its_outcome_told() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    let path = format!("/admin/instances/{id}");
    for action in ["start", "stop", "restart", "sleep", "upgrade", "rollback"] {
        let page = browser.post(&format!("{path}/{action}"), &[]).await;
        assert_eq!(page.location(), format!("{path}?done={action}"));
        let calls = app.fakes.calls(&format!("/api/instances/{id}/{action}"));
        assert_eq!(calls, [serde_json::Value::Null], "the operator is behind it");
    }
    browser.get(&format!("{path}?done=upgrade")).await.shows("Asked for: Upgrade to the newest image.");
    assert_eq!(browser.post(&format!("{path}/explode"), &[]).await.status, StatusCode::NOT_FOUND);
    let other = format!("/admin/instances/{}/stop", InstanceId::generate());
    assert_eq!(browser.post(&other, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refused_action_says_why_on_the_page() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    let path = format!("/api/instances/{id}/upgrade");
    for (refusal, status, text) in [
        (problem(409, codes::OPERATION_IN_PROGRESS, "x"), 409, "busy with something else"),
        (problem(503, codes::IMAGE_MISSING, "There is no <image>."), 503, "There is no &#60;image&#62;."),
    ] {
        app.fakes.world().refusals.insert(path.clone(), refusal);
        let page = browser.post(&format!("/admin/instances/{id}/upgrade"), &[]).await;
        assert_eq!(page.status.as_u16(), status);
        page.shows(text);
        page.shows("Type bob to confirm");
    }
}

#[tokio::test]
async fn a_removal_needs_the_name_and_purge_is_apart() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    let path = format!("/admin/instances/{id}");
    for action in ["delete", "purge"] {
        for typed in ["", "carol", "BOB"] {
            let page = browser.post(&format!("{path}/{action}"), &[("confirm", typed)]).await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
            page.shows("Nothing was removed");
            page.shows(&format!("id=\"confirm-{action}-fault\""));
        }
    }
    let removed = format!("DELETE {id}");
    assert!(app.fakes.calls(&removed).is_empty());
    for (action, query) in [("delete", "purge=false"), ("purge", "purge=true")] {
        let page = browser.post(&format!("{path}/{action}"), &[("confirm", "bob")]).await;
        assert_eq!(page.location(), "/admin?done=delete&name=bob");
        assert_eq!(app.fakes.calls(&removed).last().and_then(|q| q.as_str()), Some(query));
    }
    browser.get("/admin?done=delete&name=%3Cb%3E").await.shows("&#60;b&#62; is being removed.");
}

#[tokio::test]
async fn work_under_way_is_shown_and_can_be_cancelled() {
    let (app, mut browser, id) = installation(InstanceState::Starting).await;
    let operation = app.fakes.operation(id, "container", "Making the container", 25).operation_id;
    let path = format!("/admin/instances/{id}");
    let page = browser.get(&path).await;
    page.shows("Making the container");
    page.shows(&format!("data-poll=\"{path}\""));
    page.shows("12:05:00 UTC");
    let page = browser.post(&format!("/admin/operations/{operation}/cancel"), &[]).await;
    assert_eq!(page.location(), format!("{path}?done=cancel"));
    browser.get(&format!("{path}?done=cancel")).await.shows("is being called off");
    let refusal = problem(409, codes::INVALID_INPUT, "a delete cannot be called off");
    app.fakes.world().refusals.insert(format!("/api/operations/{operation}"), refusal);
    let page = browser.post(&format!("/admin/operations/{operation}/cancel"), &[]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    page.shows("a delete cannot be called off");
}

#[tokio::test]
async fn the_isolation_is_proven_again() {
    let (app, mut browser, _) = installation(InstanceState::Ready).await;
    assert_eq!(browser.post("/admin/isolation", &[]).await.location(), "/admin?done=proven");
    browser.get("/admin?done=proven").await.shows("proven just now");
    app.fakes.world().proven = false;
    assert_eq!(browser.post("/admin/isolation", &[]).await.location(), "/admin?done=unproven");
    assert_eq!(app.fakes.calls("/api/isolation/probe").len(), 2);
}

#[tokio::test]
async fn while_deploy_control_is_away_the_pages_say_so() {
    let (app, mut browser, id) = installation(InstanceState::Ready).await;
    app.fakes.world().deploy_down = true;
    for path in ["/admin".to_owned(), format!("/admin/instances/{id}")] {
        let page = browser.get(&path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        page.shows("deploy-control");
    }
    app.fakes.world().deploy_down = false;
    for part in ["stats", "events", "logs"] {
        let refusal = problem(503, codes::DOCKER_UNREACHABLE, "Docker cannot be reached");
        app.fakes.world().refusals.insert(format!("/api/instances/{id}/{part}"), refusal);
    }
    let page = browser.get(&format!("/admin/instances/{id}")).await;
    assert_eq!(page.status, StatusCode::OK, "the rest of the page is still of use");
    page.shows("The log cannot be read just now.");
    page.shows("The use cannot be measured just now.");
    page.shows("The record cannot be shown just now.");
}

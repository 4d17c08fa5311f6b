//! The hand-off: only the owner, only to where the registry says, and only when the instance serves.

use control_api::codes;
use control_api::deploy::InstanceState;
use http::StatusCode;

use crate::app::TestApp;
use crate::fakes::problem;

const SID: &str = "session-secret-of-alice";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn path(slug: &str) -> String {
    format!("/app/authorize?slug={slug}&state=abcdefghijklmnop&code_challenge={CHALLENGE}")
}

#[tokio::test]
async fn the_owner_is_handed_over_at_the_address_of_the_registry() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let instance = app.fakes.instance(&user, InstanceState::Ready);
    let page = app.browser_with(SID).get(&path("alice")).await;
    assert_eq!(
        page.location(),
        "http://alice.localhost:8088/.beaver/callback?code=the-one-time-code&state=abcdefghijklmnop"
    );
    let call = &app.fakes.calls("/portal/handoff")[0];
    assert_eq!(call["instance_id"], instance.instance_id.to_string());
    assert_eq!(call["code_challenge"], CHALLENGE);
    assert_eq!(call["slug"], "alice");
    assert_eq!(call["session"], SID);
    // Nothing of the request says where to.
    let hostile = format!("{}&redirect_uri=https://evil.example&host=evil.example", path("alice"));
    let mut browser = app.browser_with(SID);
    let request = browser.request(http::Method::GET, &hostile).header("x-forwarded-host", "evil.example");
    browser.send(request).await.hides("evil");
}

#[tokio::test]
async fn a_visitor_signs_in_first_and_comes_back() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let mut browser = app.browser();
    let login = browser.get(&path("alice")).await.location().to_owned();
    assert!(login.starts_with("/login?next=%2Fapp%2Fauthorize%3Fslug%3Dalice%26state%3D"), "{login}");
    browser.get(&login).await;
    let next = path("alice");
    let fields = [("login", "alice"), ("password", "password of alice"), ("next", next.as_str())];
    let back = browser.post("/login", &fields).await.location().to_owned();
    assert_eq!(back, path("alice"));
    assert!(browser.get(&back).await.location().starts_with("http://alice.localhost:8088/.beaver/callback?"));
}

#[tokio::test]
async fn others_are_refused_and_shown_the_way_to_their_own() {
    let app = TestApp::start().await;
    let alice = app.fakes.person("alice", SID);
    app.fakes.instance(&alice, InstanceState::Ready);
    app.fakes.person("bob", "session-secret-of-bob-1");
    let page = app.browser_with("session-secret-of-bob-1").get(&path("alice")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.shows("does not belong to your account, bob");
    page.shows("href=\"/account\"");
    assert!(app.fakes.calls("/portal/handoff").is_empty());
    // authz-service has a say of its own.
    let refusal = problem(403, codes::NOT_YOURS, "no");
    app.fakes.world().refusals.insert("/portal/handoff".to_owned(), refusal);
    assert_eq!(app.browser_with(SID).get(&path("alice")).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn unknown_names_and_broken_links_have_their_pages() {
    let app = TestApp::start().await;
    app.fakes.person("alice", SID);
    let mut browser = app.browser_with(SID);
    for slug in ["nobody", "%3Cscript%3E", "..%2F..", ""] {
        let page = browser.get(&path(slug)).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{slug}");
        page.shows("There is no instance by that name");
        page.hides("<script>");
    }
    let good = "abcdefghijklmnop";
    for query in [
        String::new(),
        "?slug=alice".to_owned(),
        format!("?slug=alice&state=short&code_challenge={CHALLENGE}"),
        format!("?slug=alice&state={good}%0d%0a&code_challenge={CHALLENGE}"),
        format!("?slug=alice&state={good}&code_challenge=short"),
        format!("?slug=alice&state={good}&code_challenge={CHALLENGE}A"),
    ] {
        let page = browser.get(&format!("/app/authorize{query}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{query}");
        page.shows("This link is broken");
    }
}

#[tokio::test]
async fn an_instance_that_wakes_is_waited_for_and_a_stopped_one_is_not() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    let id = app.fakes.instance(&user, InstanceState::Asleep).instance_id;
    let mut browser = app.browser_with(SID);
    for state in [InstanceState::Asleep, InstanceState::Starting, InstanceState::Pending] {
        app.fakes.world().instances.get_mut(&id).expect("there").state = state;
        let page = browser.get(&path("alice")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.header("refresh"), Some("2"));
        page.shows("alice is waking up");
    }
    app.fakes.operation(id, "ready", "Starting the app", 70);
    browser.get(&path("alice")).await.shows("70 % done");
    assert!(app.fakes.calls("/api/instances/resolve")[0].get("wake").is_none(), "it is woken");
    for state in [InstanceState::Stopped, InstanceState::Failed, InstanceState::Deleting] {
        let mut instance = app.fakes.world().instances[&id].clone();
        instance.state = state;
        instance.reason = Some("the <reason>".to_owned());
        app.fakes.world().instances.insert(id, instance);
        let page = browser.get(&path("alice")).await;
        assert_eq!(page.header("refresh"), None, "{state:?}");
        page.shows("the &#60;reason&#62;");
        page.shows("href=\"/account\"");
    }
    app.fakes.world().instances.get_mut(&id).expect("there").state = InstanceState::Ready;
    assert!(browser.get(&path("alice")).await.location().contains("/.beaver/callback?"));
}

#[tokio::test]
async fn a_session_that_ends_on_the_way_leads_to_sign_in_and_back() {
    let app = TestApp::start().await;
    let user = app.fakes.person("alice", SID);
    app.fakes.instance(&user, InstanceState::Ready);
    let ended = problem(401, codes::SESSION_ENDED, "ended");
    app.fakes.world().refusals.insert("/portal/handoff".to_owned(), ended);
    let page = app.browser_with(SID).get(&path("alice")).await;
    assert!(page.location().starts_with("/login?next=%2Fapp%2Fauthorize"), "{}", page.location());
}

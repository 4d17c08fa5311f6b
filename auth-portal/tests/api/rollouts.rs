//! The pages of rollouts, and the machine on the overview.

use control_api::codes;
use control_api::deploy::InstanceState;
use control_api::host::HostView;
use control_api::ids::{InstanceId, RolloutId};
use control_api::rollout::{MemberState, RolloutState};
use http::StatusCode;
use service_kit::problem::Problem;

use crate::app::{Browser, TestApp};

const SID: &str = "session-secret-of-alice";

async fn administrator() -> (TestApp, Browser, InstanceId) {
    let app = TestApp::start().await;
    app.fakes.admin("alice", SID);
    let bob = app.fakes.person("bob", "session-secret-of-bob-1");
    let id = app.fakes.instance(&bob, InstanceState::Ready).instance_id;
    let browser = app.browser_with(SID);
    (app, browser, id)
}

#[tokio::test]
async fn a_rollout_is_begun_watched_and_called_off() {
    let (app, mut browser, id) = administrator().await;
    browser.get("/admin").await.shows("href=\"/admin/rollouts\"");
    browser.get("/admin/rollouts").await.shows("There was none yet.");
    let begun = browser.post("/admin/rollouts", &[("image", " "), ("failures", "2")]).await;
    let address = begun.location().to_owned();
    assert!(address.starts_with("/admin/rollouts/") && address.ends_with("?done=begun"), "{address}");
    let call = app.fakes.calls("/api/rollouts").pop().expect("a call");
    assert_eq!((call["failure_limit"].as_u64(), call.get("image")), (Some(2), None));

    app.fakes.member(id, MemberState::Failed, "it did not <come> up");
    let page = browser.get(&address).await;
    page.shows("The rollout has begun.");
    page.shows("<h1>Rollout of 2026-11-21 11:55 UTC</h1>");
    page.shows("sha256:newest");
    page.shows("it did not &#60;come&#62; up");
    page.shows(&format!("href=\"/admin/instances/{id}\">bob</a>"));
    let one = address.split('?').next().expect("a path").to_owned();
    page.shows(&format!("data-poll=\"{one}\""));

    let again = browser.post("/admin/rollouts", &[("failures", "0")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    again.shows("role=\"alert\"");

    let cancel = format!("{one}/cancel");
    assert_eq!(browser.get(&cancel).await.location(), one, "a form's address is no page");
    browser.get(&one).await;
    assert_eq!(browser.post(&cancel, &[]).await.location(), format!("{one}?done=cancelled"));
    browser.get(&one).await.shows("Being called off");
    app.fakes.world().machine.rollouts[0].state = RolloutState::Cancelled;
    let page = browser.get(&one).await;
    page.shows("Called off");
    page.hides("/cancel");
    page.shows("data-poll=\"\"");
    browser.get("/admin/rollouts").await.shows(&format!("href=\"{one}\""));
}

#[tokio::test]
async fn faults_stand_at_their_fields_and_what_is_not_there_is_no_page() {
    let (app, mut browser, _) = administrator().await;
    browser.get("/admin/rollouts").await;
    for bad in ["many", "-1", "100001"] {
        let page = browser.post("/admin/rollouts", &[("image", "mine"), ("failures", bad)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.shows("id=\"failures-fault\">This must be a number from 0 to 100000.");
        page.shows("value=\"mine\"");
    }
    let refusal = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad")
        .field("image", "is not an image of BEAVER_INSTANCE_IMAGE");
    app.fakes.world().refusals.insert("/api/rollouts".to_owned(), refusal);
    // The list cannot be had either: the neighbour's word stands.
    assert!(browser.post("/admin/rollouts", &[("image", "mine")]).await.status.is_server_error());
    app.fakes.world().refusals.clear();
    for path in [format!("/admin/rollouts/{}", RolloutId::generate()), "/admin/rollouts/nonsense".to_owned()]
    {
        assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn the_overview_tells_how_the_machine_is() {
    let (app, mut browser, _) = administrator().await;
    let page = browser.get("/admin").await;
    page.shows("1.50 over 1 minute, 0.75 over 5, 0.50 over 15, on 4 processors");
    page.shows("4 GiB of 16 GiB");
    page.shows("150 GiB of 200 GiB");
    page.shows("3 operations wait for their turn.");
    app.fakes.world().machine.host = HostView::default();
    browser.get("/admin").await.shows("The machine does not tell how it is.");
}

//! Pulling an image: progress, failure, cancel, deadline, restart, and Docker away.

use control_api::deploy::{OperationKind, OperationState, OperationView, PullRequest};
use control_api::ids::OperationId;
use deploy_control::engine::EngineError;
use serde_json::{Value, json};

use crate::fake_engine::PullStep;
use crate::harness::{DEPLOY_TOKEN, Running, World, problem, until};

async fn order(app: &Running, image: Option<&str>) -> OperationId {
    let body = PullRequest { image: image.map(str::to_owned) };
    app.api.pull_image(&body).await.expect("accepted").operation_id
}

async fn cancel(app: &Running, id: OperationId) -> OperationView {
    let url = format!("{}/api/operations/{id}", app.base);
    let answer = app.http.delete(url).bearer_auth(DEPLOY_TOKEN).send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    answer.json().await.expect("an operation")
}

async fn until_percent(app: &Running, id: OperationId, percent: u8) {
    until("it is that far", async || {
        app.api.operation(id).await.is_ok_and(|operation| operation.percent == percent)
    })
    .await;
}

fn pulls(world: &World) -> Vec<String> {
    world.engine.calls().into_iter().filter(|call| call.starts_with("pull ")).collect()
}

#[tokio::test]
async fn a_pull_shows_its_progress_and_one_image_has_one_at_a_time() {
    let world = World::new().await;
    world.engine.set_pull(&[
        PullStep::Layer("a", 0),
        PullStep::Layer("b", 30),
        PullStep::Layer("a", 50),
        PullStep::Hangs,
    ]);
    let app = world.start().await;
    // The default is the image of new instances.
    let id = order(&app, None).await;
    until_percent(&app, id, 40).await;
    let shown: Value = app.get(&format!("/api/operations/{id}")).await.json().await.expect("JSON");
    assert_eq!((&shown["kind"], &shown["state"]), (&json!("pull"), &json!("running")));
    assert_eq!(shown["step_title"], "Fetching the image");
    assert!(shown.get("instance_id").is_none() && shown["started_at"].is_string(), "{shown}");
    // Other spellings of it too.
    assert_eq!(order(&app, Some("app:latest")).await, id);
    assert_eq!(order(&app, Some("app")).await, id);
    let other = order(&app, Some("registry.example.com:5000/beaver/other:2")).await;
    assert_ne!(other, id);
    until("both are asked for", async || pulls(&world).len() == 2).await;
    assert_eq!(pulls(&world), ["pull app:latest", "pull registry.example.com:5000/beaver/other:2"]);
    world.engine.set_pull(&[]);
    cancel(&app, id).await;
    assert_eq!(app.until_final(id).await.state, OperationState::Cancelled);
    // It has ended: the same image again is another operation.
    let again = order(&app, None).await;
    assert_ne!(again, id);
    let done = app.until_final(again).await;
    assert_eq!((done.state, done.percent, done.kind), (OperationState::Succeeded, 100, OperationKind::Pull));
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_error_in_the_stream_ends_it_as_failed_with_the_registrys_words() {
    let world = World::new().await;
    let words = "error pulling image configuration: toomanyrequests";
    world.engine.set_pull(&[
        PullStep::Layer("a", 50),
        PullStep::Fails(EngineError::Other(words.to_owned())),
        PullStep::Layer("a", 100),
    ]);
    let app = world.start().await;
    let id = order(&app, Some("app")).await;
    let answer = app.api.follow_operation(id).await.expect("a stream").text().await.expect("text");
    let last = answer.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().expect("an event");
    let last: OperationView = serde_json::from_str(last).expect("an operation");
    assert_eq!((last.state, last.percent), (OperationState::Failed, 50));
    assert_eq!(last.error.as_deref(), Some(words));
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_cancel_ends_it_and_an_ended_one_stays() {
    let world = World::new().await;
    world.engine.set_pull(&[PullStep::Layer("a", 10), PullStep::Hangs]);
    let app = world.start().await;
    let id = order(&app, None).await;
    until_percent(&app, id, 10).await;
    cancel(&app, id).await;
    let ended = app.until_final(id).await;
    assert_eq!(
        (ended.state, ended.error.as_deref()),
        (OperationState::Cancelled, Some("cancelled on request"))
    );
    assert_eq!(cancel(&app, id).await.finished_at, ended.finished_at);
    assert!(app.stop().await);
}

#[tokio::test]
async fn it_fails_at_its_deadline() {
    let mut world = World::new().await;
    world.timings.pull = std::time::Duration::from_millis(200);
    world.engine.set_pull(&[PullStep::Hangs]);
    let app = world.start().await;
    let ended = app.until_final(order(&app, None).await).await;
    assert_eq!(ended.state, OperationState::Failed);
    assert!(ended.error.is_some_and(|error| error.contains("ran out")));
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_restart_starts_it_anew_and_forgets_no_cancel() {
    let world = World::new().await;
    world.engine.set_pull(&[PullStep::Layer("a", 70), PullStep::Hangs]);
    let app = world.start().await;
    let id = order(&app, None).await;
    until_percent(&app, id, 70).await;
    app.kill().await;
    world.engine.set_pull(&[PullStep::Layer("a", 5), PullStep::Hangs]);
    let app = world.start().await;
    until_percent(&app, id, 5).await;
    assert_eq!(order(&app, None).await, id);
    assert!(app.stop().await);
    world.engine.set_pull(&[PullStep::Layer("a", 100)]);
    let app = world.start().await;
    let done = app.until_final(id).await;
    assert_eq!((done.state, done.percent), (OperationState::Succeeded, 100));
    assert_eq!(pulls(&world).len(), 3);
    assert!(app.stop().await);
}

#[tokio::test]
async fn without_docker_it_waits_with_the_reason_and_goes_on() {
    let world = World::new().await;
    let app = world.start().await;
    world.engine.set_down(true);
    let id = order(&app, None).await;
    until("it says what it waits for", async || {
        let operation = app.api.operation(id).await.expect("an operation");
        !operation.state.is_final() && operation.error.is_some_and(|e| e.contains("cannot be reached"))
    })
    .await;
    world.engine.set_down(false);
    assert_eq!(app.until_final(id).await.state, OperationState::Succeeded);
    assert!(app.stop().await);
}

#[tokio::test]
async fn what_is_no_name_is_refused_and_a_missing_image_names_the_script() {
    let world = World::new().await;
    let app = world.start().await;
    for bad in ["", "../x", "a b", "sha256:00", "app:1&repo=x"] {
        let answer = app.post("/api/images/pull", &json!({ "image": bad })).await;
        let problem = problem(answer, 422).await;
        assert!(problem["errors"]["image"].as_str().is_some_and(|text| text.contains("name")), "{problem}");
    }
    assert!(pulls(&world).is_empty());
    world.engine.remove_image("app");
    let order = crate::harness::order(control_api::ids::UserId::generate(), "alice");
    let refused = problem(app.post("/api/instances/register", &order).await, 503).await;
    assert_eq!(refused["type"], "urn:beaver:image-missing");
    assert!(
        refused["detail"].as_str().is_some_and(|text| text.contains("scripts/pull-image.sh")),
        "{refused}"
    );
    assert!(app.stop().await);
}

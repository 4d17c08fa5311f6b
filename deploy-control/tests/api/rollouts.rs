//! Rollouts: rings, the failure that stops them, resting instances, and going on after a kill.

use MemberState::{Failed, Waiting};
use control_api::deploy::{InstanceState, OperationKind, OperationState};
use control_api::ids::{InstanceId, RolloutId, UserId};
use control_api::rollout::{MemberState, RolloutRequest, RolloutState, RolloutView};
use serde_json::json;
use service_kit::sse::Parser;

use crate::fake_app::Behaviour;
use crate::harness::{DEPLOY_TOKEN, Running, World, problem, until};

const NAMES: [&str; 12] =
    ["alice", "bob", "carol", "ali", "bobby", "carola", "alix", "bobo", "caro", "alicia", "bobbie", "carole"];

/// So many instances, in the order of their turns.
async fn people(app: &Running, count: usize) -> Vec<InstanceId> {
    let mut ids = Vec::new();
    for name in &NAMES[..count] {
        ids.push(app.register_as(UserId::generate(), name).await.instance_id);
    }
    ids.sort_unstable();
    ids
}

/// From now on the name means another image; the one before stays on the machine.
fn newer(world: &World, behaviour: Behaviour) {
    world.engine.image("old", "sha256:one", Behaviour::Good);
    world.engine.image("app", "sha256:two", behaviour);
}

async fn begin(app: &Running, failure_limit: u32) -> RolloutId {
    let body = RolloutRequest { image: None, failure_limit: Some(failure_limit) };
    app.api.roll_out(&body).await.expect("accepted").rollout_id
}

async fn until_over(app: &Running, id: RolloutId) -> RolloutView {
    until("the rollout ends", async || {
        app.api.rollout(id).await.is_ok_and(|rollout| rollout.state.is_final())
    })
    .await;
    app.api.rollout(id).await.expect("a rollout")
}

async fn images(app: &Running, ids: &[InstanceId]) -> Vec<String> {
    let mut images = Vec::new();
    for id in ids {
        images.push(app.view(*id).await.image.expect("an image"));
    }
    images
}

fn states(rollout: &RolloutView) -> Vec<MemberState> {
    rollout.members.as_ref().expect("members").iter().map(|member| member.state).collect()
}

#[tokio::test]
async fn all_are_upgraded_ring_by_ring() {
    let world = World::new().await;
    let app = world.start().await;
    let ids = people(&app, 12).await;
    newer(&world, Behaviour::Good);
    let rollout = until_over(&app, begin(&app, 0).await).await;
    assert_eq!(
        (rollout.state, rollout.total, rollout.done),
        (RolloutState::Succeeded, 12, 12),
        "{rollout:?}"
    );
    assert!(images(&app, &ids).await.iter().all(|image| image == "sha256:two"));
    let members = rollout.members.expect("members");
    let rings: Vec<u32> = members.iter().map(|member| member.ring).collect();
    assert_eq!(rings, [0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
    // No upgrade of a ring was asked for before every one of the ring before had ended.
    let mut times = Vec::new();
    for member in &members {
        let operation = app.api.operation(member.operation_id.expect("one")).await.expect("an operation");
        assert_eq!(operation.kind, OperationKind::Upgrade);
        times.push((member.ring, operation.created_at, operation.finished_at.expect("it has ended")));
    }
    for (ring, asked, _) in &times {
        assert!(times.iter().all(|(other, _, ended)| other >= ring || ended <= asked), "{times:?}");
    }
    // Nothing is left to do for the next.
    let next = until_over(&app, begin(&app, 0).await).await;
    assert_eq!((next.state, next.total), (RolloutState::Succeeded, 0));
    let list = app.api.rollouts().await.expect("a list").rollouts;
    assert_eq!(list.iter().map(|rollout| rollout.total).collect::<Vec<_>>(), [0, 12]);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_failure_over_the_limit_stops_it_and_the_rest_keep_the_old_image() {
    let world = World::new().await;
    let app = world.start().await;
    let ids = people(&app, 4).await;
    newer(&world, Behaviour::Exits);
    let rollout = until_over(&app, begin(&app, 0).await).await;
    assert_eq!(rollout.state, RolloutState::Failed);
    assert!(rollout.reason.as_ref().expect("a reason").contains("1 of 4 failed"), "{rollout:?}");
    assert_eq!(states(&rollout), [Failed, Waiting, Waiting, Waiting]);
    let reason = rollout.members.expect("members").remove(0).reason;
    assert!(reason.expect("a reason").contains("exit code 7"));
    assert!(images(&app, &ids).await.iter().all(|image| image == "sha256:one"));
    assert_eq!(app.view(ids[0]).await.state, InstanceState::Ready);
    assert_eq!(app.view(ids[1]).await.generation, 1, "it was never touched");
    // One may fail: the next ring has its turn, and ends it.
    let rollout = until_over(&app, begin(&app, 1).await).await;
    assert_eq!(states(&rollout), [Failed, Failed, Waiting, Waiting]);
    assert_eq!(rollout.state, RolloutState::Failed);
    assert!(app.stop().await);
}

#[tokio::test]
async fn one_that_sleeps_or_was_stopped_is_put_back_and_a_failed_one_is_left_alone() {
    let world = World::new().await;
    world.engine.image("broken", "sha256:three", Behaviour::Good);
    let app = world.start().await;
    let ids = people(&app, 3).await;
    app.act(ids[0], "sleep").await;
    app.act(ids[1], "stop").await;
    // Its image is lost, and so it cannot be made again.
    newer(&world, Behaviour::Good);
    world.engine.remove_image("old");
    let name = app.view(ids[2]).await.slug;
    world.engine.vanish(&format!("beaver-{name}-1"));
    app.until_state(ids[2], InstanceState::Failed).await;
    world.engine.image("old", "sha256:one", Behaviour::Good);
    let rollout = until_over(&app, begin(&app, 0).await).await;
    assert_eq!(rollout.state, RolloutState::Succeeded, "{rollout:?}");
    assert_eq!(states(&rollout), [MemberState::Done, MemberState::Done, MemberState::Skipped]);
    assert_eq!(images(&app, &ids).await, ["sha256:two", "sha256:two", "sha256:one"]);
    assert_eq!(app.view(ids[0]).await.state, InstanceState::Asleep);
    assert_eq!(app.view(ids[1]).await.state, InstanceState::Stopped);
    assert!(app.ledger(ids[0]).await.iter().any(|(what, _)| what == "ready"), "it was proven by serving");
    assert_eq!(app.act(ids[1], "start").await.state, OperationState::Succeeded);
    assert_eq!(app.view(ids[1]).await.image.as_deref(), Some("sha256:two"));
    assert!(app.stop().await);
}

#[tokio::test]
async fn it_goes_on_after_a_kill() {
    let mut world = World::new().await;
    let app = world.start().await;
    let ids = people(&app, 4).await;
    newer(&world, Behaviour::Good);
    // In the middle of the first upgrade.
    let reached = world.faults.arm("snapshot.recorded");
    let id = begin(&app, 0).await;
    reached.cancelled().await;
    app.kill().await;
    world.faults = deploy_control::fault::FaultPoints::default();
    let app = world.start().await;
    let rollout = until_over(&app, id).await;
    assert_eq!((rollout.state, rollout.done), (RolloutState::Succeeded, 4), "{rollout:?}");
    assert!(images(&app, &ids).await.iter().all(|image| image == "sha256:two"));
    for id in ids {
        assert_eq!(app.view(id).await.generation, 2, "no upgrade was made twice");
    }
    assert!(app.stop().await);
}

#[tokio::test]
async fn what_is_called_off_lets_what_runs_end_and_one_is_at_work_at_a_time() {
    let mut world = World::new().await;
    world.timings.ready = std::time::Duration::from_secs(3);
    let app = world.start().await;
    let ids = people(&app, 4).await;
    // The first upgrade is at work until its container has had its time.
    newer(&world, Behaviour::NeverReady);
    let id = begin(&app, 3).await;
    until("the first is at work", async || {
        app.api.rollout(id).await.is_ok_and(|rollout| rollout.at_work == 1)
    })
    .await;
    let second = problem(app.post("/api/rollouts", &json!({})).await, 409).await;
    assert_eq!(second["type"], "urn:beaver:operation-in-progress");
    assert!(second["detail"].as_str().expect("a detail").contains(&id.to_string()));
    let called_off = app.api.cancel_rollout(id).await.expect("accepted");
    assert!(called_off.cancelling && called_off.state == RolloutState::Running, "{called_off:?}");
    let rollout = until_over(&app, id).await;
    assert_eq!(rollout.state, RolloutState::Cancelled, "{rollout:?}");
    assert_eq!(states(&rollout), [Failed, Waiting, Waiting, Waiting]);
    assert!(images(&app, &ids).await.iter().all(|image| image == "sha256:one"));
    // What has ended stays as it is, and another may begin.
    assert_eq!(app.api.cancel_rollout(id).await.expect("accepted").state, RolloutState::Cancelled);
    newer(&world, Behaviour::Good);
    let next = until_over(&app, begin(&app, 0).await).await;
    assert_eq!(next.state, RolloutState::Succeeded);
    assert!(app.stop().await);
}

#[tokio::test]
async fn it_can_be_followed_and_goes_to_an_image_by_id() {
    let world = World::new().await;
    let app = world.start().await;
    let ids = people(&app, 2).await;
    newer(&world, Behaviour::Good);
    let unknown = app.post("/api/rollouts", &json!({ "image": "sha256:none" })).await;
    let unknown = problem(unknown, 422).await;
    assert!(unknown["errors"]["image"].as_str().expect("a fault").contains("not on this machine"));
    let body = RolloutRequest { image: Some("sha256:two".to_owned()), failure_limit: None };
    let id = app.api.roll_out(&body).await.expect("accepted").rollout_id;
    let url = format!("{}/api/rollouts/{id}", app.base);
    let request = app.http.get(url).bearer_auth(DEPLOY_TOKEN).header("accept", "text/event-stream");
    let mut response = request.send().await.expect("an answer");
    let (mut parser, mut views) = (Parser::new(64 * 1024), Vec::<RolloutView>::new());
    while let Some(bytes) = response.chunk().await.expect("bytes") {
        let events = parser.push(&bytes).expect("well formed");
        views.extend(
            events.iter().map(|event| serde_json::from_str::<RolloutView>(&event.data).expect("a view")),
        );
    }
    let last = views.last().expect("an event");
    assert_eq!((last.state, last.done), (RolloutState::Succeeded, 2));
    assert!(views.windows(2).all(|pair| pair[0].done <= pair[1].done), "progress never goes back");
    assert!(views.iter().all(|view| view.members.is_none()));
    assert_eq!(images(&app, &ids).await, ["sha256:two", "sha256:two"]);
    let none = app.get(&format!("/api/rollouts/{}", RolloutId::generate())).await;
    assert_eq!(problem(none, 404).await["type"], "urn:beaver:not-found");
    assert!(app.stop().await);
}

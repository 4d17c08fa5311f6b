//! Stop, start, restart, delete, revive, and what happens when two want different things.

use control_api::deploy::{InstanceState, ListQuery, OperationState, ResolveRequest};
use control_api::ids::UserId;
use deploy_control::engine::ContainerState;
use serde_json::json;

use crate::fake_app::Behaviour;
use crate::harness::{DEPLOY_TOKEN, World, order, problem, until};

#[tokio::test]
async fn stop_start_and_restart() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    assert_eq!(app.act(id, "stop").await.state, OperationState::Succeeded);
    let view = app.view(id).await;
    assert_eq!((view.state, view.reason.as_deref()), (InstanceState::Stopped, Some("stopped on request")));
    assert!(matches!(world.engine.containers()[0].state, ContainerState::Exited { .. }));
    assert_eq!(world.route("alice").expect("a route")["state"], "stopped");
    // What its owner stopped, a request does not start.
    let resolve = ResolveRequest { slug: Some(view.slug), ..Default::default() };
    assert_eq!(app.api.resolve(&resolve).await.expect("found").state, InstanceState::Stopped);
    assert_eq!(app.act(id, "start").await.state, OperationState::Succeeded);
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    assert_eq!(app.act(id, "restart").await.state, OperationState::Succeeded);
    assert_eq!(app.view(id).await.state, InstanceState::Ready);
    let calls = world.engine.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("start")).count(), 3, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.starts_with("create")).count(), 1, "{calls:?}");
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_ledger_says_who_is_behind_an_action() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let asked = app.api.act_for_owner(id, "stop").await.expect("accepted");
    app.until_final(asked.operation_id).await;
    app.act(id, "start").await;
    let events = app.api.events(id).await.expect("events").events;
    let of = |what: &str| -> Vec<&str> {
        events.iter().filter(|event| event.what == what).map(|event| event.actor.as_str()).collect()
    };
    assert_eq!(of("stop asked for"), ["user"]);
    assert_eq!(of("start asked for"), ["operator"]);
    let answer = app.post(&format!("/api/instances/{id}/stop?actor=nobody"), &json!({})).await;
    assert_eq!(answer.status(), 400, "{answer:?}");
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_start_of_what_runs_is_success_at_once() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    let before = world.engine.calls();
    assert_eq!(app.act(id, "start").await.state, OperationState::Succeeded);
    assert_eq!(world.engine.calls(), before);
    assert!(app.stop().await);
}

#[tokio::test]
async fn delete_keeps_the_data_and_the_same_user_gets_it_back() {
    let world = World::new().await;
    let app = world.start().await;
    let user = UserId::generate();
    let id = app.register_as(user, "alice").await.instance_id;
    let note = world.runtime().join(format!("instances/{id}/data/note"));
    std::fs::write(&note, "kept").expect("written");
    let deleted = app.api.delete(id, false).await.expect("accepted");
    assert_eq!(app.until_final(deleted.operation_id).await.state, OperationState::Succeeded);
    assert!(world.engine.containers().is_empty());
    assert!(world.route("alice").is_none());
    assert!(app.api.instance(id).await.expect_err("gone").is("urn:beaver:not-found"));
    until("authz-service is told", async || world.authz.forgotten() == [id]).await;
    // The ledger stays readable.
    assert_eq!(app.ledger(id).await.last().expect("an entry").0, "deleted");
    // The slug is kept for its owner.
    let other = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    assert_eq!(problem(other, 409).await["type"], "urn:beaver:slug-taken");
    let back = app.register_as(user, "alice").await;
    assert_eq!(back.instance_id, id);
    let view = app.view(id).await;
    assert_eq!(view.generation, 2);
    assert_eq!(view.upstream.expect("one").to_string(), "10.89.0.11:8080", "the old address rests");
    assert_eq!(std::fs::read_to_string(&note).expect("read"), "kept");
    assert!(app.stop().await);
}

#[tokio::test]
async fn purge_removes_the_data_and_the_next_instance_is_another() {
    let world = World::new().await;
    let app = world.start().await;
    let user = UserId::generate();
    let id = app.register_as(user, "alice").await.instance_id;
    let deleted = app.api.delete(id, true).await.expect("accepted");
    app.until_final(deleted.operation_id).await;
    assert!(world.files(id).is_empty());
    let next = app.register_as(user, "alice").await;
    assert_ne!(next.instance_id, id);
    assert!(app.stop().await);
}

#[tokio::test]
async fn of_an_owner_who_has_left_nothing_stays() {
    let world = World::new().await;
    let app = world.start().await;
    let (alice, bob) = (UserId::generate(), UserId::generate());
    let other = app.register_as(bob, "bob").await.instance_id;
    // Data that was kept of an instance that was removed.
    let kept = app.register_as(alice, "alice").await.instance_id;
    let deleted = app.api.delete(kept, false).await.expect("accepted");
    app.until_final(deleted.operation_id).await;
    assert!(!world.files(kept).is_empty());
    assert!(!app.api.remove_owner(alice).await.expect("answered").left);
    assert!(world.files(kept).is_empty());
    assert_eq!(app.ledger(kept).await.last().expect("an entry").0, "deleted");
    // An instance that is there goes with its data, and asking twice is no error.
    let living = app.register_as(alice, "alice").await.instance_id;
    assert_ne!(living, kept);
    assert!(app.api.remove_owner(alice).await.expect("answered").left);
    until("it is gone", async || !app.api.remove_owner(alice).await.expect("answered").left).await;
    assert!(world.files(living).is_empty());
    assert!(app.api.instance(living).await.expect_err("gone").is("urn:beaver:not-found"));
    assert!(!app.api.remove_owner(UserId::generate()).await.expect("answered").left);
    assert_eq!(app.view(other).await.state, InstanceState::Ready, "what others have stays");
    assert!(app.stop().await);
}

#[tokio::test]
async fn delete_is_accepted_while_a_register_is_at_work() {
    let mut world = World::new().await;
    world.timings.ready = std::time::Duration::from_mins(1);
    world.engine.image("app", "sha256:one", Behaviour::NeverReady);
    let app = world.start().await;
    let order = serde_json::from_value(order(UserId::generate(), "alice")).expect("an order");
    let answer = app.api.register(&order).await.expect("accepted");
    app.until_state(answer.instance_id, InstanceState::Starting).await;
    // Anything else has to wait.
    let refused = app.api.act(answer.instance_id, "restart").await.expect_err("at work");
    assert!(refused.is("urn:beaver:operation-in-progress"), "{refused}");
    let deleted = app.api.delete(answer.instance_id, true).await.expect("accepted");
    assert_eq!(app.until_final(answer.operation_id).await.state, OperationState::Cancelled);
    assert_eq!(app.until_final(deleted.operation_id).await.state, OperationState::Succeeded);
    assert!(world.engine.containers().is_empty());
    // It cannot be called off, and it is over.
    assert!(app.api.act(answer.instance_id, "start").await.is_err());
    assert!(app.stop().await);
}

#[tokio::test]
async fn authz_service_is_told_of_a_delete_until_it_hears() {
    let world = World::new().await;
    let app = world.start().await;
    let id = app.register("alice").await.instance_id;
    world.authz.set_down(true);
    let deleted = app.api.delete(id, false).await.expect("accepted");
    assert_eq!(app.until_final(deleted.operation_id).await.state, OperationState::Succeeded);
    assert!(world.authz.forgotten().is_empty());
    app.kill().await;
    let app = world.start().await;
    world.authz.set_down(false);
    until("authz-service is told", async || world.authz.forgotten().contains(&id)).await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn the_list_is_paged_and_filtered() {
    let world = World::new().await;
    let app = world.start().await;
    let mut ids = Vec::new();
    for name in ["alice", "bob", "carol"] {
        ids.push(app.register(name).await.instance_id);
    }
    app.act(ids[1], "stop").await;
    let first = app.api.list(&ListQuery { limit: Some(2), ..Default::default() }).await.expect("a page");
    assert_eq!(first.instances.iter().map(|i| i.instance_id).collect::<Vec<_>>(), ids[..2]);
    assert_eq!(first.next, Some(ids[1]));
    let query = ListQuery { limit: Some(2), after: first.next, ..Default::default() };
    let second = app.api.list(&query).await.expect("a page");
    assert_eq!(second.instances.iter().map(|i| i.instance_id).collect::<Vec<_>>(), ids[2..]);
    assert_eq!(second.next, None);
    let query = ListQuery { state: Some(InstanceState::Stopped), ..Default::default() };
    let stopped = app.api.list(&query).await.expect("a page").instances;
    assert_eq!(stopped.iter().map(|i| i.instance_id).collect::<Vec<_>>(), [ids[1]]);
    let owner = app.view(ids[2]).await.owner_id;
    let query = ListQuery { owner: Some(owner), ..Default::default() };
    assert_eq!(app.api.list(&query).await.expect("a page").instances[0].instance_id, ids[2]);
    let bad = app.get("/api/instances?limit=0").await;
    assert_eq!(problem(bad, 400).await["type"], "urn:beaver:invalid-input");
    assert!(app.stop().await);
}

#[tokio::test]
async fn resolve_takes_exactly_one_key() {
    let world = World::new().await;
    let app = world.start().await;
    let answer = app.register("alice").await;
    for key in [json!({"slug": "alice"}), json!({"username": "alice"})] {
        let found = app.post("/api/instances/resolve", &key).await;
        assert_eq!(found.status(), 200);
        let found: serde_json::Value = found.json().await.expect("JSON");
        assert_eq!(found["instance_id"], answer.instance_id.to_string());
    }
    let none = app.post("/api/instances/resolve", &json!({"slug": "nobody"})).await;
    assert_eq!(problem(none, 404).await["type"], "urn:beaver:not-found");
    let two = app.post("/api/instances/resolve", &json!({"slug": "alice", "username": "alice"})).await;
    assert_eq!(problem(two, 400).await["type"], "urn:beaver:invalid-input");
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_delete_cannot_be_cancelled_and_an_ended_operation_stays() {
    let world = World::new().await;
    let app = world.start().await;
    let answer = app.register("alice").await;
    let url = format!("{}/api/operations/{}", app.base, answer.operation_id);
    let cancelled = app.http.delete(url).bearer_auth(DEPLOY_TOKEN).send().await.expect("an answer");
    let cancelled: serde_json::Value = cancelled.json().await.expect("JSON");
    assert_eq!(cancelled["state"], "succeeded");
    world.engine.set_down(true);
    let deleted = app.api.delete(answer.instance_id, false).await.expect("accepted");
    let url = format!("{}/api/operations/{}", app.base, deleted.operation_id);
    let refused = app.http.delete(url).bearer_auth(DEPLOY_TOKEN).send().await.expect("an answer");
    assert_eq!(problem(refused, 409).await["type"], "urn:beaver:invalid-input");
    world.engine.set_down(false);
    assert_eq!(app.until_final(deleted.operation_id).await.state, OperationState::Succeeded);
    assert!(app.stop().await);
}

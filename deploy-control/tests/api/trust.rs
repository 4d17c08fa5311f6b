//! Whom the service trusts no further: an image that does not come up, and an older process of its own.

use control_api::deploy::{InstanceState, OperationState};
use control_api::ids::{OperationId, UserId};
use deploy_control::store::StoreError;

use crate::fake_app::Behaviour;
use crate::harness::{World, order, until};

#[tokio::test]
async fn an_image_that_does_not_come_up_is_left_alone_until_it_does() {
    let world = World::new().await;
    let app = world.start().await;
    let mut ids = Vec::new();
    for name in ["alice", "bob", "carol", "other"] {
        ids.push(app.register(name).await.instance_id);
    }
    let [alice, bob, carol, other] = ids[..] else { panic!("four instances") };
    world.engine.image("app", "sha256:one", Behaviour::Exits);
    for (id, name) in [(alice, "beaver-alice-1"), (bob, "beaver-bob-1")] {
        world.engine.vanish(name);
        let view = app.until_state(id, InstanceState::Failed).await;
        assert!(view.reason.expect("a reason").contains("it fell over 5 times"), "its own breaker");
    }
    // Two owners have done their worst, and it does not reach the others yet: the third failure of another does.
    world.engine.vanish("beaver-carol-1");
    let view = app.until_state(carol, InstanceState::Failed).await;
    let reason = view.reason.expect("a reason");
    assert!(reason.contains("its image sha256:one failed to come up 5 times"), "{reason}");
    assert!(
        app.ledger(carol).await.iter().any(|(what, cause)| what == "given up" && cause.contains("image"))
    );
    let starts = |name: &str| world.engine.calls().iter().filter(|call| call.contains(name)).count();
    assert_eq!(starts("start beaver-carol-2"), 1, "it was tried once");

    // A good start closes the breaker for all.
    world.engine.image("app", "sha256:one", Behaviour::Good);
    world.engine.vanish("beaver-carol-2");
    assert_eq!(app.act(carol, "start").await.state, OperationState::Succeeded);
    world.engine.vanish("beaver-other-1");
    until("the other has another container", async || {
        world.engine.containers().iter().any(|container| container.name == "beaver-other-2")
    })
    .await;
    app.until_state(other, InstanceState::Ready).await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn of_two_processes_on_one_database_the_older_ends_and_changes_nothing() {
    let world = World::new().await;
    let first = world.start().await;
    let id = first.register("alice").await.instance_id;
    let second = world.start().await;
    let order = serde_json::from_value(order(UserId::generate(), "bob")).expect("an order");
    assert!(first.api.register(&order).await.is_err(), "the older one takes no order");
    let store = first.app.requests.context.store.clone();
    let refused = [
        store.cancel(OperationId::generate()).await.map(drop),
        store.set_setting("subnet", "10.1.0.0/16").await,
        store.forget_addresses().await,
        store.forgotten(id).await,
    ];
    assert!(refused.iter().all(|outcome| matches!(outcome, Err(StoreError::Fenced))), "{refused:?}");
    assert!(!first.until_stopped().await, "it ends by itself, and as failed");
    assert!(
        second.api.list(&control_api::deploy::ListQuery::default()).await.expect("a list").instances.len()
            == 1
    );
    assert_eq!(second.act(id, "sleep").await.state, OperationState::Succeeded);
    assert!(second.stop().await);
}

//! Addresses and networks: shards of 500, addresses that rest before another has them, and a plan that is used up.

use std::time::Duration;

use control_api::deploy::{InstanceState, OperationState};
use control_api::ids::UserId;
use deploy_control::model::Goal;
use deploy_control::route_files::RouteFiles;
use deploy_control::store::{Order, Store, Update};
use service_kit::clock::{Clock, from_millis};

use crate::harness::{World, order, problem, until};

/// So many instances on record, all of them asleep.
async fn fill(world: &World, count: u32) {
    let config = world.config();
    let folder = world.runtime().join("deploy");
    std::fs::create_dir_all(&folder).expect("a folder");
    let store = Store::open(&folder.join("deploy.sqlite"), world.clock.clone()).await.expect("a database");
    store.set_setting("instance_subnet", &config.plan.instances.to_string()).await.expect("written");
    let routes = RouteFiles::open(&world.runtime()).expect("a folder");
    for number in 0..count {
        let username = format!("user-{number}").parse().expect("a name");
        let ordered = store
            .order(&Order {
                owner: UserId::generate(),
                username: &username,
                slug: None,
                email: "",
                display_name: None,
                image_id: Some("sha256:one"),
                limits: config.limits,
                uid_base: config.uid_base,
                plan: &config.plan,
                allowance_ms: 1_000,
            })
            .await
            .expect("ordered");
        let update = Update {
            goal: Some((Goal::Awake, Goal::Asleep)),
            state: Some((InstanceState::Asleep, None)),
            made: Some(true),
            registered: true,
            ready: true,
            ..Update::default()
        };
        store.apply(ordered.instance, &update).await.expect("written");
        let operation = store.operation(ordered.operation).await.expect("read").expect("an operation");
        store.finish(&operation, OperationState::Succeeded, None).await.expect("written");
        let row = store.instance(ordered.instance).await.expect("read").expect("a row");
        routes.sync(&row).expect("a route");
    }
    store.close().await;
}

#[tokio::test]
async fn the_five_hundred_and_first_instance_begins_a_network_of_its_own() {
    let world = World::new().await;
    fill(&world, 499).await;
    let app = world.start().await;
    let (last, next) = (app.register("alice").await, app.register("bob").await);
    let upstream = async |id| app.view(id).await.upstream.expect("an upstream").to_string();
    assert_eq!(upstream(last.instance_id).await, "10.89.1.253:8080");
    assert_eq!(upstream(next.instance_id).await, "10.89.4.10:8080");
    assert!(world.engine.networks().contains("beaver-instance-edge-1"));
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_plan_that_is_used_up_is_told_and_nothing_is_half_made() {
    let mut world = World::new().await;
    world.env.push(("BEAVER_INSTANCE_SUBNET", "10.89.0.0/22".to_owned()));
    fill(&world, 500).await;
    let app = world.start().await;
    let refused = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    let refused = problem(refused, 503).await;
    assert_eq!(refused["type"], "urn:beaver:addresses-exhausted");
    assert!(refused["detail"].as_str().expect("a detail").contains("BEAVER_INSTANCE_SUBNET"), "{refused}");
    assert!(world.engine.containers().is_empty());
    assert!(world.route("alice").is_none());
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_address_rests_before_another_has_it() {
    let mut world = World::new().await;
    world.clock = Clock::manual(from_millis(1_800_000_000_000));
    let app = world.start().await;
    let alice = app.register("alice").await.instance_id;
    let first = app.view(alice).await.upstream.expect("an upstream");
    let deleted = app.api.delete(alice, true).await.expect("accepted").operation_id;
    assert_eq!(app.until_final(deleted).await.state, OperationState::Succeeded);
    let bob = app.register("bob").await.instance_id;
    let second = app.view(bob).await.upstream.expect("an upstream");
    assert_ne!(first, second, "it rests");
    world.clock.advance(Duration::from_mins(10) + Duration::from_secs(1));
    let carol = app.register("carol").await.instance_id;
    assert_eq!(app.view(carol).await.upstream.expect("an upstream"), first, "rested long enough");
    until("the route is carol's", async || {
        world.route("carol").is_some_and(|route| route["instance_id"] == carol.to_string())
    })
    .await;
    assert!(world.route("alice").is_none(), "nothing points there from before");
    assert!(app.stop().await);
}

//! `POST /api/instances/register`: what is made, what is refused, and what is left behind.

use std::sync::atomic::Ordering;

use control_api::deploy::{InstanceState, ListQuery, OperationState};
use control_api::ids::UserId;
use deploy_control::engine::ContainerState;
use serde_json::json;

use crate::fake_app::Behaviour;
use crate::harness::{DEPLOY_TOKEN, World, order, problem, until};

#[tokio::test]
async fn a_new_instance_is_ready_with_all_that_belongs_to_it() {
    let world = World::new().await;
    let app = world.start().await;
    let user = UserId::generate();
    let answer = app.register_as(user, "alice").await;
    assert_eq!(answer.state, InstanceState::Ready);
    assert_eq!(answer.slug.as_str(), "alice");
    assert_eq!(answer.url, "http://alice.localhost:8088");
    let view = app.view(answer.instance_id).await;
    assert_eq!(view.upstream.expect("an upstream").to_string(), "10.89.0.10:8080");
    assert_eq!((view.owner_id, view.generation), (user, 1));
    assert_eq!(view.image.as_deref(), Some("sha256:one"));
    // The container, its owner, its files, its route.
    let containers = world.engine.containers();
    assert_eq!(containers.len(), 1);
    assert_eq!(containers[0].name, "beaver-alice-1");
    let told = world.engine.owner_told(answer.instance_id).expect("the app knows its owner");
    assert_eq!((told.owner.user_id, told.owner.email.as_str()), (user, "alice@example.com"));
    assert_eq!(told.issuer, "http://beaver-authz-service:19090");
    assert_eq!(told.registration_token.expose(), format!("token-of-{}", answer.instance_id));
    assert_eq!(world.files(answer.instance_id), ["config.json", "data", "instance.json"]);
    let route = world.route("alice").expect("a route");
    assert_eq!(route["state"], "ready");
    assert_eq!(route["upstream"], "10.89.0.10:8080");
    assert_eq!(route["access"], "owner");
    let operation = app.api.operation(answer.operation_id).await.expect("an operation");
    assert_eq!((operation.state, operation.percent), (OperationState::Succeeded, 100));
    assert!(app.stop().await);
    assert_eq!(world.engine.containers()[0].state, ContainerState::Running, "a stop touches no instance");
}

#[tokio::test]
async fn the_same_user_gets_the_same_instance() {
    let world = World::new().await;
    let app = world.start().await;
    let user = UserId::generate();
    let first = app.register_as(user, "alice").await;
    let again = app.register_as(user, "alice").await;
    assert_eq!((again.instance_id, again.operation_id), (first.instance_id, first.operation_id));
    let both = [0; 2].map(|_| UserId::generate());
    let (bob, bob_again) = tokio::join!(app.register_as(both[0], "bob"), app.register_as(both[0], "bob"));
    assert_eq!(bob.instance_id, bob_again.instance_id, "two at once are one");
    assert_eq!(world.engine.containers().len(), 2);
    assert!(app.stop().await);
}

#[tokio::test]
async fn with_respond_async_the_answer_comes_at_once() {
    let world = World::new().await;
    world.engine.image("app", "sha256:one", Behaviour::NeverReady);
    let app = world.start().await;
    let request = app.http.post(format!("{}/api/instances/register", app.base)).bearer_auth(DEPLOY_TOKEN);
    let request = request.header("prefer", "respond-async").json(&order(UserId::generate(), "alice"));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    assert!(["pending", "creating", "starting"].contains(&answer["state"].as_str().expect("a state")));
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_slug_is_one_persons() {
    let world = World::new().await;
    let app = world.start().await;
    app.register("alice").await;
    let taken = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    let taken = problem(taken, 409).await;
    assert_eq!(taken["type"], "urn:beaver:slug-taken");
    // Another slug for the same name is free.
    let mut other = order(UserId::generate(), "alice");
    other["slug"] = json!("alice-two");
    assert_eq!(app.post("/api/instances/register", &other).await.status(), 201);
    for (slug, word) in [("www", "reserved"), ("ab", "at least"), ("a--b", "hyphens"), ("../x", "letters")] {
        let mut order = order(UserId::generate(), "carol");
        order["slug"] = json!(slug);
        let refused = problem(app.post("/api/instances/register", &order).await, 422).await;
        assert_eq!(refused["type"], "urn:beaver:invalid-input");
        assert!(refused["errors"]["slug"].as_str().expect("a message").contains(word), "{refused}");
    }
    assert_eq!(app.api.list(&ListQuery::default()).await.expect("a list").instances.len(), 2);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_missing_image_is_one_clear_error_and_leaves_nothing() {
    let world = World::new().await;
    world.engine.remove_image("app");
    let app = world.start().await;
    let user = UserId::generate();
    let refused = problem(app.post("/api/instances/register", &order(user, "alice")).await, 503).await;
    assert_eq!(refused["type"], "urn:beaver:image-missing");
    assert!(refused["detail"].as_str().expect("a detail").contains("BEAVER_INSTANCE_IMAGE"));
    assert!(app.api.list(&ListQuery::default()).await.expect("a list").instances.is_empty());
    assert!(world.route("alice").is_none());
    // Once it is there, the same order goes through.
    world.engine.image("app", "sha256:one", Behaviour::Good);
    app.register_as(user, "alice").await;
    assert!(app.stop().await);
}

#[tokio::test]
async fn too_little_disk_space_is_refused_before_anything_is_made() {
    let world = World::new().await;
    world.free_bytes.store(200 << 20, Ordering::SeqCst);
    let app = world.start().await;
    let refused = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    assert_eq!(problem(refused, 507).await["type"], "urn:beaver:disk-full");
    assert!(app.api.list(&ListQuery::default()).await.expect("a list").instances.is_empty());
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_full_subnet_is_told() {
    let mut world = World::new().await;
    world.env.push(("BEAVER_INSTANCE_SUBNET", "10.89.0.0/22".to_owned()));
    let app = world.start().await;
    // One real one; the store then says that every other is given out.
    app.register("alice").await;
    let store = &app.app.requests.context.store;
    for n in 0..499 {
        let username = format!("user-{n}").parse().expect("a name");
        let order = deploy_control::store::Order {
            owner: UserId::generate(),
            username: &username,
            slug: None,
            email: "",
            display_name: None,
            image_id: None,
            limits: app.app.requests.context.config.limits,
            uid_base: 200_000,
            plan: &app.app.requests.context.config.plan,
            allowance_ms: 1_000_000,
        };
        store.order(&order).await.expect("ordered");
    }
    let refused = app.post("/api/instances/register", &order(UserId::generate(), "bob")).await;
    assert_eq!(problem(refused, 503).await["type"], "urn:beaver:addresses-exhausted");
    app.kill().await;
}

#[tokio::test]
async fn a_register_that_fails_takes_back_what_it_took_and_can_be_tried_again() {
    let world = World::new().await;
    world.engine.image("app", "sha256:one", Behaviour::Exits);
    let app = world.start().await;
    let user = UserId::generate();
    let failed = problem(app.post("/api/instances/register", &order(user, "alice")).await, 502).await;
    assert_eq!(failed["type"], "urn:beaver:instance-not-ready");
    assert!(failed["detail"].as_str().expect("a detail").contains("exit code 7"), "{failed}");
    let view = app.api.resolve(&resolve("alice")).await.expect("the row stays");
    assert_eq!(view.state, InstanceState::Failed);
    assert!(view.reason.expect("a reason").contains("exit code 7"));
    assert_eq!(view.upstream, None);
    assert!(world.engine.containers().is_empty());
    assert!(world.files(view.instance_id).is_empty());
    assert_eq!(world.route("alice").expect("a route for the page")["state"], "failed");
    // A good image under the same name.
    world.engine.image("app", "sha256:two", Behaviour::Good);
    let again = app.register_as(user, "alice").await;
    assert_eq!((again.instance_id, again.state), (view.instance_id, InstanceState::Ready));
    let view = app.view(again.instance_id).await;
    assert_eq!(view.image.as_deref(), Some("sha256:two"));
    assert_eq!(view.upstream.expect("one").to_string(), "10.89.0.11:8080", "the old address rests");
    assert_eq!(view.reason, None);
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_image_without_auth_routes_works_too() {
    let world = World::new().await;
    world.engine.image("app", "sha256:one", Behaviour::NoAuth);
    let app = world.start().await;
    let answer = app.register("alice").await;
    assert_eq!(answer.state, InstanceState::Ready);
    assert!(world.engine.owner_told(answer.instance_id).is_none());
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_authz_service_that_is_away_is_waited_for_with_the_reason() {
    let world = World::new().await;
    world.authz.set_down(true);
    let app = world.start().await;
    let (base, http) = (app.base.clone(), app.http.clone());
    let sync = tokio::spawn(async move {
        let request = http.post(format!("{base}/api/instances/register")).bearer_auth(DEPLOY_TOKEN);
        request.json(&order(UserId::generate(), "alice")).send().await.expect("an answer").status()
    });
    until("the reason is shown", async || {
        let Ok(view) = app.api.resolve(&resolve("alice")).await else { return false };
        view.reason.is_some_and(|reason| reason.contains("authz-service"))
    })
    .await;
    world.authz.set_down(false);
    assert_eq!(sync.await.expect("an answer"), 201);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_register_can_be_cancelled_and_leaves_nothing() {
    let mut world = World::new().await;
    world.timings.ready = std::time::Duration::from_mins(1);
    world.engine.image("app", "sha256:one", Behaviour::NeverReady);
    let app = world.start().await;
    let order = serde_json::from_value(order(UserId::generate(), "alice")).expect("an order");
    let answer = app.api.register(&order).await.expect("accepted");
    app.until_state(answer.instance_id, InstanceState::Starting).await;
    let url = format!("{}/api/operations/{}", app.base, answer.operation_id);
    let cancelled = app.http.delete(url).bearer_auth(DEPLOY_TOKEN).send().await.expect("an answer");
    assert_eq!(cancelled.status(), 202);
    let operation = app.until_final(answer.operation_id).await;
    assert_eq!(operation.state, OperationState::Cancelled);
    let view = app.view(answer.instance_id).await;
    assert_eq!(view.state, InstanceState::Failed);
    assert!(world.engine.containers().is_empty());
    assert!(world.files(answer.instance_id).is_empty());
    assert!(app.stop().await);
}

#[tokio::test]
async fn an_operation_fails_at_its_deadline() {
    let mut world = World::new().await;
    world.timings.operation = std::time::Duration::from_millis(300);
    world.authz.set_down(true);
    let app = world.start().await;
    let failed = app.post("/api/instances/register", &order(UserId::generate(), "alice")).await;
    let failed = problem(failed, 502).await;
    let detail = failed["detail"].as_str().expect("a detail");
    assert!(detail.contains("ran out") && detail.contains("authz-service"), "{detail}");
    assert!(world.engine.containers().is_empty());
    assert!(app.stop().await);
}

#[tokio::test]
async fn many_at_once_all_get_ready_with_an_address_each() {
    let world = World::new().await;
    let app = world.start().await;
    let orders = (0..12).map(|n| {
        let (app, name) = (&app, format!("user-{n}"));
        async move { app.register(&name).await }
    });
    let answers = futures_util::future::join_all(orders).await;
    let mut addresses = Vec::new();
    for answer in answers {
        assert_eq!(answer.state, InstanceState::Ready);
        addresses.push(app.view(answer.instance_id).await.upstream.expect("an upstream"));
    }
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 12);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_route_that_cannot_be_written_is_waited_for_and_never_half_there() {
    let world = World::new().await;
    let app = world.start().await;
    // A folder in the file's place: the rename fails, as it does on a full disk.
    let path = world.runtime().join("router/conf.d/alice.json");
    std::fs::create_dir_all(path.join("in-the-way")).expect("a folder");
    let order = serde_json::from_value(order(UserId::generate(), "alice")).expect("an order");
    let answer = app.api.register(&order).await.expect("accepted");
    until("the reason is shown", async || {
        let operation = app.api.operation(answer.operation_id).await.expect("an operation");
        operation.error.is_some_and(|error| error.contains("route cannot be written"))
    })
    .await;
    let left: Vec<_> = std::fs::read_dir(world.runtime().join("router/conf.d")).expect("a list").collect();
    assert_eq!(left.len(), 1, "no temporary file stays: {left:?}");
    std::fs::remove_dir_all(&path).expect("removed");
    app.until_final(answer.operation_id).await;
    assert_eq!(world.route("alice").expect("a route")["state"], "ready");
    assert!(app.stop().await);
}

fn resolve(slug: &str) -> control_api::deploy::ResolveRequest {
    control_api::deploy::ResolveRequest { slug: Some(slug.parse().expect("a slug")), ..Default::default() }
}

//! Docker's faults, on a real Docker Engine behind a proxy: it is not there, hangs, answers with errors, or says
//! nothing of what happens; and what people do to containers by hand. Nothing of what is not ours is touched, the
//! reason is shown, and all goes on by itself.

use bollard::models::{ContainerCreateBody, NetworkCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RenameContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use bytes::Bytes;
use control_api::deploy::{InstanceState, ListQuery, OperationState};
use control_api::ids::UserId;
use futures_util::TryStreamExt as _;
use http::Method;

use super::plane::until;
use super::proxy::Fault;
use super::rig::{Rig, get};
use super::service::Service;

/// What Docker says about a container: its id and when it was started.
async fn looked_at(rig: &Rig, name: &str) -> Option<(String, String)> {
    let found = rig.docker.inspect_container(name, None).await.ok()?;
    let state = found.state?;
    (state.running == Some(true)).then_some((found.id?, state.started_at?))
}

async fn remove(rig: &Rig, name: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    rig.docker.remove_container(name, Some(options)).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_engine_is_away_reads_go_on_and_work_waits_with_the_reason() {
    let mut service = Service::new().await;
    let alice = service.register("alice").await;
    let before = looked_at(&service.rig, &service.container("alice", 1)).await.expect("it runs");
    service.proxy.refuse();
    let bob = service.order("bob").await;
    service.until_said(bob.operation_id, "Docker cannot be reached").await;
    let (status, health) = service.health().await;
    assert_eq!(status, 503, "{health}");
    assert!(health["checks"]["docker"]["reason"].as_str().expect("a reason").contains("Docker"), "{health}");
    // Also a delete is taken, and waits.
    let gone = service.api.delete(alice, false).await;
    let gone = gone.expect("accepted").operation_id;
    service.until_said(gone, "Docker cannot be reached").await;
    assert_eq!(service.api.list(&ListQuery::default()).await.expect("a list").instances.len(), 2);
    let view = service.view(bob.instance_id).await;
    assert!(view.reason.expect("a reason").contains("Docker cannot be reached"));
    assert_eq!(looked_at(&service.rig, &service.container("alice", 1)).await, Some(before), "not touched");
    service.proxy.resume();
    assert_eq!(service.until_final(bob.operation_id).await.state, OperationState::Succeeded);
    assert_eq!(service.until_final(gone).await.state, OperationState::Succeeded);
    until("it is ready again", async || service.health().await.0 == 200).await;
    assert_eq!(looked_at(&service.rig, &service.container("alice", 1)).await, None);
    let upstream = service.view(bob.instance_id).await.upstream.expect("an address");
    assert!(get(*upstream.ip()).await.contains(&bob.instance_id.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_outlives_the_absence_of_the_engine_unharmed() {
    let mut service = Service::new().await;
    let alice = service.register("alice").await;
    let before = looked_at(&service.rig, &service.container("alice", 1)).await;
    for _ in 0..3 {
        service.proxy.refuse();
        until("it says so", async || service.health().await.0 == 503).await;
        let view = service.view(alice).await;
        assert_eq!(view.state, InstanceState::Ready);
        assert!(view.reason.expect("a reason").contains("last known state"));
        service.proxy.resume();
        until("it is ready again", async || service.health().await.0 == 200).await;
    }
    assert_eq!(service.view(alice).await.reason, None);
    assert_eq!(looked_at(&service.rig, &service.container("alice", 1)).await, before);
    let ledger = service.api.events(alice).await.expect("events").events;
    assert!(!ledger.iter().any(|event| event.what == "lost"), "{ledger:?}");
}

/// A call on alice's instance hangs; bob's sign-up comes to its end meanwhile, and hers once it is let go.
async fn one_hangs(fault: Fault, method: Method, path: &'static str) {
    let service = Service::new().await;
    let spoilt = service.proxy.spoil(fault, method, path, "alice");
    let alice = service.order("alice").await;
    until("the call hangs", async || spoilt.met() > 0).await;
    service.register("bob").await;
    assert!(!service.operation(alice.operation_id).await.state.is_final(), "it hangs");
    spoilt.lift();
    let ended = service.until_final(alice.operation_id).await;
    assert_eq!((ended.state, ended.error), (OperationState::Succeeded, None));
    assert_eq!(service.view(alice.instance_id).await.state, InstanceState::Ready);
    settled_with(&service, &["alice", "bob"]).await;
}

/// One running container for each, and none beside them.
async fn settled_with(service: &Service, slugs: &[&str]) {
    let options = bollard::query_parameters::ListContainersOptionsBuilder::new().all(true);
    let filter = [("label".to_owned(), vec![format!("beaver.installation={}", service.rig.installation)])];
    let options = options.filters(&filter.into()).build();
    until("there is one container for each", async || {
        let all = service.rig.docker.list_containers(Some(options.clone())).await.expect("a list");
        let running = all.iter().filter(|found| found.status.as_ref().is_some_and(|s| s.starts_with("Up")));
        all.len() == slugs.len() && running.count() == slugs.len()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_hangs_holds_up_nobody_else() {
    one_hangs(Fault::Hang, Method::POST, "/containers/create").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_adopted() {
    one_hangs(Fault::Mute, Method::POST, "/containers/create").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_hangs_holds_up_nobody_else() {
    one_hangs(Fault::Hang, Method::POST, "/start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_hangs_holds_up_nobody_else() {
    one_hangs(Fault::Hang, Method::GET, "/json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_hangs_holds_up_nobody_else() {
    let service = Service::new().await;
    let alice = service.register("alice").await;
    let spoilt = service.proxy.spoil(Fault::Hang, Method::POST, "/stop", "alice");
    let sleep = service.api.act(alice, "sleep").await.expect("accepted").operation_id;
    until("the call hangs", async || spoilt.met() > 0).await;
    service.register("bob").await;
    assert!(!service.operation(sleep).await.state.is_final(), "it hangs");
    spoilt.lift();
    assert_eq!(service.until_final(sleep).await.state, OperationState::Succeeded);
    assert_eq!(service.view(alice).await.state, InstanceState::Asleep);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_never_ends_is_given_up_and_tried_again() {
    let service = Service::new().await;
    let never = service.proxy.spoil(Fault::Hang, Method::POST, "/start", "alice");
    let alice = service.order("alice").await;
    // It is the limit of the call that ends it, not a release.
    service.until_said(alice.operation_id, "did not answer").await;
    let tries = never.met();
    until("it is tried again", async || never.met() > tries).await;
    assert!(!service.operation(alice.operation_id).await.state.is_final());
    assert_eq!(service.health().await.0, 200, "one call is not the engine");
    never.lift();
    assert_eq!(service.until_final(alice.operation_id).await.state, OperationState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_hangs_holds_up_no_sign_up() {
    let service = Service::new().await;
    let spoilt = service.proxy.spoil(Fault::Hang, Method::GET, "/containers/json", "");
    until("the call hangs", async || spoilt.met() > 0).await;
    service.register("alice").await;
    spoilt.lift();
    until("it is ready again", async || service.health().await.0 == 200).await;
    settled_with(&service, &["alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_engine_is_told_and_the_next_try_works() {
    let service = Service::new().await;
    let user = UserId::generate();
    let spoilt = service.proxy.spoil(Fault::Error, Method::POST, "/containers/create", "alice");
    let failed = service.order_as(user, "alice").await;
    let ended = service.until_final(failed.operation_id).await;
    assert_eq!(ended.state, OperationState::Failed);
    assert!(ended.error.expect("a reason").contains("500"));
    assert_eq!(service.view(failed.instance_id).await.state, InstanceState::Failed);
    service.rig.assert_no_containers().await;
    spoilt.lift();
    let again = service.order_as(user, "alice").await;
    assert_eq!(again.instance_id, failed.instance_id);
    assert_eq!(service.until_final(again.operation_id).await.state, OperationState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_noticed_without_events() {
    let service = Service::new().await;
    let alice = service.register("alice").await;
    // No new stream comes about, and the old one ends: the list alone tells.
    let deaf = service.proxy.spoil(Fault::Hang, Method::GET, "/events", "");
    service.proxy.cut_events();
    until("the stream is asked for again", async || deaf.met() > 0).await;
    remove(&service.rig, &service.container("alice", 1)).await;
    service.until_in_ledger(alice, "lost", "removed").await;
    let view = service.until_state(alice, InstanceState::Ready).await;
    assert_eq!(view.generation, 2);
    deaf.lift();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_stopped_by_hand_is_started_again() {
    let service = Service::new().await;
    let alice = service.register("alice").await;
    let name = service.container("alice", 1);
    let (id, started) = looked_at(&service.rig, &name).await.expect("it runs");
    let options = StopContainerOptionsBuilder::new().t(0).build();
    service.rig.docker.stop_container(&name, Some(options)).await.expect("stopped");
    until("it runs again", async || {
        looked_at(&service.rig, &name).await.is_some_and(|(now, at)| now == id && at != started)
    })
    .await;
    service.until_state(alice, InstanceState::Ready).await;
    service.until_in_ledger(alice, "lost", "stopped by hand").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_renamed_by_hand_is_replaced() {
    let service = Service::new().await;
    let alice = service.register("alice").await;
    let note = service.runtime().join(format!("instances/{alice}/data/note"));
    std::fs::write(&note, "kept").expect("written");
    let options = RenameContainerOptionsBuilder::new().name(&service.container("else", 7)).build();
    service.rig.docker.rename_container(&service.container("alice", 1), options).await.expect("renamed");
    until("another runs under the next name", async || {
        looked_at(&service.rig, &service.container("alice", 2)).await.is_some()
    })
    .await;
    service.until_state(alice, InstanceState::Ready).await;
    settled_with(&service, &["alice"]).await;
    assert_eq!(std::fs::read_to_string(note).expect("the data"), "kept");
    assert_eq!(looked_at(&service.rig, &service.container("else", 7)).await, None, "it held the address");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_paused_by_hand_is_left_alone_until_it_goes_on() {
    let service = Service::new().await;
    let alice = service.register("alice").await;
    let name = service.container("alice", 1);
    let before = looked_at(&service.rig, &name).await;
    service.rig.docker.pause_container(&name).await.expect("paused");
    let view = service.until_state(alice, InstanceState::Unknown).await;
    assert!(view.reason.expect("a reason").contains("paused"));
    service.rig.docker.unpause_container(&name).await.expect("goes on");
    service.until_state(alice, InstanceState::Ready).await;
    assert_eq!(looked_at(&service.rig, &name).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_container_of_our_name_stays_and_is_named() {
    let service = Service::new().await;
    let name = service.container("alice", 1);
    let body = ContainerCreateBody {
        image: Some(service.rig.image_id.clone()),
        // For the clean-up; that it is managed is what makes one ours.
        labels: Some([("beaver.installation".to_owned(), service.rig.installation.clone())].into()),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let id = service.rig.docker.create_container(Some(options), body).await.expect("created").id;
    service.rig.docker.start_container(&id, None).await.expect("started");
    let before = looked_at(&service.rig, &id).await.expect("it runs");
    let user = UserId::generate();
    let failed = service.order_as(user, "alice").await;
    let ended = service.until_final(failed.operation_id).await;
    assert_eq!(ended.state, OperationState::Failed);
    let reason = ended.error.expect("a reason");
    assert!(reason.contains(&name) && reason.contains("remove or rename it"), "{reason}");
    assert_eq!(looked_at(&service.rig, &id).await, Some(before), "not touched");
    remove(&service.rig, &id).await;
    let again = service.order_as(user, "alice").await;
    assert_eq!(service.until_final(again.operation_id).await.state, OperationState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_network_of_our_name_stays_and_is_named() {
    let service = Service::new().await;
    let name = format!("{}-edge-0", service.rig.installation);
    if service.rig.docker.inspect_network(&name, None).await.is_ok() {
        service.rig.docker.remove_network(&name).await.expect("removed");
    }
    let body =
        NetworkCreateRequest { name: name.clone(), driver: Some("null".to_owned()), ..Default::default() };
    let body = NetworkCreateRequest { driver: Some("bridge".to_owned()), internal: Some(true), ..body };
    let id = service.rig.docker.create_network(body).await.expect("made").id;
    let stranger = StrangersNetwork { rig: &service.rig, id: id.clone() };
    let user = UserId::generate();
    let failed = service.order_as(user, "alice").await;
    let ended = service.until_final(failed.operation_id).await;
    assert_eq!(ended.state, OperationState::Failed);
    let reason = ended.error.expect("a reason");
    assert!(reason.contains(&name) && reason.contains("remove it or change BEAVER_NET"), "{reason}");
    let found = service.rig.docker.inspect_network(&id, None).await.expect("still there");
    assert_eq!((found.name.as_deref(), found.internal), (Some(name.as_str()), Some(true)));
    drop(stranger);
    let again = service.order_as(user, "alice").await;
    let ended = service.until_final(again.operation_id).await;
    assert_eq!((ended.state, ended.error), (OperationState::Succeeded, None));
}

/// It has no label by which the rig would find it, so it goes by its id, after a panic too.
struct StrangersNetwork<'a> {
    rig: &'a Rig,
    id: String,
}

impl Drop for StrangersNetwork<'_> {
    fn drop(&mut self) {
        let (docker, id) = (self.rig.docker.clone(), self.id.clone());
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let _ = runtime.expect("a runtime").block_on(docker.remove_network(&id));
        });
        let _ = removing.join();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_gone_is_named_and_all_goes_on_when_it_is_back() {
    let service = Service::new().await;
    let alice = service.register("alice").await;
    let rig = &service.rig;
    let kept: Vec<Bytes> = rig.docker.export_image(&rig.image).try_collect().await.expect("saved");
    // Held by its container, it cannot be removed before that; the reconciler may be faster, so that it is done
    // while Docker is away for it.
    let making = service.proxy.spoil(Fault::Hang, Method::POST, "/containers/create", "alice");
    remove(rig, &service.container("alice", 1)).await;
    until("another is about to be made", async || making.met() > 0).await;
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    rig.docker.remove_image(&rig.image_id, Some(options), None).await.expect("removed");
    making.lift();
    let view = service.until_state(alice, InstanceState::Failed).await;
    service.until_in_ledger(alice, "start failed", &rig.image_id).await;
    assert!(view.reason.is_some());
    let body = bollard::body_full(kept.concat().into());
    let options = bollard::query_parameters::ImportImageOptions::default();
    let _: Vec<_> = rig.docker.import_image(options, body, None).try_collect().await.expect("loaded");
    let back = rig.docker.inspect_image(&rig.image).await.expect("an image").id;
    assert_eq!(back.as_ref(), Some(&rig.image_id), "the very same");
    let start = service.api.act(alice, "start").await.expect("accepted").operation_id;
    let ended = service.until_final(start).await;
    assert_eq!((ended.state, ended.error), (OperationState::Succeeded, None));
    settled_with(&service, &["alice"]).await;
}

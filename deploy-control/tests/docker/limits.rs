//! What an instance may use, enforced by the kernel: memory, processor and processes; and what a frozen one does.

use std::time::Duration;

use bollard::query_parameters::StatsOptionsBuilder;
use control_api::deploy::{EventView, InstanceState};
use deploy_control::engine::{ContainerState, Engine as _, EngineError};
use futures_util::StreamExt as _;

use super::plane::until;
use super::rig::{Rig, get};
use super::service::Service;

async fn rig() -> Rig {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_uses_up_the_memory_is_ended_and_told_of() {
    let rig = rig().await;
    let mut spec = rig.spec("alice", 30);
    spec.limits.memory_bytes = 32 * 1024 * 1024;
    spec.env.push(("EAT_IN_CHILD_MB".to_owned(), "100".to_owned()));
    let mut events = rig.follow(&rig.socket()).await;
    // It answers, so the container outlived its child.
    let id = rig.run(&spec).await;
    let oom = async {
        while let Some(event) = events.recv().await {
            let event = event.expect("no error");
            if event.instance_id == spec.instance_id && event.action == "oom" {
                return;
            }
        }
        panic!("the stream of events ended");
    };
    tokio::time::timeout(Duration::from_secs(20), oom).await.expect("Docker tells of it");
    let found = rig.engine.inspect(&id).await.expect("an answer").expect("there");
    assert_eq!(found.state, ContainerState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_whose_memory_ran_out_is_started_again_and_its_owner_told() {
    const WORDS: &str = "it used up its memory (limit 256 MiB); the kernel ended what needed more";
    let service = Service::new().await;
    let id = service.register("alice").await;
    let found = service.rig.engine.inspect(&service.container("alice", 1)).await.expect("an answer");
    let address = found.expect("there").address.expect("an address");
    let asked = service.http.post(format!("http://{address}:8080/eat")).send().await;
    assert!(asked.is_err(), "nobody is left to answer: {asked:?}");
    service.until_in_ledger(id, "out of memory", WORDS).await;
    service.until_in_ledger(id, "lost", WORDS).await;
    let events = service.api.events(id).await.expect("events").events;
    let lost = events.iter().find(|event| event.what == "lost").expect("an entry");
    assert_eq!(lost.evidence.as_deref(), Some("it used up its memory"));
    let again = |events: &[EventView]| {
        let mut of_late = events.iter().take_while(|event| event.what != "lost");
        of_late.any(|event| event.what == "ready")
    };
    until("it is up again", async || again(&service.api.events(id).await.expect("events").events)).await;
    assert_eq!(service.until_state(id, InstanceState::Ready).await.generation, 1, "the same container");
    get(address).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_time_is_limited_and_counted() {
    let rig = rig().await;
    let mut spec = rig.spec("bob", 31);
    spec.limits.milli_cpus = 100;
    spec.env.push(("BURN_THREADS".to_owned(), "2".to_owned()));
    let id = rig.run(&spec).await;
    let throttled = async || {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let stats = rig.docker.stats(&id, Some(options)).next().await.expect("stats").expect("no error");
        stats
            .cpu_stats
            .and_then(|cpu| cpu.throttling_data)
            .and_then(|data| data.throttled_periods)
            .unwrap_or(0)
    };
    let before = rig.engine.cpu_time(&id).await.expect("a measurement");
    let mut tries = 0;
    while throttled().await == 0 || rig.engine.cpu_time(&id).await.expect("a measurement") <= before {
        tries += 1;
        assert!(tries < 400, "two busy threads on a tenth of a core are never held back");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    rig.engine.stop(&id, Duration::from_secs(5)).await.expect("stopped");
    assert_eq!(rig.engine.cpu_time(&id).await, Ok(0), "counts from its start");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_and_threads_are_limited() {
    let rig = rig().await;
    let threads = async |slug: &str, last: u8, pids: u32| -> usize {
        let mut spec = rig.spec(slug, last);
        spec.limits.pids = pids;
        spec.env.push(("SPAWN_THREADS".to_owned(), "64".to_owned()));
        rig.run(&spec).await;
        let report = get(spec.address).await;
        let line = report.lines().find_map(|line| line.strip_prefix("threads: ")).expect("a line");
        line.parse().expect("a number")
    };
    assert_eq!(threads("alice", 32, 256).await, 64);
    let few = threads("bob", 33, 16).await;
    assert!((1..16).contains(&few), "{few}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_container_stands_still_goes_on_and_can_be_stopped() {
    let rig = rig().await;
    let mut spec = rig.spec("carol", 34);
    spec.env.push(("BURN_THREADS".to_owned(), "1".to_owned()));
    let id = rig.run(&spec).await;
    let state = async || rig.engine.inspect(&id).await.expect("an answer").expect("there").state;
    rig.engine.pause(&id).await.expect("frozen");
    rig.engine.pause(&id).await.expect("frozen already");
    assert_eq!(state().await, ContainerState::Paused);
    assert_eq!(rig.engine.list().await.expect("a list")[0].state, ContainerState::Paused);
    let used = rig.engine.cpu_time(&id).await.expect("a measurement");
    assert!(used > 0);
    assert_eq!(rig.engine.cpu_time(&id).await, Ok(used), "a busy loop stands still");

    rig.engine.unpause(&id).await.expect("thawed");
    rig.engine.unpause(&id).await.expect("thawed already");
    assert_eq!(state().await, ContainerState::Running);
    get(spec.address).await;

    // The second rung of the ladder: a frozen one is ended by the same signal as any other.
    rig.engine.pause(&id).await.expect("frozen");
    rig.engine.stop(&id, Duration::from_secs(20)).await.expect("stopped");
    assert_eq!(state().await, ContainerState::Exited { code: 143, oom_killed: false });
    assert!(matches!(rig.engine.pause(&id).await, Err(EngineError::Conflict(_) | EngineError::Other(_))));
    rig.engine.remove(&id).await.expect("removed");
    assert!(matches!(rig.engine.pause(&id).await, Err(EngineError::NotFound(_))));
    assert!(matches!(rig.engine.unpause(&id).await, Err(EngineError::NotFound(_))));
}

//! What the guard costs: create and start through it beside Docker alone, in turns within one run. Prints
//! figures and asserts none, because a shared machine's clock proves nothing; run it by name with `--ignored`.

use std::time::Instant;

use deploy_control::docker::DockerEngine;
use deploy_control::engine::{ContainerSpec, Engine as _};

use super::rig::{DOCKER_SOCKET, Rig};

async fn round(engine: &DockerEngine, spec: &ContainerSpec) -> f64 {
    let started = Instant::now();
    let id = engine.create(spec).await.expect("created");
    engine.start(&id).await.expect("started");
    let took = started.elapsed().as_secs_f64() * 1000.0;
    engine.remove(&id).await.expect("removed");
    took
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "prints figures, asserts nothing"]
async fn create_and_start_through_the_guard_and_without() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let direct = DockerEngine::new(DOCKER_SOCKET.as_ref(), &rig.installation);
    let spec = rig.spec("alice", 10);
    let (mut guarded, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        guarded.push(round(&rig.engine, &spec).await);
        bare.push(round(&direct, &spec).await);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (guarded, bare) = (median(&mut guarded), median(&mut bare));
    println!(
        "create + start: {guarded:.1} ms through docker-guard, {bare:.1} ms without, ratio {:.3}",
        guarded / bare
    );
    let started = Instant::now();
    for _ in 0..200 {
        rig.engine.inspect("missing").await.expect("an answer");
    }
    let guarded = started.elapsed() / 200;
    let started = Instant::now();
    for _ in 0..200 {
        direct.inspect("missing").await.expect("an answer");
    }
    println!("one look: {guarded:?} through docker-guard, {:?} without", started.elapsed() / 200);
}

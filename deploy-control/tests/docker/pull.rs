//! Pulling an image by a real Docker Engine, through docker-guard, from a registry of the test's own.

use std::time::Duration;

use deploy_control::docker::DockerEngine;
use deploy_control::engine::{Engine as _, EngineError, EngineResult, LayerProgress};
use deploy_control::guard;
use futures_util::StreamExt as _;
use service_kit::lifecycle::Lifecycle;

use super::registry::Registry;
use super::rig::Rig;

/// Docker asks five times for a layer that breaks off, with ever longer pauses: more than a minute.
const PATIENCE: Duration = Duration::from_mins(5);

async fn pull(engine: &DockerEngine, name: &str) -> Vec<EngineResult<LayerProgress>> {
    let image = name.parse().expect("a name");
    let news = engine.pull(&image).collect::<Vec<_>>();
    tokio::time::timeout(PATIENCE, news).await.expect("an end")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_comes_layer_by_layer_and_what_breaks_off_or_is_missing_is_an_error() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let registry = Registry::start(&rig.installation).await;
    let name = |kind: &str| format!("{}/{}-{kind}", registry.address, rig.installation);
    let lifecycle = Lifecycle::new();
    let mut config = rig.guard_config();
    config.socket = rig.folder.path().join("pulls/docker.sock");
    config.images = ["good", "broken", "missing"].map(name).to_vec();
    let engine = DockerEngine::new(&config.socket, &rig.installation);
    guard::start(&lifecycle, config).await.expect("a guard");

    let news = pull(&engine, &name("good")).await;
    let percents: Vec<u8> = news.into_iter().map(|news| news.expect("no error").percent).collect();
    assert_eq!((percents.first(), percents.last()), (Some(&0), Some(&100)), "{percents:?}");
    assert_eq!(engine.resolve_image(&name("good")).await, Ok(registry.image_id()));
    // It is what it should be: a container of it runs.
    let mut spec = rig.spec("alice", 10);
    spec.image_id = registry.image_id();
    let id = engine.create(&spec).await.expect("created");
    engine.start(&id).await.expect("started");
    super::rig::get(spec.address).await;
    engine.remove(&id).await.expect("removed");
    // Again: nothing to do, and no error.
    assert!(pull(&engine, &name("good")).await.iter().all(Result::is_ok));

    // Docker had answered 200 before it knew.
    let news = pull(&engine, &name("broken")).await;
    let (last, before) = news.split_last().expect("news");
    assert!(before.iter().all(Result::is_ok) && !before.is_empty(), "{news:?}");
    assert!(
        matches!(last, Err(EngineError::Other(words)) if words.contains("this far and no further")),
        "{last:?}"
    );
    assert!(matches!(engine.resolve_image(&name("broken")).await, Err(EngineError::NotFound(_))));

    let news = pull(&engine, &name("missing")).await;
    assert!(
        matches!(&news[..], [Err(EngineError::Other(words))] if words.contains("manifest unknown")),
        "{news:?}"
    );
    // Not on the list: by no spelling of it.
    for other in
        [name("other"), format!("{}:2", name("good")), format!("evil.invalid/{}-good", rig.installation)]
    {
        let news = pull(&engine, &other).await;
        assert!(
            matches!(&news[..], [Err(EngineError::Refused(words))] if words.contains("allow-list")),
            "{news:?}"
        );
    }
    lifecycle.stop();
    assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_listening_ends_the_pull() {
    let rig = Rig::new().await;
    let registry = Registry::start(&rig.installation).await;
    let name = format!("{}/{}-endless:latest", registry.address, rig.installation);
    let lifecycle = Lifecycle::new();
    let mut config = rig.guard_config();
    config.socket = rig.folder.path().join("pulls/docker.sock");
    config.images = vec![name.clone()];
    let engine = DockerEngine::new(&config.socket, &rig.installation);
    guard::start(&lifecycle, config).await.expect("a guard");

    let image = name.parse().expect("a name");
    let mut news = engine.pull(&image);
    let under_way = async { while news.next().await.expect("news").expect("no error").percent == 0 {} };
    tokio::time::timeout(PATIENCE, under_way).await.expect("the layer begins to come");
    drop(news);
    tokio::time::timeout(PATIENCE, registry.until_hung_up()).await.expect("Docker lets go of the registry");
    assert!(matches!(engine.resolve_image(&name).await, Err(EngineError::NotFound(_))));
    lifecycle.stop();
    assert!(lifecycle.run_until_stopped(Duration::from_secs(5)).await);
}

//! The router's container is replaced while requests come in: none fails, and what is left is what compose would have
//! made.

use e2e::fixture::World;
use e2e::{Outcome, docker, ensure, ensure_eq};

use crate::upgrade::Load;

pub(crate) async fn the_router_is_replaced_under_load_and_no_request_fails(world: &World) -> Outcome {
    let alice = world.signed_in("alice").await?;
    world.wait_ready("alice").await?;
    let router = world.site.service("router-proxy");
    let load = Load::start(alice, world.site.instance_url("alice", "/"));
    let outcome = async {
        load.wait_good(10).await?;
        for _ in 0..2 {
            let before = docker::identity(&router).await?;
            world.site.script("replace-router.sh", &[], "").await?.success()?;
            ensure!(docker::identity(&router).await? != before, "it is the same container");
            load.wait_good(10).await?;
        }
        // A setting of the router's alone, with the value that it has anyway.
        let before = docker::identity(&router).await?;
        world.site.set(&[("BEAVER_PROXY_PROTOCOL", "off")])?;
        world.site.up().await?;
        ensure!(docker::identity(&router).await? != before, "the settings are not in force");
        load.wait_good(10).await?;
        let left = docker::inspect(&router).await?;
        ensure_eq!(left["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
        ensure!(docker::inspect(&format!("{router}-interim")).await.is_err(), "the interim router is left");
        Ok(())
    }
    .await;
    let bad = load.end().await?;
    outcome?;
    ensure!(bad.is_empty(), "requests failed: {bad:#?}");
    Ok(())
}

//! What an instance can reach: the issuer and nothing else of this machine. Each place that must be closed
//! is shown to answer the host first, so that a refusal means something.

use e2e::fixture::World;
use e2e::reach::{Listener, METADATA, Metadata, reachable};
use e2e::shell::docker;
use e2e::{Failure, Outcome, docker as inspect, ensure};
use serde_json::Value;

/// Asks from inside alice's container which of the addresses a connection can be made to.
async fn reached_from_alice(world: &World, targets: &[String]) -> Outcome<Vec<bool>> {
    let container = inspect::instance_container(&world.site.name, "alice").await?;
    let list = targets.join(",");
    let args = ["exec", &container, "/app-instance", "probe", "--connect", &list, "--timeout-ms", "1500"];
    let output = docker(&args).await?.success()?;
    let report: Value = serde_json::from_str(output.stdout.trim())?;
    targets
        .iter()
        .map(|target| {
            let results = report["results"].as_array().into_iter().flatten();
            let own = results.into_iter().find(|r| r["address"] == target.as_str());
            own.and_then(|r| r["reached"].as_bool())
                .ok_or_else(|| Failure(format!("no result for {target}: {report}")))
        })
        .collect()
}

pub(crate) async fn an_instance_reaches_the_issuer_and_nothing_else(world: &World) -> Outcome {
    world.signed_in("alice").await?;
    world.signed_in("bob").await?;
    let metadata = Metadata::start(&world.site.name).await?;
    let outcome = check(world).await;
    metadata.end().await?;
    outcome
}

async fn check(world: &World) -> Outcome {
    let site = &world.site;
    let bob = world.instance("bob").await?.upstream.ok_or_else(|| Failure("bob has no address".into()))?;
    let on_control = Listener::start(&format!("{}:0", site.control_ip)).await?;
    let host_ip = host_address().await?;
    let gateway = format!("{}.0.1", site.instance_net);
    let closed = [
        bob.to_string(),
        on_control.address.to_string(),
        format!("{gateway}:{}", site.router_port),
        format!("{}:{}", site.control_ip, site.router_port),
        format!("{host_ip}:{}", site.router_port),
        METADATA.to_owned(),
    ];
    for address in &closed {
        ensure!(
            reachable(address).await,
            "{address} does not even answer the host, so nothing would be proven"
        );
    }
    let loopback =
        [site.deploy_port, site.authz_port, site.router_port].map(|port| format!("127.0.0.1:{port}"));
    let all: Vec<String> = closed.iter().chain(&loopback).cloned().collect();
    for (address, reached) in all.iter().zip(reached_from_alice(world, &all).await?) {
        ensure!(!reached, "alice's instance can reach {address}");
    }
    let issuer = [format!("{}:{}", site.control_ip, site.issuer_port)];
    ensure!(reached_from_alice(world, &issuer).await? == [true], "alice's instance cannot reach the issuer");
    Ok(())
}

/// An address of this machine that is neither loopback nor ours.
async fn host_address() -> Outcome<String> {
    let args = ["-4", "-o", "addr", "show", "scope", "global"];
    let limit = std::time::Duration::from_secs(5);
    let output = e2e::shell::run(std::path::Path::new("ip"), &args, &[], "", limit).await?.success()?;
    let mut lines = output.stdout.lines().filter(|line| !line.contains(" br-") && !line.contains(" docker"));
    lines
        .find(|line| !line.split_whitespace().nth(3).unwrap_or_default().starts_with("10."))
        .and_then(|line| line.split_whitespace().nth(3)?.split('/').next().map(str::to_owned))
        .ok_or_else(|| Failure("this machine has no address but its own bridges'".into()))
}

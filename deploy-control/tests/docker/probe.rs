//! The isolation probe: sees isolation where there is one, and its absence where there is none.

use std::collections::HashMap;
use std::net::SocketAddr;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use deploy_control::docker::DockerEngine;
use deploy_control::engine::{Engine as _, ProbeTarget};
use tokio::net::TcpListener;

use super::rig::{DOCKER_SOCKET, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn siblings_are_out_of_reach_and_what_is_in_reach_is_seen() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let instance = rig.spec("alice", 20);
    rig.run(&instance).await;
    // The host's own address on the bridge stands in for the issuer: the firewall is not this test's.
    let host = TcpListener::bind(SocketAddr::from((rig.network().gateway, 0))).await.expect("a port");
    let target =
        |name: &str, address: String, must_reach| ProbeTarget { name: name.into(), address, must_reach };
    let targets = [
        target("the issuer", host.local_addr().expect("an address").to_string(), true),
        target("an instance", format!("{}:8080", instance.address), false),
    ];
    let (from, peer) = (rig.address(21), rig.address(22));
    let probe = async || rig.engine.probe(&rig.image_id, &rig.network().name, from, peer, &targets).await;
    let findings = probe().await.expect("findings");
    let seen: Vec<_> = findings.iter().map(|f| (f.target.address.clone(), f.reached)).collect();
    assert_eq!(
        seen,
        [
            (targets[0].address.clone(), true),
            (targets[1].address.clone(), false),
            (format!("{peer}:8080"), false),
        ]
    );
    // Its containers are no instances, and they are gone.
    assert_eq!(rig.engine.list().await.expect("a list").len(), 1);
    probe().await.expect("the same addresses are free again");
    rig.engine.remove(&instance.container_name()).await.expect("removed");
    rig.assert_no_containers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_lets_containers_talk_is_found_out() {
    let rig = Rig::new().await;
    let spec = rig.network();
    let range = IpamConfig {
        subnet: Some(spec.subnet.to_string()),
        gateway: Some(spec.gateway.to_string()),
        ..Default::default()
    };
    let open = NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { config: Some(vec![range]), ..Default::default() }),
        options: Some(HashMap::from([("com.docker.network.bridge.name".to_owned(), spec.bridge.clone())])),
        labels: Some(HashMap::from([("beaver.installation".to_owned(), rig.installation.clone())])),
        ..Default::default()
    };
    rig.docker.create_network(open).await.expect("a network");
    // Without the guard: the engine alone does the same.
    let engine = DockerEngine::new(DOCKER_SOCKET.as_ref(), &rig.installation);
    let findings = engine.probe(&rig.image_id, &spec.name, rig.address(21), rig.address(22), &[]).await;
    let findings = findings.expect("findings");
    assert!(findings.len() == 1 && findings[0].reached, "{findings:?}");
    rig.assert_no_containers().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_probe_left_is_removed_by_the_next() {
    let rig = Rig::new().await;
    rig.engine.ensure_network(&rig.network()).await.expect("a network");
    let network = rig.network().name;
    let (from, peer) = (rig.address(21), rig.address(22));
    // Dropped while it runs, at a point where a container is there.
    let interrupted = rig.engine.probe(&rig.image_id, &network, from, peer, &[]);
    let appeared = async {
        loop {
            let names = rig.docker.list_containers(None).await.expect("a list");
            let own = format!("/{}-probe_", rig.installation);
            if names.iter().flat_map(|c| c.names.iter().flatten()).any(|name| name.starts_with(&own)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { _ = interrupted => panic!("it ended first"), () = appeared => {} }
    assert_eq!(rig.engine.list().await, Ok(vec![]), "probes are not listed");
    let findings = rig.engine.probe(&rig.image_id, &network, from, peer, &[]).await.expect("findings");
    assert!(!findings[0].reached);
    rig.assert_no_containers().await;
}

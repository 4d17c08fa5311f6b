//! Networks against a real Docker Engine: made once, taken again, and never another's.

use deploy_control::engine::{Engine as _, EngineError, NetworkSpec};
use serde_json::{Value, json};

use super::rig::Rig;

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_made_once_with_traffic_between_containers_off() {
    let rig = Rig::new().await;
    let spec = rig.network();
    rig.engine.ensure_network(&spec).await.expect("made");
    rig.engine.ensure_network(&spec).await.expect("taken again");
    let made = rig.docker.inspect_network(&spec.name, None).await.expect("there");
    let made: Value = serde_json::to_value(made).expect("json");
    assert_eq!(made["Driver"], json!("bridge"));
    assert_eq!(made["Internal"], json!(false));
    assert_eq!(made["Options"]["com.docker.network.bridge.enable_icc"], json!("false"));
    assert_eq!(made["Options"]["com.docker.network.bridge.name"], json!(spec.bridge));
    assert_eq!(made["IPAM"]["Config"], json!([{"Subnet": spec.subnet, "Gateway": spec.gateway}]));
    assert_eq!(made["Labels"], json!({"beaver.managed": "true", "beaver.installation": rig.installation}));
    let control = NetworkSpec {
        name: format!("{}-control", rig.installation),
        bridge: format!("{}ctl", rig.guard_config().policy.bridge_prefix),
        subnet: rig.guard_config().policy.control_subnet,
        gateway: rig.address(241),
    };
    rig.engine.ensure_network(&control).await.expect("made");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlap_and_a_changed_subnet_are_conflicts_that_name_what_is_in_the_way() {
    let rig = Rig::new().await;
    let first = rig.network();
    rig.engine.ensure_network(&first).await.expect("made");

    let mut second = first.clone();
    second.name = first.name.replace("-edge-0", "-edge-1");
    second.bridge = format!("{}1", rig.guard_config().policy.bridge_prefix);
    let error = rig.engine.ensure_network(&second).await.expect_err("overlaps");
    assert!(matches!(&error, EngineError::Conflict(what) if what.contains(&first.name)), "{error}");

    let mut moved = first.clone();
    moved.subnet = "10.191.255.0/26".parse().expect("a net");
    let error = rig.engine.ensure_network(&moved).await.expect_err("another subnet");
    assert!(matches!(&error, EngineError::Conflict(what) if what.contains("subnet")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_network_is_not_taken() {
    let rig = Rig::new().await;
    let spec = rig.network();
    let stranger = bollard::models::NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        // For the rig's clean-up, which goes by this label; the one that it must have is not there.
        labels: Some([("stranger".to_owned(), "yes".to_owned())].into()),
        ..Default::default()
    };
    rig.docker.create_network(stranger).await.expect("made");
    let answer = rig.engine.ensure_network(&spec).await;
    rig.docker.remove_network(&spec.name).await.expect("removed");
    assert!(matches!(answer, Err(EngineError::Conflict(_))), "{answer:?}");
}

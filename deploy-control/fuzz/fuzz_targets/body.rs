//! The body of a container: the input is its name, a line feed and the bytes. Whatever docker-guard lets through
//! must satisfy the oracle.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../src/guard.rs"]
#[allow(dead_code, reason = "the other target and the service use the rest")]
mod guard;
#[path = "../../src/image_name.rs"]
#[allow(dead_code, reason = "the other target and the service use the rest")]
mod image_name;
#[path = "../src/oracle.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod oracle;

use guard::body::{ContainerBody, parse};
use guard::policy::Policy;

fuzz_target!(|data: &[u8]| {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(name) = std::str::from_utf8(&data[..end]) else { return };
    let policy = Policy {
        installation: "beaver".to_owned(),
        net_prefix: "beaver-instance-edge".to_owned(),
        bridge_prefix: "br-bvr-".to_owned(),
        instance_subnet: "10.89.0.0/16".parse().unwrap(),
        control_subnet: "10.88.0.0/24".parse().unwrap(),
        instances_root: "/srv/beaver/runtime/instances".to_owned(),
        uid_base: 200_000,
    };
    let Ok(body) = parse::<ContainerBody>(&data[end + 1..]) else { return };
    if policy.check_container(name, &body).is_ok() {
        let sent = serde_json::to_value(&body).unwrap();
        if let Err(fault) = oracle::container(name, &sent) {
            panic!("{fault}: {sent}");
        }
    }
});

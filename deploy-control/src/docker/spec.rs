//! From an instance to the body of `POST /containers/create`: one pure function, every value of which is either
//! the instance's own or a constant of `guard::hardening`. `golden/instance.json` pins the outcome; whoever
//! changes it must raise the version in `ContainerSpec::spec_hash`, or running containers count as current.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, NetworkingConfig, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};

use crate::engine::{ContainerSpec, Limits};
use crate::guard::hardening as fixed;

/// Limits of a probe container.
const PROBE_LIMITS: Limits =
    Limits { memory_bytes: 64 * 1024 * 1024, milli_cpus: 500, pids: 32, disk_bytes: 0 };

/// The body for an instance's container.
pub fn container_body(spec: &ContainerSpec) -> ContainerCreateBody {
    let binds = vec![
        format!("{}:{}:ro", spec.config_dir.display(), fixed::CONFIG_PATH),
        format!("{}:{}:rw", spec.data_dir.display(), fixed::DATA_PATH),
    ];
    let (issuer, address) = &spec.issuer_host;
    let host_config = HostConfig {
        binds: Some(binds),
        extra_hosts: Some(vec![format!("{issuer}:{address}")]),
        ..host_config(&spec.network, &spec.limits)
    };
    let mut labels = base_labels(&spec.installation);
    labels.extend(
        [
            (fixed::LABEL_INSTANCE_ID, spec.instance_id.to_string()),
            (fixed::LABEL_SLUG, spec.slug.to_string()),
            (fixed::LABEL_OWNER_ID, spec.owner_id.to_string()),
            (fixed::LABEL_GENERATION, spec.generation.to_string()),
            (fixed::LABEL_SPEC_HASH, spec.spec_hash()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    ContainerCreateBody {
        hostname: Some(spec.slug.to_string()),
        user: Some(format!("{0}:{0}", spec.uid)),
        env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        image: Some(spec.image_id.clone()),
        labels: Some(labels),
        stop_timeout: Some(fixed::STOP_TIMEOUT_S),
        host_config: Some(host_config),
        networking_config: Some(networking(&spec.network, spec.address)),
        ..ContainerCreateBody::default()
    }
}

/// The body for a probe container: as an instance's, without folders, as nobody, with `command`.
pub(super) fn probe_body(
    installation: &str,
    image_id: &str,
    network: &str,
    address: Ipv4Addr,
    command: Vec<String>,
) -> ContainerCreateBody {
    let mut labels = base_labels(installation);
    labels.insert(fixed::LABEL_PROBE.to_owned(), "true".to_owned());
    ContainerCreateBody {
        hostname: Some(fixed::PROBE_HOSTNAME.to_owned()),
        user: Some(format!("{0}:{0}", fixed::PROBE_UID)),
        cmd: Some(command),
        image: Some(image_id.to_owned()),
        labels: Some(labels),
        // Nothing in it is worth a soft stop.
        stop_timeout: Some(1),
        host_config: Some(host_config(network, &PROBE_LIMITS)),
        networking_config: Some(networking(network, address)),
        ..ContainerCreateBody::default()
    }
}

fn base_labels(installation: &str) -> HashMap<String, String> {
    HashMap::from([
        (fixed::LABEL_MANAGED.to_owned(), "true".to_owned()),
        (fixed::LABEL_INSTALLATION.to_owned(), installation.to_owned()),
    ])
}

/// All that stands between the app and the host.
fn host_config(network: &str, limits: &Limits) -> HostConfig {
    let memory = i64::try_from(limits.memory_bytes).unwrap_or(i64::MAX);
    let log_options = fixed::LOG_OPTIONS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // A process of Docker's own as the first one reaps children and passes signals on.
        init: Some(true),
        ipc_mode: Some("private".to_owned()),
        log_config: Some(HostConfigLogConfig {
            typ: Some(fixed::LOG_DRIVER.to_owned()),
            config: Some(HashMap::from(log_options)),
        }),
        memory: Some(memory),
        // Memory and swap together: the same number means no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(limits.milli_cpus) * 1_000_000),
        network_mode: Some(network.to_owned()),
        oom_score_adj: Some(fixed::OOM_SCORE_ADJ),
        pids_limit: Some(i64::from(limits.pids)),
        readonly_rootfs: Some(true),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        security_opt: Some(vec![fixed::SECURITY_OPT.to_owned()]),
        tmpfs: Some(HashMap::from([(fixed::TMPFS_PATH.to_owned(), fixed::TMPFS_OPTIONS.to_owned())])),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(fixed::NOFILE),
            hard: Some(fixed::NOFILE),
        }]),
        ..HostConfig::default()
    }
}

fn networking(network: &str, address: Ipv4Addr) -> NetworkingConfig {
    let ipam_config =
        EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..EndpointIpamConfig::default() };
    let endpoint = EndpointSettings { ipam_config: Some(ipam_config), ..EndpointSettings::default() };
    NetworkingConfig { endpoints_config: Some(HashMap::from([(network.to_owned(), endpoint)])) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::body::{ContainerBody, parse};
    use crate::guard::policy::Policy;

    const GOLDEN: &str = include_str!("golden/instance.json");

    fn spec() -> ContainerSpec {
        ContainerSpec {
            installation: "beaver".to_owned(),
            instance_id: "01JDF3X5S8Q4M7R2V6T9W0YZAB".parse().expect("an id"),
            slug: "alice".parse().expect("a slug"),
            owner_id: "01JDF3X5S8Q4M7R2V6T9W0YZAC".parse().expect("an id"),
            generation: 7,
            image_id: format!("sha256:{}", "ab".repeat(32)),
            env: vec![
                ("BEAVER_SLUG".to_owned(), "alice".to_owned()),
                ("AUTHZ_ISSUER".to_owned(), "http://beaver-authz-service:19090".to_owned()),
            ],
            uid: 200_001,
            network: "beaver-instance-edge-0".to_owned(),
            address: Ipv4Addr::new(10, 89, 0, 10),
            issuer_host: ("beaver-authz-service".to_owned(), Ipv4Addr::new(10, 88, 0, 1)),
            config_dir: "/srv/beaver/runtime/instances/01JDF3X5S8Q4M7R2V6T9W0YZAB/config".into(),
            data_dir: "/srv/beaver/runtime/instances/01JDF3X5S8Q4M7R2V6T9W0YZAB/data".into(),
            limits: Limits {
                memory_bytes: 256 * 1024 * 1024,
                milli_cpus: 1000,
                pids: 256,
                disk_bytes: 1 << 30,
            },
        }
    }

    fn policy() -> Policy {
        Policy {
            installation: "beaver".to_owned(),
            net_prefix: "beaver-instance-edge".to_owned(),
            bridge_prefix: "br-bvr-".to_owned(),
            instance_subnet: "10.89.0.0/16".parse().expect("a net"),
            control_subnet: "10.88.0.0/24".parse().expect("a net"),
            instances_root: "/srv/beaver/runtime/instances".to_owned(),
            uid_base: 200_000,
        }
    }

    #[test]
    fn the_body_is_the_golden_one() {
        let body = serde_json::to_value(container_body(&spec())).expect("json");
        let golden: serde_json::Value = serde_json::from_str(GOLDEN).expect("json");
        let shown = serde_json::to_string_pretty(&body).expect("json");
        assert_eq!(body, golden, "the body is now\n{shown}");
    }

    #[test]
    fn the_guards_policy_passes_what_is_made_here() {
        let bytes = serde_json::to_vec(&container_body(&spec())).expect("json");
        let body: ContainerBody = parse(&bytes).expect("a body");
        assert_eq!(policy().check_container("beaver-alice-7", &body), Ok(()));
        let again = serde_json::to_value(&body).expect("json");
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(GOLDEN).expect("json"));

        let probe = probe_body(
            "beaver",
            "sha256:00",
            "beaver-instance-edge-0",
            Ipv4Addr::new(10, 89, 0, 3),
            vec!["probe".to_owned(), "--listen".to_owned(), "8080".to_owned()],
        );
        let body: ContainerBody = parse(&serde_json::to_vec(&probe).expect("json")).expect("a body");
        assert_eq!(policy().check_container("beaver-probe_01jdf", &body), Ok(()));
    }
}

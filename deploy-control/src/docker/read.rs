//! How Docker's answers are read: containers, events and usage become the engine's types. Pure. A container
//! counts as an instance's only if every one of our labels is there and parses.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerInspectResponse, ContainerState as DockerState, ContainerStateStatusEnum,
    ContainerStatsResponse, ContainerSummary, ContainerSummaryStateEnum, EndpointSettings, EventMessage,
};

use crate::engine::{ContainerEvent, ContainerInfo, ContainerState, OwnLabels, Usage};
use crate::guard::hardening as fixed;

type Labels = HashMap<String, String>;

/// Whether the labels are this installation's, probes included.
pub(super) fn is_ours(labels: Option<&Labels>, installation: &str) -> bool {
    let is = |key: &str, value: &str| labels.and_then(|l| l.get(key)).is_some_and(|found| found == value);
    is(fixed::LABEL_MANAGED, "true") && is(fixed::LABEL_INSTALLATION, installation)
}

/// Whether the labels are a probe container's.
pub(super) fn is_probe(labels: Option<&Labels>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(fixed::LABEL_PROBE))
}

fn own_labels(labels: Option<&Labels>, installation: &str) -> Option<OwnLabels> {
    if !is_ours(labels, installation) || is_probe(labels) {
        return None;
    }
    let label = |key: &str| labels.and_then(|l| l.get(key)).map(String::as_str);
    Some(OwnLabels {
        instance_id: label(fixed::LABEL_INSTANCE_ID)?.parse().ok()?,
        slug: label(fixed::LABEL_SLUG)?.parse().ok()?,
        owner_id: label(fixed::LABEL_OWNER_ID)?.parse().ok()?,
        generation: label(fixed::LABEL_GENERATION)?.parse().ok()?,
        spec_hash: label(fixed::LABEL_SPEC_HASH)?.to_owned(),
    })
}

/// Reads one of a list. The list does not say whether memory ran out: `oom_killed` is false there.
pub(super) fn summary(container: ContainerSummary, installation: &str) -> ContainerInfo {
    let status = container.status.as_deref().unwrap_or_default();
    let state = match container.state {
        Some(ContainerSummaryStateEnum::CREATED) => ContainerState::Created,
        Some(ContainerSummaryStateEnum::RUNNING) => ContainerState::Running,
        Some(ContainerSummaryStateEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerSummaryStateEnum::EXITED) => {
            ContainerState::Exited { code: exit_code(status), oom_killed: false }
        }
        _ => ContainerState::Changing,
    };
    let networks = container.network_settings.and_then(|settings| settings.networks);
    let name = container.names.into_iter().flatten().next().unwrap_or_default();
    ContainerInfo {
        id: container.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        labels: own_labels(container.labels.as_ref(), installation),
        state,
        image_id: container.image_id.unwrap_or_default(),
        address: address(networks),
    }
}

/// The code in a list's status text, `Exited (137) 3 minutes ago`.
fn exit_code(status: &str) -> i64 {
    let code = status.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    code.and_then(|(code, _)| code.parse().ok()).unwrap_or(-1)
}

/// Reads an inspect. Of a stranger's container docker-guard tells id and name alone.
pub(super) fn inspected(container: ContainerInspectResponse, installation: &str) -> ContainerInfo {
    let networks = container.network_settings.and_then(|settings| settings.networks);
    let labels = container.config.and_then(|config| config.labels);
    ContainerInfo {
        id: container.id.unwrap_or_default(),
        name: container.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels: own_labels(labels.as_ref(), installation),
        state: container.state.map_or(ContainerState::Changing, |state| inspected_state(&state)),
        image_id: container.image.unwrap_or_default(),
        address: address(networks),
    }
}

fn inspected_state(state: &DockerState) -> ContainerState {
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => ContainerState::Created,
        Some(ContainerStateStatusEnum::RUNNING) => ContainerState::Running,
        Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerStateStatusEnum::EXITED) => ContainerState::Exited {
            code: state.exit_code.unwrap_or(-1),
            oom_killed: state.oom_killed.unwrap_or(false),
        },
        _ => ContainerState::Changing,
    }
}

/// The address that was asked for, or else the one that was given: a stopped container has the former alone.
fn address(networks: Option<HashMap<String, EndpointSettings>>) -> Option<Ipv4Addr> {
    networks?.into_values().find_map(|endpoint| {
        let asked = endpoint.ipam_config.and_then(|config| config.ipv4_address);
        asked.into_iter().chain(endpoint.ip_address).find_map(|text| text.parse().ok())
    })
}

/// Reads an event about an instance's container; those about probes and strangers are nothing.
pub(super) fn event(message: EventMessage, installation: &str) -> Option<ContainerEvent> {
    let attributes = message.actor.and_then(|actor| actor.attributes);
    let labels = own_labels(attributes.as_ref(), installation)?;
    let exit_code = attributes?.get("exitCode").and_then(|code| code.parse().ok());
    Some(ContainerEvent { instance_id: labels.instance_id, action: message.action?, exit_code })
}

/// Reads two samples about a second apart. Docker gives the host's CPU time in the same unit as the
/// container's, over all cores together; memory leaves out the file cache that can be dropped, whose name is
/// `total_inactive_file` in cgroup v1 and `inactive_file` in v2. All is zero where nothing runs.
pub(super) fn usage(stats: &ContainerStatsResponse) -> Usage {
    let total = |cpu: Option<&bollard::models::ContainerCpuStats>| {
        let cpu = cpu?;
        Some((cpu.cpu_usage.as_ref()?.total_usage?, cpu.system_cpu_usage?))
    };
    let cores = stats.cpu_stats.as_ref().and_then(|cpu| cpu.online_cpus).unwrap_or(1).max(1);
    let cpu_percent = match (total(stats.precpu_stats.as_ref()), total(stats.cpu_stats.as_ref())) {
        (Some((before, system_before)), Some((now, system_now))) if system_now > system_before => {
            let (own, system) = (now.saturating_sub(before), system_now - system_before);
            to_f64(own) / to_f64(system) * f64::from(cores) * 100.0
        }
        _ => 0.0,
    };
    let memory = stats.memory_stats.as_ref();
    let cache = memory.and_then(|m| m.stats.as_ref()).and_then(|detail| {
        detail.get("total_inactive_file").or_else(|| detail.get("inactive_file")).copied()
    });
    let used = memory.and_then(|m| m.usage).unwrap_or(0);
    Usage {
        cpu_percent,
        memory_bytes: used.saturating_sub(cache.unwrap_or(0)),
        pids: stats.pids_stats.as_ref().and_then(|pids| pids.current).unwrap_or(0),
    }
}

/// Reads the processor time of one sample; zero where nothing runs.
pub(super) fn cpu_time(stats: &ContainerStatsResponse) -> u64 {
    let usage = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref());
    usage.and_then(|usage| usage.total_usage).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of about a second are exact")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_count_only_whole_and_of_this_installation() {
        let labels: Labels = [
            ("beaver.managed", "true"),
            ("beaver.installation", "beaver"),
            ("beaver.instance-id", "01JDF3X5S8Q4M7R2V6T9W0YZAB"),
            ("beaver.owner-id", "01JDF3X5S8Q4M7R2V6T9W0YZAC"),
            ("beaver.slug", "alice"),
            ("beaver.generation", "7"),
            ("beaver.spec-hash", "ab"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        assert_eq!(own_labels(Some(&labels), "beaver").expect("ours").generation, 7);
        assert_eq!(own_labels(Some(&labels), "other"), None);
        for key in labels.keys() {
            let mut fewer = labels.clone();
            fewer.remove(key);
            assert_eq!(own_labels(Some(&fewer), "beaver"), None, "without {key}");
        }
        let mut probe = labels.clone();
        probe.insert("beaver.probe".to_owned(), "true".to_owned());
        assert_eq!(own_labels(Some(&probe), "beaver"), None);
        assert_eq!(own_labels(None, "beaver"), None);
    }

    #[test]
    fn the_exit_code_is_read_from_the_lists_text() {
        assert_eq!(exit_code("Exited (137) 3 minutes ago"), 137);
        assert_eq!(exit_code("Exited (0) Less than a second ago"), 0);
        assert_eq!(exit_code("nonsense"), -1);
    }

    #[test]
    fn usage_is_of_one_core_and_without_the_cache_in_both_cgroup_versions() {
        let stats = |cache: &str| {
            serde_json::from_value(json!({
                "precpu_stats": {"cpu_usage": {"total_usage": 1_000}, "system_cpu_usage": 10_000},
                "cpu_stats": {"cpu_usage": {"total_usage": 2_000}, "system_cpu_usage": 14_000, "online_cpus": 2},
                "memory_stats": {"usage": 100, "stats": {cache: 30}},
                "pids_stats": {"current": 4},
            }))
            .expect("stats")
        };
        let expected = Usage { cpu_percent: 50.0, memory_bytes: 70, pids: 4 };
        assert_eq!(usage(&stats("total_inactive_file")), expected);
        assert_eq!(usage(&stats("inactive_file")), expected);
        assert_eq!(cpu_time(&stats("inactive_file")), 2_000);
        assert_eq!(cpu_time(&ContainerStatsResponse::default()), 0);
        let nothing = Usage { cpu_percent: 0.0, memory_bytes: 0, pids: 0 };
        assert_eq!(usage(&ContainerStatsResponse::default()), nothing);
    }
}

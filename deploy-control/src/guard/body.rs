//! The bodies that docker-guard takes, as strict types: a key that is not here is refused whatever its value,
//! a key that is here and has no default must be given. Docker is sent what these types write, never the
//! caller's bytes: Docker reads keys without regard to case and takes the last of two equal ones, so two
//! readers of the same bytes could see different bodies.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::policy::Refusal;

/// Body of `POST /containers/create`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ContainerBody {
    /// Host name inside.
    pub hostname: String,
    /// `uid:gid`.
    pub user: String,
    /// Arguments; probes alone have any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// `NAME=value`.
    #[serde(default)]
    pub env: Vec<String>,
    /// The image's id.
    pub image: String,
    /// Our labels and no others.
    pub labels: BTreeMap<String, String>,
    /// Seconds until a stop becomes hard.
    pub stop_timeout: i64,
    /// What Docker does on the host for it.
    pub host_config: HostConfig,
    /// Networks.
    pub networking_config: NetworkingConfig,
}

/// `HostConfig`: all that can touch the host is either pinned or absent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HostConfig {
    /// `source:target:mode`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<String>,
    /// Must be `ALL`.
    pub cap_drop: Vec<String>,
    /// Must be `private`.
    pub cgroupns_mode: String,
    /// `name:address`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    /// Must be set.
    pub init: bool,
    /// Must be `private`.
    pub ipc_mode: String,
    /// Pinned.
    pub log_config: LogConfig,
    /// Bytes.
    pub memory: i64,
    /// Equal to `memory`: no swap.
    pub memory_swap: i64,
    /// Billionths of a core.
    pub nano_cpus: i64,
    /// A network of the plan.
    pub network_mode: String,
    /// Pinned.
    pub oom_score_adj: i64,
    /// Processes and threads.
    pub pids_limit: i64,
    /// Must be set.
    pub readonly_rootfs: bool,
    /// Pinned to none: the reconciler decides.
    pub restart_policy: RestartPolicy,
    /// Pinned.
    pub security_opt: Vec<String>,
    /// Pinned.
    pub tmpfs: BTreeMap<String, String>,
    /// Pinned.
    pub ulimits: Vec<Ulimit>,
}

/// `HostConfig.LogConfig`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LogConfig {
    /// The driver.
    #[serde(rename = "Type")]
    pub driver: String,
    /// Its options.
    pub config: BTreeMap<String, String>,
}

/// `HostConfig.RestartPolicy`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RestartPolicy {
    /// Must be `no`.
    pub name: String,
}

/// One of `HostConfig.Ulimits`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Ulimit {
    /// `nofile`.
    pub name: String,
    /// Soft limit.
    pub soft: i64,
    /// Hard limit.
    pub hard: i64,
}

/// `NetworkingConfig`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkingConfig {
    /// By network name: exactly the one of `NetworkMode`.
    pub endpoints_config: BTreeMap<String, Endpoint>,
}

/// The container's end of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its static address.
    #[serde(rename = "IPAMConfig")]
    pub ipam: EndpointIpam,
}

/// `IPAMConfig` of an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointIpam {
    /// The address.
    #[serde(rename = "IPv4Address")]
    pub address: String,
}

/// Body of `POST /networks/create`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkBody {
    /// A name of the plan.
    pub name: String,
    /// Must be `bridge`.
    pub driver: String,
    /// One subnet.
    #[serde(rename = "IPAM")]
    pub ipam: NetworkIpam,
    /// Pinned but for the bridge's name.
    pub options: BTreeMap<String, String>,
    /// Our labels and no others.
    pub labels: BTreeMap<String, String>,
    /// Always sent: Engines before API 1.44 would otherwise make two networks of one name.
    #[serde(default = "yes", skip_deserializing)]
    pub check_duplicate: bool,
}

fn yes() -> bool {
    true
}

/// `IPAM` of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkIpam {
    /// Exactly one.
    pub config: Vec<NetworkRange>,
}

/// A subnet of a network.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkRange {
    /// In CIDR notation.
    pub subnet: String,
    /// The host's address.
    pub gateway: String,
}

/// Reads a body strictly; the refusal names the key that is at fault.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        // The list of the keys that would be allowed helps nobody.
        let text = text.split(", expected").next().unwrap_or_default();
        // Nor may a value, which could be a secret, come into the log.
        let text = text.split('"').next().unwrap_or_default().trim_end();
        Refusal::new(format!("the body is not one of Beaver's own: {text}"))
    })
}

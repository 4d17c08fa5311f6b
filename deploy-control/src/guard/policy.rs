//! What docker-guard allows, as a pure type: one constant policy for containers and networks, deny by default.
//! It must stay true that a body which passes gives no more power over the host than an instance of the app
//! has. The check of bind sources is textual; the server adds a look at the folders for symbolic links, which
//! cannot be more than a second line, because Docker resolves the path again later.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use control_api::ids::{InstanceId, UserId};
use control_api::names::Slug;
use ipnet::Ipv4Net;

use super::body::{ContainerBody, HostConfig, NetworkBody};
use super::hardening as fixed;

/// Why something was refused: the rule, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("docker-guard: {0}")]
pub struct Refusal(String);

impl Refusal {
    /// A refusal that names its rule.
    pub fn new(rule: impl Into<String>) -> Self {
        Self(rule.into())
    }
}

/// The facts of this installation that the policy is about.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Value of `beaver.installation` and beginning of every container's name.
    pub installation: String,
    /// Beginning of the instance networks' names, without the dash.
    pub net_prefix: String,
    /// Beginning of the bridges' names.
    pub bridge_prefix: String,
    /// Where instances' addresses come from.
    pub instance_subnet: Ipv4Net,
    /// The network that carries the issuer's address.
    pub control_subnet: Ipv4Net,
    /// `<PROJECT_ROOT>/runtime/instances`, absolute and without a slash at its end.
    pub instances_root: String,
    /// Instances run as users from here on.
    pub uid_base: u32,
}

type Verdict = Result<(), Refusal>;

fn insist(holds: bool, rule: &str) -> Verdict {
    if holds { Ok(()) } else { Err(Refusal::new(rule)) }
}

impl Policy {
    /// Whether these labels are those of this installation.
    pub fn owns(&self, labels: &HashMap<String, String>) -> bool {
        let is = |name: &str, value: &str| labels.get(name).is_some_and(|found| found == value);
        is(fixed::LABEL_MANAGED, "true") && is(fixed::LABEL_INSTALLATION, &self.installation)
    }

    /// Name of the network that carries the issuer's address.
    pub fn control_network(&self) -> String {
        format!("{}-control", self.installation)
    }

    /// Whether the network's name is one of the plan: the control network or a numbered instance network.
    pub fn plans_network(&self, name: &str) -> bool {
        name == self.control_network() || self.shard(name).is_some()
    }

    /// The number of an instance network.
    fn shard(&self, name: &str) -> Option<u32> {
        let digits = name.strip_prefix(&self.net_prefix)?.strip_prefix('-')?;
        let number: u32 = digits.parse().ok()?;
        // One spelling of a number alone: no sign, no leading zero.
        (number.to_string() == digits).then_some(number)
    }

    /// Checks the body of a network.
    pub fn check_network(&self, body: &NetworkBody) -> Verdict {
        let (bridge, within) = match self.shard(&body.name) {
            Some(number) => (format!("{}{number}", self.bridge_prefix), self.instance_subnet),
            None if body.name == self.control_network() => {
                (format!("{}ctl", self.bridge_prefix), self.control_subnet)
            }
            None => return Err(Refusal::new("the network's name must be one of the plan")),
        };
        insist(body.driver == "bridge", "the network's driver must be bridge")?;
        let options =
            [(fixed::BRIDGE_ICC.to_owned(), "false".to_owned()), (fixed::BRIDGE_NAME.to_owned(), bridge)];
        insist(
            body.options == BTreeMap::from(options),
            "the network must have traffic between containers off, its bridge of the plan, and no other option",
        )?;
        insist(body.labels == self.base_labels(), "the network must carry our labels and no others")?;
        let [range] = body.ipam.config.as_slice() else {
            return Err(Refusal::new("the network must have exactly one subnet"));
        };
        let (Ok(subnet), Ok(gateway)) = (range.subnet.parse::<Ipv4Net>(), range.gateway.parse::<Ipv4Addr>())
        else {
            return Err(Refusal::new("the network's subnet and gateway must be IPv4"));
        };
        insist(
            within.contains(&subnet) && subnet.trunc() == subnet && subnet.contains(&gateway),
            "the network's subnet must lie in its part of the address plan and hold its gateway",
        )
    }

    /// Checks the name and the body of a container; its image is checked apart, because that needs Docker.
    pub fn check_container(&self, name: &str, body: &ContainerBody) -> Verdict {
        if body.labels.contains_key(fixed::LABEL_PROBE) {
            self.check_probe(name, body)?;
        } else {
            self.check_instance(name, body)?;
        }
        insist((1..=60).contains(&body.stop_timeout), "StopTimeout must be 1 to 60 s")?;
        check_host_config(&body.host_config)?;
        self.check_endpoint(body)
    }

    fn base_labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (fixed::LABEL_MANAGED.to_owned(), "true".to_owned()),
            (fixed::LABEL_INSTALLATION.to_owned(), self.installation.clone()),
        ])
    }

    fn check_probe(&self, name: &str, body: &ContainerBody) -> Verdict {
        let mut labels = self.base_labels();
        labels.insert(fixed::LABEL_PROBE.to_owned(), "true".to_owned());
        insist(body.labels == labels, "a probe must carry the probe's labels and no others")?;
        let suffix = name.strip_prefix(&fixed::probe_name_prefix(&self.installation));
        let plain = |s: &str| !s.is_empty() && s.len() <= 40 && s.bytes().all(|b| b.is_ascii_alphanumeric());
        insist(suffix.is_some_and(plain), "a probe's name must be <installation>-probe_<letters or digits>")?;
        let uid = fixed::PROBE_UID;
        insist(body.user == format!("{uid}:{uid}"), "a probe must run as nobody")?;
        insist(body.hostname == fixed::PROBE_HOSTNAME, "a probe's host name must be `probe`")?;
        insist(
            body.cmd.first().is_some_and(|first| first == fixed::PROBE_COMMAND),
            "a probe must run the image's probe command",
        )?;
        insist(body.host_config.binds.is_empty(), "a probe may not mount anything")
    }

    fn check_instance(&self, name: &str, body: &ContainerBody) -> Verdict {
        let label = |key: &str| body.labels.get(key).map(String::as_str).unwrap_or_default();
        let instance_id = label(fixed::LABEL_INSTANCE_ID);
        let slug = label(fixed::LABEL_SLUG);
        let generation = label(fixed::LABEL_GENERATION);
        let hash = label(fixed::LABEL_SPEC_HASH);
        let well_formed = self.base_labels().iter().all(|(key, value)| label(key) == value)
            && body.labels.len() == 7
            && instance_id.parse::<InstanceId>().is_ok_and(|id| id.to_string() == instance_id)
            && slug.parse::<Slug>().is_ok()
            && label(fixed::LABEL_OWNER_ID).parse::<UserId>().is_ok()
            && generation.parse::<u64>().is_ok_and(|number| number.to_string() == generation)
            && hash.len() == 64
            && hash.bytes().all(|b| b.is_ascii_hexdigit());
        insist(well_formed, "an instance must carry our labels, well formed, and no others")?;
        insist(
            name == format!("{}-{slug}-{generation}", self.installation),
            "the container's name must be <installation>-<slug>-<generation> of its labels",
        )?;
        insist(body.hostname == slug, "the host name must be the slug")?;
        insist(body.cmd.is_empty(), "an instance runs what its image says: no Cmd")?;
        self.check_user(&body.user)?;
        self.check_binds(&body.host_config.binds, instance_id)
    }

    fn check_user(&self, user: &str) -> Verdict {
        let own = user.split_once(':').filter(|(uid, gid)| uid == gid).and_then(|(uid, _)| uid.parse().ok());
        let own = own.filter(|uid: &u32| format!("{uid}:{uid}") == user);
        insist(
            own.is_some_and(|uid| uid >= self.uid_base),
            "User must be uid:uid, numeric, and not below BEAVER_INSTANCE_UID_BASE",
        )
    }

    /// Exactly two: the instance's own configuration read-only and its own data.
    fn check_binds(&self, binds: &[String], instance_id: &str) -> Verdict {
        let own = format!("{}/{instance_id}", self.instances_root);
        let mut found = [false; 2];
        for bind in binds {
            let mut parts = bind.split(':');
            let (Some(source), Some(target), Some(mode), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(Refusal::new("a bind must be source:target:mode"));
            };
            let below = source
                .strip_prefix(&own)
                .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/').is_some_and(is_plain_folder));
            insist(below, "a bind's source must be the instance's own folder below runtime/instances")?;
            match (target, mode) {
                (fixed::CONFIG_PATH, "ro") => found[0] = true,
                (fixed::DATA_PATH, "rw") if source != own => found[1] = true,
                _ => return Err(Refusal::new("binds must be /config read-only and /data from a subfolder")),
            }
        }
        insist(binds.len() == 2 && found == [true; 2], "an instance must have exactly /config and /data")
    }

    fn check_endpoint(&self, body: &ContainerBody) -> Verdict {
        let network = &body.host_config.network_mode;
        insist(self.shard(network).is_some(), "NetworkMode must be an instance network of the plan")?;
        let endpoints = &body.networking_config.endpoints_config;
        insist(
            endpoints.len() == 1 && endpoints.contains_key(network),
            "the container must join the network of NetworkMode and no other",
        )?;
        let address = endpoints.values().next().and_then(|e| e.ipam.address.parse::<Ipv4Addr>().ok());
        insist(
            address.is_some_and(|address| self.instance_subnet.contains(&address)),
            "the container's address must be in the instance subnet",
        )
    }
}

/// One path segment that cannot climb or hide.
fn is_plain_folder(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

fn check_host_config(host: &HostConfig) -> Verdict {
    let pair = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    insist(host.cap_drop == ["ALL"], "CapDrop must be ALL")?;
    insist(
        host.security_opt == [fixed::SECURITY_OPT],
        "SecurityOpt must be no-new-privileges and nothing else",
    )?;
    insist(host.readonly_rootfs, "ReadonlyRootfs must be set")?;
    insist(host.init, "Init must be set")?;
    insist(host.ipc_mode == "private", "IpcMode must be private")?;
    insist(host.cgroupns_mode == "private", "CgroupnsMode must be private")?;
    insist(host.memory > 0 && host.memory_swap == host.memory, "Memory must be limited, without swap")?;
    insist(host.nano_cpus > 0, "NanoCpus must be limited")?;
    insist(host.pids_limit > 0, "PidsLimit must be limited")?;
    insist(host.oom_score_adj == fixed::OOM_SCORE_ADJ, "OomScoreAdj must be Beaver's")?;
    insist(host.restart_policy.name == "no", "RestartPolicy must be no")?;
    let log_options = BTreeMap::from(fixed::LOG_OPTIONS.map(pair));
    insist(
        host.log_config.driver == fixed::LOG_DRIVER && host.log_config.config == log_options,
        "LogConfig must be json-file, 10m x 3",
    )?;
    insist(
        host.tmpfs == BTreeMap::from([pair((fixed::TMPFS_PATH, fixed::TMPFS_OPTIONS))]),
        "Tmpfs must be /tmp with Beaver's options alone",
    )?;
    let nofile = matches!(host.ulimits.as_slice(), [one] if one.name == "nofile"
        && one.soft == fixed::NOFILE && one.hard == fixed::NOFILE);
    insist(nofile, "Ulimits must be Beaver's nofile alone")?;
    // `host-gateway` and the like would name an address that is not in sight here.
    let is_host = |entry: &String| {
        entry.split_once(':').is_some_and(|(name, address)| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
                && address.parse::<Ipv4Addr>().is_ok()
        })
    };
    insist(host.extra_hosts.iter().all(is_host), "ExtraHosts must be name:IPv4 address")
}

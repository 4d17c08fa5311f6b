//! docker-guard's configuration: which socket it guards, which one it offers, and the facts of its policy.

use std::path::{Component, Path, PathBuf};

use control_api::names::Slug;
use ipnet::Ipv4Net;
use service_kit::env::{ConfigError, EnvReader};

use super::policy::Policy;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// The socket that is offered; its folder also keeps `images.json`.
    pub socket: PathBuf,
    /// Group that may use it; the process's own where none is given.
    pub gid: Option<u32>,
    /// Docker's socket.
    pub docker_socket: PathBuf,
    /// Names whose images may run.
    pub images: Vec<String>,
    /// The policy's facts.
    pub policy: Policy,
}

impl GuardConfig {
    /// Reads the variables; all faults at once.
    pub fn from_env(mut env: EnvReader) -> Result<Self, ConfigError> {
        let root = project_root(&mut env);
        let socket = env.text("BEAVER_GUARD_SOCKET").map_or_else(|| default_socket(&root), PathBuf::from);
        let docker_socket = docker_socket(&mut env);
        let gid = env.parse_optional("BEAVER_GUARD_GID");
        let images = images(&env);
        let policy = policy(&mut env, &root);
        env.finish(Self { socket, gid, docker_socket, images, policy })
    }

    /// The offered socket alone, for the health check.
    pub fn socket_from_env(env: &EnvReader) -> PathBuf {
        let root = env.text("PROJECT_ROOT").unwrap_or_default();
        env.text("BEAVER_GUARD_SOCKET").map_or_else(|| default_socket(&root), PathBuf::from)
    }
}

/// The instances' image, the probe's, and more that the operator names. The first two have the defaults that
/// deploy-control has.
fn images(env: &EnvReader) -> Vec<String> {
    let named = |variable| env.text(variable).unwrap_or_else(|| "beaver/app-instance:latest".to_owned());
    let mut images = vec![named("BEAVER_INSTANCE_IMAGE"), named("BEAVER_PROBE_IMAGE")];
    let more = env.text("BEAVER_GUARD_IMAGES").unwrap_or_default();
    images.extend(more.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
    images.sort();
    images.dedup();
    images
}

fn default_socket(root: &str) -> PathBuf {
    Path::new(root).join("runtime/guard/docker.sock")
}

fn project_root(env: &mut EnvReader) -> String {
    let root = env.text("PROJECT_ROOT").unwrap_or_default();
    let plain = Path::new(&root).components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    if root.is_empty() {
        env.fault("PROJECT_ROOT", "is not set");
    } else if !root.starts_with('/') || !plain || root.contains(':') {
        env.fault("PROJECT_ROOT", "must be an absolute path without `..` and without a colon");
    }
    root.trim_end_matches('/').to_owned()
}

fn docker_socket(env: &mut EnvReader) -> PathBuf {
    let host = env.text("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let path = host.strip_prefix("unix://").filter(|path| path.starts_with('/'));
    if path.is_none() {
        env.fault("DOCKER_HOST", "must be unix:// and an absolute path: docker-guard holds a local socket");
    }
    PathBuf::from(path.unwrap_or_default())
}

fn policy(env: &mut EnvReader, root: &str) -> Policy {
    let installation = env.text("BEAVER_INSTALLATION").unwrap_or_else(|| "beaver".to_owned());
    // A slug's form, but that `beaver` itself is no slug.
    if installation != "beaver" && installation.parse::<Slug>().is_err() {
        env.fault("BEAVER_INSTALLATION", "must be lower-case letters, digits and dashes, 3 to 40 characters");
    }
    let net_prefix = env.text("BEAVER_NET").unwrap_or_else(|| "beaver-instance-edge".to_owned());
    let is_name = |s: &str| s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_name(&net_prefix) || !net_prefix.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        env.fault("BEAVER_NET", "must be letters, digits, dashes, dots or underscores");
    }
    let bridge_prefix = env.text("BEAVER_BRIDGE_PREFIX").unwrap_or_else(|| "br-bvr-".to_owned());
    // An interface's name has at most 15 characters (IFNAMSIZ); three are left for `ctl` or a number.
    if !is_name(&bridge_prefix) || bridge_prefix.len() > 12 {
        env.fault("BEAVER_BRIDGE_PREFIX", "must be at most 12 letters, digits or dashes");
    }
    let instance_subnet = subnet(env, "BEAVER_INSTANCE_SUBNET", "10.89.0.0/16");
    let control_subnet = subnet(env, "BEAVER_CONTROL_SUBNET", "10.88.0.0/24");
    if instance_subnet.contains(&control_subnet) || control_subnet.contains(&instance_subnet) {
        env.fault("BEAVER_CONTROL_SUBNET", "overlaps BEAVER_INSTANCE_SUBNET");
    }
    let uid_base = env.parse_or("BEAVER_INSTANCE_UID_BASE", 200_000);
    if uid_base < 1000 {
        env.fault("BEAVER_INSTANCE_UID_BASE", "must be at least 1000: lower ones are the system's");
    }
    let instances_root = format!("{root}/runtime/instances");
    Policy {
        installation,
        net_prefix,
        bridge_prefix,
        instance_subnet,
        control_subnet,
        instances_root,
        uid_base,
    }
}

fn subnet(env: &mut EnvReader, name: &str, default: &str) -> Ipv4Net {
    let text = env.text(name).unwrap_or_else(|| default.to_owned());
    match text.parse::<Ipv4Net>() {
        Ok(subnet) if subnet.trunc() == subnet => subnet,
        _ => {
            env.fault(name, "must be an IPv4 network such as 10.89.0.0/16");
            Ipv4Net::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_need_the_project_root_alone() {
        let config = GuardConfig::from_env(EnvReader::from_pairs([("PROJECT_ROOT", "/srv/beaver/")]));
        let config = config.expect("a configuration");
        assert_eq!(config.socket, Path::new("/srv/beaver/runtime/guard/docker.sock"));
        assert_eq!(config.docker_socket, Path::new("/var/run/docker.sock"));
        assert_eq!(config.policy.instances_root, "/srv/beaver/runtime/instances");
        assert_eq!(config.images, ["beaver/app-instance:latest"]);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let error = GuardConfig::from_env(EnvReader::from_pairs([
            ("PROJECT_ROOT", "/srv/../etc"),
            ("DOCKER_HOST", "tcp://10.0.0.1:2375"),
            ("BEAVER_GUARD_GID", "docker"),
            ("BEAVER_INSTALLATION", "Bad_Name"),
            ("BEAVER_NET", "a b"),
            ("BEAVER_BRIDGE_PREFIX", "much-too-long-for-it"),
            ("BEAVER_INSTANCE_SUBNET", "10.89.0.1/16"),
            ("BEAVER_CONTROL_SUBNET", "nonsense"),
            ("BEAVER_INSTANCE_UID_BASE", "0"),
        ]))
        .expect_err("faults");
        // The two subnets stand in as 0.0.0.0/0 and so overlap as well.
        assert_eq!(error.faults().len(), 10, "{error}");
    }
}

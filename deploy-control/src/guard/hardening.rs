//! The fixed values of every container that Beaver makes. `docker::spec` writes them and `guard::policy` insists
//! on them, so they stand in one place; a golden file pins what comes of them.

/// Label of all that is Beaver's; its value is `true`.
pub const LABEL_MANAGED: &str = "beaver.managed";
/// Label that names the installation, so that several on one machine leave each other alone.
pub const LABEL_INSTALLATION: &str = "beaver.installation";
/// Label of probe containers; its value is `true`.
pub const LABEL_PROBE: &str = "beaver.probe";
/// Label with the instance's id.
pub const LABEL_INSTANCE_ID: &str = "beaver.instance-id";
/// Label with the instance's host label.
pub const LABEL_SLUG: &str = "beaver.slug";
/// Label with the owner's id.
pub const LABEL_OWNER_ID: &str = "beaver.owner-id";
/// Label that counts the instance's containers.
pub const LABEL_GENERATION: &str = "beaver.generation";
/// Label with the SHA-256 of the body without this label.
pub const LABEL_SPEC_HASH: &str = "beaver.spec-hash";

/// Options of the one place outside `/data` that an instance may write to.
pub const TMPFS_OPTIONS: &str = "rw,noexec,nosuid,nodev,size=64m";
/// Where that place is.
pub const TMPFS_PATH: &str = "/tmp";
/// Open files, soft and hard.
pub const NOFILE: i64 = 8192;
/// The kernel ends an instance before it ends a part of the control plane.
pub const OOM_SCORE_ADJ: i64 = 500;
/// Log driver; its options are below.
pub const LOG_DRIVER: &str = "json-file";
/// Options of the log driver: at most 30 MB a container.
pub const LOG_OPTIONS: [(&str, &str); 2] = [("max-file", "3"), ("max-size", "10m")];
/// The one security option; leaving out the others keeps Docker's default seccomp and `AppArmor` profiles.
pub const SECURITY_OPT: &str = "no-new-privileges";
/// Seconds from SIGTERM to SIGKILL where a stop names none.
pub const STOP_TIMEOUT_S: i64 = 10;
/// Where an instance finds its configuration, read-only.
pub const CONFIG_PATH: &str = "/config";
/// Where an instance keeps its data.
pub const DATA_PATH: &str = "/data";
/// User and group of probe containers: nobody.
pub const PROBE_UID: u32 = 65_534;
/// Host name of probe containers.
pub const PROBE_HOSTNAME: &str = "probe";
/// Subcommand of the app's image that the probe containers run.
pub const PROBE_COMMAND: &str = "probe";

/// The bridge driver's option for traffic between containers.
pub const BRIDGE_ICC: &str = "com.docker.network.bridge.enable_icc";
/// The bridge driver's option for the interface's name.
pub const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// Beginning of a probe container's name. The underscore keeps it apart from every slug.
pub fn probe_name_prefix(installation: &str) -> String {
    format!("{installation}-probe_")
}

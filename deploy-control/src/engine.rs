//! What deploy-control needs of a container engine, in its own words. `docker/` implements it; tests have a
//! fake. No type of the engine's client library may appear here, and nothing here decides anything.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use control_api::ids::{InstanceId, UserId};
use control_api::names::Slug;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use ipnet::Ipv4Net;

use crate::image_name::ImageName;

/// Why the engine did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine (or docker-guard before it) does not answer: try again later, conclude nothing.
    #[error("Docker cannot be reached: {0}")]
    Unreachable(String),
    /// One call took longer than its own limit: the outcome is not known.
    #[error("Docker did not answer {0} in time")]
    TimedOut(&'static str),
    /// The engine answers, and is about to end or not whole again: try again later, conclude nothing.
    #[error("Docker is stopping or starting: {0}")]
    Closing(String),
    /// No such container, network or image: the only proof that something is gone.
    #[error("there is no {0}")]
    NotFound(String),
    /// The name or address is in use.
    #[error("{0} is in use")]
    Conflict(String),
    /// docker-guard's policy or the engine refused: trying again will not help.
    #[error("refused: {0}")]
    Refused(String),
    /// Anything else the engine said.
    #[error("{0}")]
    Other(String),
}

impl EngineError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut(_) | Self::Closing(_))
    }
}

/// Answer of an engine call.
pub type EngineResult<T> = Result<T, EngineError>;

/// Limits of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of memory; swap is not added.
    pub memory_bytes: u64,
    /// Thousandths of a core.
    pub milli_cpus: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes below `data/`; watched, and enforced where the filesystem can.
    pub disk_bytes: u64,
}

/// All that decides how a container is made. The same spec gives the same body, and its hash is the
/// `beaver.spec-hash` label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Which installation on this machine it belongs to: the prefix of the container's name and the value of
    /// the `beaver.installation` label.
    pub installation: String,
    /// The instance.
    pub instance_id: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// Its owner.
    pub owner_id: UserId,
    /// Counts its containers.
    pub generation: u64,
    /// The image's id (`sha256:...`), never a name.
    pub image_id: String,
    /// Variables, in the order in which they are given; no secrets.
    pub env: Vec<(String, String)>,
    /// User and group that the container runs as: the instance's own.
    pub uid: u32,
    /// Network to join.
    pub network: String,
    /// Its address there.
    pub address: Ipv4Addr,
    /// Hosts entry for the issuer: name and address.
    pub issuer_host: (String, Ipv4Addr),
    /// Host folder that becomes `/config`, read-only.
    pub config_dir: PathBuf,
    /// Host folder that becomes `/data`.
    pub data_dir: PathBuf,
    /// Limits.
    pub limits: Limits,
}

impl ContainerSpec {
    /// `beaver-<slug>-<generation>` with the installation's name in front.
    pub fn container_name(&self) -> String {
        container_name(&self.installation, &self.slug, self.generation)
    }

    /// The value of the `beaver.spec-hash` label: SHA-256 over every field, in hexadecimal. Whoever finds a
    /// container with the same hash has found the very one that this spec would make.
    pub fn spec_hash(&self) -> String {
        use std::fmt::Write as _;
        // One field a line; lengths in front of what may hold a line feed.
        let mut text = format!(
            "v1\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.installation,
            self.instance_id,
            self.slug,
            self.owner_id,
            self.generation,
            self.image_id,
            self.uid,
            self.network,
            self.address,
        );
        let limits = &self.limits;
        let _ = writeln!(text, "{} {}", self.issuer_host.0, self.issuer_host.1);
        let _ = writeln!(text, "{}\n{}", self.config_dir.display(), self.data_dir.display());
        let _ = writeln!(
            text,
            "{} {} {} {}",
            limits.memory_bytes, limits.milli_cpus, limits.pids, limits.disk_bytes
        );
        for (name, value) in &self.env {
            let _ = writeln!(text, "{} {name}={value}", value.len());
        }
        service_kit::secret::sha256_hex(text.as_bytes())
    }
}

/// Name of the container of one generation.
pub fn container_name(installation: &str, slug: &Slug, generation: u64) -> String {
    format!("{installation}-{slug}-{generation}")
}

/// A bridge network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Docker's name for it.
    pub name: String,
    /// Name of the bridge interface, at most 15 characters.
    pub bridge: String,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// The host's address on it.
    pub gateway: Ipv4Addr,
}

/// Our labels as read back from a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLabels {
    /// `beaver.instance-id`.
    pub instance_id: InstanceId,
    /// `beaver.slug`.
    pub slug: Slug,
    /// `beaver.owner-id`.
    pub owner_id: UserId,
    /// `beaver.generation`.
    pub generation: u64,
    /// `beaver.spec-hash`.
    pub spec_hash: String,
}

/// What a container does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// Ended with this code; `true` where memory ran out.
    Exited {
        /// The exit code.
        code: i64,
        /// Whether the kernel ended it for using too much memory.
        oom_killed: bool,
    },
    /// Being removed, restarting or dead: ask again.
    Changing,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Docker's id.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// Our labels; `None` where it is not ours (another installation's or a stranger's).
    pub labels: Option<OwnLabels>,
    /// What it does.
    pub state: ContainerState,
    /// The image's id.
    pub image_id: String,
    /// Its address on the instance network, where known.
    pub address: Option<Ipv4Addr>,
}

/// A hint that something happened to one of our containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The instance.
    pub instance_id: InstanceId,
    /// `die`, `oom`, `destroy`, `start`, ...
    pub action: String,
    /// The exit code, with `die`.
    pub exit_code: Option<i64>,
}

/// What a container uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Percent of one core, over about a second.
    pub cpu_percent: f64,
    /// Bytes of memory without the page cache.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// News of one layer of an image that is being pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerProgress {
    /// The layer's short id.
    pub layer: String,
    /// 0 to 100: how much of it has come and is unpacked.
    pub percent: u8,
}

/// What one probe container tries to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeTarget {
    /// For people: `the host's gateway`.
    pub name: String,
    /// `address:port`.
    pub address: String,
    /// Whether it must be reachable (the issuer) or must not be (all else).
    pub must_reach: bool,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFinding {
    /// The target.
    pub target: ProbeTarget,
    /// Whether a connection came about.
    pub reached: bool,
}

/// The engine.
pub trait Engine: Send + Sync + 'static {
    /// Whether it answers; its version.
    fn ping(&self) -> BoxFuture<'_, EngineResult<String>>;

    /// The id of the image of this name or id. `NotFound` where it is not on this machine.
    fn resolve_image<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<String>>;

    /// Pulls an image and tells how its layers come. The stream ends without an error only when the image is
    /// there; dropping it ends the pull.
    fn pull<'a>(&'a self, image: &'a ImageName) -> BoxStream<'a, EngineResult<LayerProgress>>;

    /// Makes the network with inter-container traffic off, or checks that the one of that name is ours and
    /// the same. `Conflict` where its subnet overlaps another's.
    fn ensure_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, EngineResult<()>>;

    /// Whether the network is there, ours and the same; changes nothing. `Conflict` where it is another's or another.
    fn has_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, EngineResult<bool>>;

    /// Makes a container and answers its id. `Conflict` where the name is in use.
    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>>;

    /// Starts it; one that runs already is no error.
    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>>;

    /// The same for a container whose id was just made or looked at: whose it is need not be looked up again.
    fn start_known<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.start(id)
    }

    /// Stops it, hard after `grace`; one that is stopped already is no error.
    fn stop<'a>(&'a self, container: &'a str, grace: Duration) -> BoxFuture<'a, EngineResult<()>>;

    /// Freezes it where it stands; one that is frozen already is no error.
    fn pause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>>;

    /// Lets a frozen one go on; one that runs already is no error.
    fn unpause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>>;

    /// Removes it, running or not; one that is gone is no error. Only ever touches what has our labels.
    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<()>>;

    /// Looks at one; `None` is proof that it is gone.
    fn inspect<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<Option<ContainerInfo>>>;

    /// All containers of this installation's instances.
    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ContainerInfo>>>;

    /// Hints about our containers, until the connection ends; then list and subscribe again.
    fn events(&self) -> BoxStream<'_, EngineResult<ContainerEvent>>;

    /// The last `tail` lines of output, and what follows where `follow` is set.
    fn logs<'a>(&'a self, container: &'a str, tail: u32, follow: bool) -> BoxStream<'a, EngineResult<Bytes>>;

    /// Nanoseconds of processor time, over all cores, since it was started; zero where it does not run. Does not
    /// wait for a second sample, as `usage` does.
    fn cpu_time<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<u64>>;

    /// What it uses now.
    fn usage<'a>(&'a self, container: &'a str) -> BoxFuture<'a, EngineResult<Usage>>;

    /// Runs two short-lived probe containers of `image_id` on `network`, at the addresses `from` and `peer`,
    /// and answers what the first could reach: the targets and the second. Leaves no container behind.
    fn probe<'a>(
        &'a self,
        image_id: &'a str,
        network: &'a str,
        from: Ipv4Addr,
        peer: Ipv4Addr,
        targets: &'a [ProbeTarget],
    ) -> BoxFuture<'a, EngineResult<Vec<ProbeFinding>>>;
}

//! `doctor --rebuild`: makes the database again after its loss, from Docker's labels, the folders with their
//! manifests, and the route files. It must stay true that nothing that exists is changed or removed: no container,
//! no folder, no route, and no database that still holds instances.

mod assemble;
pub mod command;
mod evidence;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control_api::ids::InstanceId;
use service_kit::clock::Clock;

use crate::app::SUBNET_SETTING;
use crate::config::Config;
use crate::engine::{Engine, EngineError};
use crate::instance_files::InstanceFiles;
use crate::model::Instance;
use crate::store::{Store, StoreError};
use assemble::{Known, assemble_all};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Why nothing was rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The service runs and would write meanwhile.
    #[error("deploy-control answers at {0}: stop it first (scripts/doctor.sh --rebuild does)")]
    Running(SocketAddr),
    /// There is a database with instances in it.
    #[error("the database {path} is whole and holds {instances} instances: there is nothing to rebuild")]
    NotLost {
        /// The file.
        path: PathBuf,
        /// How many it holds.
        instances: usize,
    },
    /// Docker did not tell what there is; without that the rebuild would be half of one.
    #[error("Docker's list cannot be had: {0}")]
    Docker(#[from] EngineError),
    /// The folders cannot be read, or a damaged file cannot be moved aside.
    #[error("{what}: {source}")]
    Files {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The new database cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new database cannot be made.
    #[error("{0}")]
    Open(String),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Where a damaged file was moved.
    pub moved_aside: Option<PathBuf>,
    /// Instances that are on record again.
    pub restored: Vec<Instance>,
    /// What could not be put on record, and why. It is left as it is.
    pub left_out: Vec<(String, String)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.moved_aside {
            writeln!(f, "the damaged database was kept as {}", path.display())?;
        }
        for instance in &self.restored {
            let state = if instance.deleted_at.is_some() {
                "deleted, its data is kept"
            } else {
                instance.state.as_str()
            };
            let Instance { slug, id, generation, .. } = instance;
            writeln!(f, "restored  {slug}  {id}  generation {generation}, {state}")?;
        }
        for (what, why) in &self.left_out {
            writeln!(f, "left out  {what}: {why}")?;
        }
        write!(f, "{} restored, {} left out", self.restored.len(), self.left_out.len())
    }
}

/// Rebuilds the database.
pub async fn run(config: &Config, engine: &dyn Engine, clock: Clock) -> Result<Report, RebuildError> {
    if answers(config.listen).await {
        return Err(RebuildError::Running(config.listen));
    }
    let folder = config.runtime().join("deploy");
    let path = folder.join("deploy.sqlite");
    let moved_aside = make_room(&folder, &path, &clock).await?;
    let files = InstanceFiles::open(&config.runtime())
        .map_err(|source| RebuildError::Files { what: "runtime/instances cannot be used", source })?;
    let containers = engine.list().await?;
    let runtime = config.runtime();
    let gathered = tokio::task::spawn_blocking(move || evidence::gather(&runtime, &files, containers))
        .await
        .map_err(io::Error::other)
        .and_then(|gathered| gathered)
        .map_err(|source| RebuildError::Files { what: "the folders cannot be read", source })?;
    let known = Known { plan: &config.plan, limits: config.limits, now: clock.now_ms() };
    let (restored, mut left_out) = assemble_all(&gathered.instances, &known);
    left_out.extend(gathered.unreadable);
    let store = Store::open(&path, clock).await.map_err(|error| RebuildError::Open(error.to_string()))?;
    store.restore(&restored, &config.plan).await?;
    store.set_setting(SUBNET_SETTING, &config.plan.instances.to_string()).await?;
    let restored = read_back(&store, restored).await?;
    store.close().await;
    Ok(Report { moved_aside, restored, left_out })
}

/// As they are on record now: an instance may have been given an address.
async fn read_back(store: &Store, restored: Vec<Instance>) -> Result<Vec<Instance>, StoreError> {
    let mut read = Vec::with_capacity(restored.len());
    for instance in restored {
        let id: InstanceId = instance.id;
        read.push(store.instance(id).await?.unwrap_or(instance));
    }
    Ok(read)
}

async fn answers(address: SocketAddr) -> bool {
    let connect = tokio::net::TcpStream::connect(address);
    matches!(tokio::time::timeout(CONNECT_TIMEOUT, connect).await, Ok(Ok(_)))
}

/// Sees that there is no database which could be lost: a damaged one is moved aside, one with instances refused.
async fn make_room(folder: &Path, path: &Path, clock: &Clock) -> Result<Option<PathBuf>, RebuildError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| RebuildError::Files { what: "runtime/deploy cannot be made", source })?;
    if !path.exists() {
        return Ok(None);
    }
    if let Ok(store) = Store::open(path, clock.clone()).await {
        let counted = store.check_and_count().await;
        store.close().await;
        match counted {
            Ok(0) => return Ok(None),
            Ok(instances) => return Err(RebuildError::NotLost { path: path.to_owned(), instances }),
            Err(error) => tracing::warn!(%error, "the database is damaged"),
        }
    }
    let aside = folder.join(format!("deploy.sqlite.damaged-{}", clock.now_ms()));
    let moved = std::fs::rename(path, &aside);
    moved.map_err(|source| RebuildError::Files { what: "the damaged database cannot be moved", source })?;
    for suffix in ["-wal", "-shm"] {
        let name = |base: &Path| PathBuf::from(format!("{}{suffix}", base.display()));
        // Parts of the damaged one: the new one must not read them.
        match std::fs::rename(name(path), name(&aside)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(RebuildError::Files { what: "the damaged database cannot be moved", source });
            }
            _ => {}
        }
    }
    Ok(Some(aside))
}

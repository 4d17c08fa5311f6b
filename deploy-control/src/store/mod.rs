//! The database: the only place with SQL. Every method is one read or one transaction; after each write the
//! watchers are told, so that nobody has to poll.

mod condition;
mod events;
mod fence;
mod image_pulls;
mod instances;
mod intents;
mod limits;
mod operations;
mod orders;
mod owners;
mod restore;
mod rollouts;
mod rows;
mod settings;
mod snapshots;
mod update;

use std::path::Path;
use std::sync::Arc;

use service_kit::clock::Clock;
use service_kit::sqlite::{Database, OpenError};
use tokio::sync::watch;

pub use condition::CpuNote;
use fence::Fence;
pub use instances::Page;
pub use intents::Intent;
pub use limits::LimitsNews;
pub use operations::Failures;
pub use orders::{Order, Ordered};
pub use rollouts::MemberNews;
pub use update::{Blame, SnapshotNews, Update};

/// How long an address rests before another instance may have it.
pub const ADDRESS_QUARANTINE_MS: i64 = 10 * 60 * 1000;
/// How long the slug of a deleted instance is kept for its last owner.
pub const SLUG_QUARANTINE_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Sql(#[from] sqlx::Error),
    /// A row holds what it must not.
    #[error("the database holds an unreadable value: {0}")]
    Corrupt(String),
    /// There is no such instance.
    #[error("there is no such instance")]
    NoInstance,
    /// The slug is another person's.
    #[error("the slug is taken")]
    SlugTaken,
    /// Every address of the plan is in use or rests.
    #[error("no address is free")]
    AddressesExhausted,
    /// Another operation is at work.
    #[error("operation {0} is at work")]
    InProgress(control_api::ids::OperationId),
    /// Another process has taken the database over since: what this one knows may be old.
    #[error("another deploy-control has taken this database over")]
    Fenced,
    /// The instance is being removed for good; afterwards a new one can be made.
    #[error("the instance is being removed")]
    BeingRemoved,
}

/// Answer of the store.
pub type StoreResult<T> = Result<T, StoreError>;

/// The database and the news from it. Clones share both.
#[derive(Clone)]
pub struct Store {
    db: Database,
    clock: Clock,
    changes: Arc<watch::Sender<u64>>,
    fence: Fence,
}

impl Store {
    /// Opens (or makes) the file, brings its schema up to date and takes it over: whoever had it before can
    /// write no more.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self, OpenError> {
        let db = Database::open(path, &sqlx::migrate!()).await?;
        let fence = Fence::take(&db)
            .await
            .map_err(|source| OpenError::Open { path: path.display().to_string(), source })?;
        Ok(Self { db, clock, changes: Arc::new(watch::Sender::new(0)), fence })
    }

    /// Told after every write; the number has no meaning.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.db.close().await;
    }

    fn now(&self) -> i64 {
        self.clock.now_ms()
    }

    fn changed(&self) {
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }
}

/// `SQLite` has signed integers alone; what does not fit is as good as the largest.
fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

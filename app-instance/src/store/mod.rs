//! Everything that is kept: the owner, the conversations and their messages, in one `SQLite` file that its
//! user alone can read. All SQL of the app is in this module.

mod conversations;
mod messages;
mod registration;

use std::fmt;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use service_kit::clock::Clock;
use service_kit::lifecycle::StartError;
use service_kit::sqlite::Database;
use ulid::Ulid;

pub(crate) use conversations::{Conversation, Cursor};
pub(crate) use messages::{Begun, Message, MessageState, Role};

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// There is no such conversation.
    #[error("there is no such conversation")]
    NotFound,
    /// There is an owner already.
    #[error("the owner is registered already")]
    Registered,
    /// The disk (or the quota) is full.
    #[error("the disk is full")]
    DiskFull,
    /// Anything else that `SQLite` says.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_FULL (https://sqlite.org/rescode.html#full).
        let full = matches!(&error, sqlx::Error::Database(error) if error.code().as_deref() == Some("13"));
        if full { Self::DiskFull } else { Self::Database(error) }
    }
}

/// The id of a conversation: a ULID.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String")]
#[sqlx(transparent)]
pub(crate) struct ConversationId(String);

impl ConversationId {
    /// A new id.
    pub(crate) fn generate() -> Self {
        Self(Ulid::generate().to_string())
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ConversationId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_string(text).map(|id| Self(id.to_string())).map_err(|_| "must be a ULID")
    }
}

impl TryFrom<String> for ConversationId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: Database,
    clock: Clock,
}

impl Store {
    /// Opens `app.db` below `data` and settles what a crash left half-done.
    pub(crate) async fn open(data: &Path, clock: Clock) -> Result<Self, StartError> {
        let path = data.join("app.db");
        make_private(&path).map_err(|error| {
            StartError::Other(format!("{} cannot be written: {error}; see APP_DATA", path.display()))
        })?;
        let other = |error: &dyn fmt::Display| StartError::Other(error.to_string());
        let db = Database::open(&path, &sqlx::migrate!()).await.map_err(|error| other(&error))?;
        let store = Self { db, clock };
        store.settle_interrupted().await.map_err(|error| other(&error))?;
        Ok(store)
    }

    /// Whether the database answers.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        sqlx::query_scalar!("SELECT 1").fetch_one(self.db.reader()).await?;
        Ok(())
    }
}

/// `SQLite` gives the files beside the database the permissions of the database itself.
fn make_private(path: &Path) -> io::Result<()> {
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

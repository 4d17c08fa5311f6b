//! The only place with SQL. Concrete types and compile-checked queries; a unique violation is an answer, not
//! something that is looked up before the insert. What belongs together is one transaction, its audit entry
//! included, so that a crash leaves all of it or nothing.

pub(crate) mod accounts;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod audit_targets;
pub(crate) mod clients;
pub(crate) mod delays;
pub(crate) mod departures;
pub(crate) mod grants;
pub(crate) mod handoffs;
pub(crate) mod instances;
pub(crate) mod invites;
pub(crate) mod key_warnings;
pub(crate) mod keys;
pub(crate) mod mail_links;
pub(crate) mod mails;
pub(crate) mod orders;
pub(crate) mod passkeys;
pub(crate) mod passwords;
pub(crate) mod pending_logins;
pub(crate) mod people;
pub(crate) mod registrations;
pub(crate) mod resets;
pub(crate) mod revocations;
mod revoked_tokens;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod sweep;
pub(crate) mod totp;
pub(crate) mod upstream;

use std::path::Path;
use std::str::FromStr;

use service_kit::sqlite::{Database, OpenError};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The database of authz-service. Clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: Database,
}

impl Store {
    /// Opens (or makes) the file.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        Database::open(path, &MIGRATIONS).await.map(|db| Self { db })
    }

    /// Closes all connections and folds the write-ahead log into the file.
    pub(crate) async fn close(&self) {
        self.db.close().await;
    }
}

/// Parses what only this service can have written; anything else is a damaged file.
fn parsed<T>(column: &'static str, text: &str) -> Result<T, sqlx::Error>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse()
        .map_err(|error| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(error) })
}

/// Whether an insert failed because the row, or one of its unique values, is there already.
fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

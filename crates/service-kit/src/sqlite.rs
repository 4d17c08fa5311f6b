//! `SQLite` as every store uses it: WAL, foreign keys, one writer, versioned migrations run at start.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Sqlite, Transaction};

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A database file with its readers and its one writer. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Database {
    reader: SqlitePool,
    writer: SqlitePool,
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be opened or is no database.
    #[error("the database {path} cannot be opened: {source}")]
    Open {
        /// The file.
        path: String,
        /// What `SQLite` said.
        source: sqlx::Error,
    },
    /// A migration failed, or the file is from a newer version.
    #[error("the database {path} cannot be brought to this version's schema: {source}")]
    Migrate {
        /// The file.
        path: String,
        /// What sqlx said.
        source: sqlx::migrate::MigrateError,
    },
}

impl Database {
    /// Opens (or makes) the file and runs the migrations. `synchronous=FULL`: what was answered as done is
    /// on disk, also after a power cut.
    pub async fn open(path: &Path, migrator: &Migrator) -> Result<Self, OpenError> {
        let shown = path.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .optimize_on_close(true, None);
        let pool = |size: u32, options: SqliteConnectOptions| {
            SqlitePoolOptions::new()
                .max_connections(size)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                // A full disk makes SQLite itself roll back; sqlx's own rollback then fails and the connection
                // would refuse every transaction from then on. It is closed and another one opened.
                .before_acquire(|connection, _| {
                    let usable = !connection.is_in_transaction();
                    Box::pin(async move { Ok(usable) })
                })
                .connect_with(options)
        };
        let open = |source| OpenError::Open { path: shown.clone(), source };
        let writer = pool(1, options.clone()).await.map_err(open)?;
        migrator.run(&writer).await.map_err(|source| OpenError::Migrate { path: shown.clone(), source })?;
        // Statistics cannot be written over these: `PRAGMA optimize` may fail, and a connection whose close fails ends
        // some time later, after the writer that would have folded the log into the file.
        let reader =
            pool(READERS, options.read_only(true).create_if_missing(false).optimize_on_close(false, None))
                .await
                .map_err(open)?;
        Ok(Self { reader, writer })
    }

    /// For reads outside a transaction.
    #[must_use]
    pub fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// For single writes; there is one connection, so writers queue instead of failing as busy.
    #[must_use]
    pub fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// A write transaction that holds the write lock from its start.
    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    /// Closes all connections and folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    /// A connection that is read-only cannot write statistics down, and one that tries fails to close.
    #[tokio::test]
    async fn a_reader_closes_whatever_it_read_and_the_log_is_folded_into_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let database = Database::open(&path, &Migrator::DEFAULT).await.expect("a database");
        // A query after which SQLite would like to know more about the table.
        let schema = "CREATE TABLE t (a INTEGER NOT NULL, b INTEGER NOT NULL);
            CREATE INDEX t_by_a ON t (a); CREATE INDEX t_by_b ON t (b);
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            INSERT INTO t SELECT i, i % 3 FROM n;";
        sqlx::raw_sql(schema).execute(database.writer()).await.expect("rows");
        let mut reader = database.reader().acquire().await.expect("a connection").detach();
        sqlx::query("SELECT a FROM t WHERE a > 5 AND b = 2 ORDER BY a LIMIT 3")
            .fetch_all(&mut reader)
            .await
            .expect("rows");
        reader.close().await.expect("closed");
        database.close().await;
        assert!(!folder.path().join("a.db-wal").exists());
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_itself_does_not_block_the_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let database =
            Database::open(&folder.path().join("a.db"), &Migrator::DEFAULT).await.expect("a database");
        let mut transaction = database.begin().await.expect("a transaction");
        // What SQLite does when the disk is full (https://sqlite.org/lang_transaction.html, section 3).
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.expect("rolled back");
        drop(transaction);
        database.begin().await.expect("the next transaction").commit().await.expect("committed");
    }
}

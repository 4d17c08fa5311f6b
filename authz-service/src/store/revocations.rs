//! Revocations: numbered for good, so that the router can ask for what is new.

use control_api::authz::{Revocation, Revoked};
use sqlx::SqliteConnection;

use super::{Store, parsed};

/// What a revocation names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Session,
    Instance,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Instance => "instance",
        }
    }
}

impl Store {
    /// Everything after `seq`, in order.
    pub(crate) async fn revocations_after(&self, seq: i64) -> Result<Vec<Revocation>, sqlx::Error> {
        let rows = sqlx::query!("SELECT seq, kind, id, at FROM revocations WHERE seq > ? ORDER BY seq", seq)
            .fetch_all(self.db.reader())
            .await?;
        rows.into_iter()
            .map(|row| {
                let revoked = match row.kind.as_str() {
                    "session" => Revoked::Session(parsed("id", &row.id)?),
                    "user" => Revoked::User(parsed("id", &row.id)?),
                    _ => Revoked::Instance(parsed("id", &row.id)?),
                };
                Ok(Revocation { seq: row.seq, revoked, at: row.at.div_euclid(1000) })
            })
            .collect()
    }

    /// The highest number ever given, also when its row is gone.
    pub(crate) async fn last_revocation(&self) -> Result<i64, sqlx::Error> {
        let row = sqlx::query!(
            r#"SELECT COALESCE(MAX(seq), 0) AS "seq!: i64" FROM sqlite_sequence WHERE name = 'revocations'"#
        )
        .fetch_one(self.db.reader())
        .await?;
        Ok(row.seq)
    }
}

pub(super) async fn insert(
    conn: &mut SqliteConnection,
    kind: Kind,
    id: &str,
    now: i64,
) -> Result<i64, sqlx::Error> {
    let kind = kind.as_str();
    let done = sqlx::query!("INSERT INTO revocations (kind, id, at) VALUES (?, ?, ?)", kind, id, now)
        .execute(conn)
        .await?;
    Ok(done.last_insert_rowid())
}

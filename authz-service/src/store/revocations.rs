//! Revocations: numbered for good, so that the router can ask for what is new.

use control_api::authz::{Revocation, Revoked};
use sqlx::SqliteConnection;

use super::{Store, parsed};

/// What a revocation names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Session,
    User,
    Instance,
    ApiKey,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::User => "user",
            Self::Instance => "instance",
            Self::ApiKey => "api_key",
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
                    "api_key" => Revoked::ApiKey(parsed("id", &row.id)?),
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

#[cfg(test)]
mod tests {
    use sqlx::SqlitePool;

    /// The router asks for what comes after the number that it knows: a migration must not begin anew.
    #[tokio::test]
    async fn the_numbers_go_on_where_they_were_before_api_keys_came() {
        let pool = SqlitePool::connect("sqlite::memory:").await.expect("a database");
        let run = async |sql: &'static str| sqlx::raw_sql(sql).execute(&pool).await.expect("done");
        run(include_str!("../../migrations/0001_identity.sql")).await;
        run(include_str!("../../migrations/0002_roles.sql")).await;
        run("INSERT INTO revocations (kind, id, at) VALUES ('session', 'a', 1), ('user', 'b', 2), ('user', 'c', 3)")
            .await;
        run("DELETE FROM revocations WHERE seq = 3").await;
        run(include_str!("../../migrations/0003_api_keys.sql")).await;
        run("INSERT INTO revocations (kind, id, at) VALUES ('api_key', 'd', 4)").await;
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT seq, kind, id FROM revocations ORDER BY seq")
                .fetch_all(&pool)
                .await
                .expect("rows");
        let expected = [(1, "session", "a"), (2, "user", "b"), (4, "api_key", "d")];
        assert_eq!(rows, expected.map(|(seq, kind, id)| (seq, kind.to_owned(), id.to_owned())));
    }
}

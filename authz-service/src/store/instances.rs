//! Who owns which instance, and what hangs on an instance: registration tokens, clients, codes.

use control_api::ids::{InstanceId, UserId};
use control_api::names::Slug;
use sqlx::SqliteConnection;

use super::audit::Entry;
use super::revocations::{self, Kind};
use super::{Store, parsed};

/// An instance as far as this service knows it.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) owner_id: UserId,
    pub(crate) slug: Slug,
}

impl Store {
    /// One instance.
    pub(crate) async fn instance(&self, id: InstanceId) -> Result<Option<Instance>, sqlx::Error> {
        let text = id.to_string();
        let row = sqlx::query!("SELECT owner_id, slug FROM instances WHERE instance_id = ?", text)
            .fetch_optional(self.db.reader())
            .await?;
        row.map(|row| {
            Ok(Instance {
                id,
                owner_id: parsed("owner_id", &row.owner_id)?,
                slug: parsed("slug", &row.slug)?,
            })
        })
        .transpose()
    }

    /// The newest instance of an owner.
    pub(crate) async fn instance_of(&self, owner: UserId) -> Result<Option<InstanceId>, sqlx::Error> {
        let owner = owner.to_string();
        let row = sqlx::query!(
            "SELECT instance_id FROM instances WHERE owner_id = ? ORDER BY instance_id DESC LIMIT 1",
            owner
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| parsed("instance_id", &row.instance_id)).transpose()
    }

    /// Stores whose the instance is and a registration token in place of any older one.
    pub(crate) async fn put_registration_token(
        &self,
        instance: &Instance,
        token_hash: &[u8; 32],
        expires_at: i64,
        audit: &Entry<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        upsert(&mut tx, instance.id, instance.owner_id, &instance.slug, audit.at).await?;
        let (id, hash) = (instance.id.to_string(), token_hash.as_slice());
        sqlx::query!(
            "INSERT INTO registration_tokens (instance_id, token_hash, expires_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (instance_id) DO UPDATE SET token_hash = ?2, expires_at = ?3",
            id,
            hash,
            expires_at
        )
        .execute(&mut *tx)
        .await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await
    }

    /// Removes an instance with its tokens, clients and codes, and publishes that its tokens are void.
    /// Answers the revocation's number.
    pub(crate) async fn forget_instance(
        &self,
        id: InstanceId,
        audit: &Entry<'_>,
    ) -> Result<i64, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let text = id.to_string();
        sqlx::query!("DELETE FROM instances WHERE instance_id = ?", text).execute(&mut *tx).await?;
        let seq = revocations::insert(&mut tx, Kind::Instance, &text, audit.at).await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(seq)
    }
}

pub(super) async fn upsert(
    conn: &mut SqliteConnection,
    id: InstanceId,
    owner: UserId,
    slug: &Slug,
    now: i64,
) -> Result<(), sqlx::Error> {
    let (id, owner, slug) = (id.to_string(), owner.to_string(), slug.as_str());
    sqlx::query!(
        "INSERT INTO instances (instance_id, owner_id, slug, updated_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (instance_id) DO UPDATE SET owner_id = ?2, slug = ?3, updated_at = ?4",
        id,
        owner,
        slug,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

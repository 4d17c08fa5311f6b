//! Hand-off codes: written once, deleted by the one redemption that wins.

use control_api::ids::{InstanceId, SessionId};

use super::audit::Entry;
use super::{Store, parsed};

/// What a code is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Handoff {
    pub(crate) sid: SessionId,
    pub(crate) instance_id: InstanceId,
    pub(crate) slug: String,
    pub(crate) challenge: String,
    pub(crate) expires_at: i64,
}

impl Store {
    /// Stores a new code.
    pub(crate) async fn put_handoff(
        &self,
        code_hash: &[u8; 32],
        handoff: &Handoff,
        audit: &Entry<'_>,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (hash, sid, instance_id) =
            (code_hash.as_slice(), handoff.sid.to_string(), handoff.instance_id.to_string());
        sqlx::query!(
            "INSERT INTO handoffs (code_hash, sid, instance_id, slug, challenge, expires_at)
             VALUES (?, ?, ?, ?, ?, ?)",
            hash,
            sid,
            instance_id,
            handoff.slug,
            handoff.challenge,
            handoff.expires_at
        )
        .execute(&mut *tx)
        .await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await
    }

    /// Takes a code out: whoever gets the row has the code's only use, whatever comes of it.
    pub(crate) async fn take_handoff(&self, code_hash: &[u8; 32]) -> Result<Option<Handoff>, sqlx::Error> {
        let hash = code_hash.as_slice();
        let row = sqlx::query!(
            "DELETE FROM handoffs WHERE code_hash = ?
             RETURNING sid, instance_id, slug, challenge, expires_at",
            hash
        )
        .fetch_optional(self.db.writer())
        .await?;
        row.map(|row| {
            Ok(Handoff {
                sid: parsed("sid", &row.sid)?,
                instance_id: parsed("instance_id", &row.instance_id)?,
                slug: row.slug,
                challenge: row.challenge,
                expires_at: row.expires_at,
            })
        })
        .transpose()
    }
}

//! The owner and this instance's client at the issuer: written once, in one go.

use control_api::authz::RegisterBackendAnswer;
use control_api::instance::Owner;

use super::{Store, StoreError};

impl Store {
    /// The owner, if there is one. A row that cannot be understood is an error: an owner must never
    /// be taken for missing.
    pub(crate) async fn owner(&self) -> Result<Option<Owner>, StoreError> {
        let row = sqlx::query!("SELECT user_id, username, email FROM registration WHERE id = 1")
            .fetch_optional(self.db.reader())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let decode = |error: String| StoreError::Database(sqlx::Error::Decode(error.into()));
        Ok(Some(Owner {
            user_id: row.user_id.parse().map_err(|_| decode("the owner's id is no ULID".into()))?,
            username: row.username.parse().map_err(|_| decode("the owner's name is none".into()))?,
            email: row.email,
        }))
    }

    /// Keeps owner and client. [`StoreError::Registered`] if there is one already.
    pub(crate) async fn register(
        &self,
        owner: &Owner,
        client: &RegisterBackendAnswer,
    ) -> Result<(), StoreError> {
        let (user_id, username) = (owner.user_id.to_string(), owner.username.as_str());
        let secret = client.client_secret.expose();
        let now = self.clock.now_ms();
        let outcome = sqlx::query!(
            "INSERT INTO registration
                 (id, user_id, username, email, client_id, client_secret, token_endpoint, registered_at)
             VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            user_id,
            username,
            owner.email,
            client.client_id,
            secret,
            client.token_endpoint,
            now
        )
        .execute(self.db.writer())
        .await;
        match outcome {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(StoreError::Registered),
            Err(error) => Err(error.into()),
        }
    }
}

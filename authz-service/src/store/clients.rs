//! OAuth clients and the registration tokens that make them.

use control_api::ids::InstanceId;

use super::audit::Entry;
use super::{Store, parsed};

/// A client about to be written; it takes the place of the instance's former one.
#[derive(Clone, Debug)]
pub(crate) struct NewClient {
    pub(crate) client_id: String,
    pub(crate) secret_hash: [u8; 32],
    pub(crate) instance_id: InstanceId,
    pub(crate) name: String,
    pub(crate) app_version: String,
    pub(crate) redirect_uris: String,
    pub(crate) scopes: String,
    pub(crate) grants: String,
    pub(crate) created_at: i64,
}

/// A client: what is needed to let it in, and what it may do.
#[derive(Clone, Debug)]
pub(crate) struct StoredClient {
    pub(crate) client_id: String,
    pub(crate) instance_id: InstanceId,
    pub(crate) secret_hash: Vec<u8>,
    pub(crate) name: String,
    pub(crate) redirect_uris: String,
    pub(crate) scopes: String,
    pub(crate) grants: String,
}

impl StoredClient {
    /// Whether it registered for a grant type.
    pub(crate) fn may(&self, grant: &str) -> bool {
        self.grants.split(' ').any(|may| may == grant)
    }

    /// Whether it may ask for a scope.
    pub(crate) fn may_ask(&self, scope: &str) -> bool {
        self.scopes.split(' ').any(|may| may == scope)
    }

    /// Whether a URI is one of its own, to the letter.
    pub(crate) fn redirects_to(&self, uri: &str) -> bool {
        self.redirect_uris.split(' ').any(|own| own == uri)
    }
}

impl Store {
    /// Which instance a living registration token is for. Reading first keeps strangers off the writer.
    pub(crate) async fn registration_token(
        &self,
        token_hash: &[u8; 32],
        now: i64,
    ) -> Result<Option<InstanceId>, sqlx::Error> {
        let hash = token_hash.as_slice();
        let row = sqlx::query!(
            "SELECT instance_id FROM registration_tokens WHERE token_hash = ? AND expires_at > ?",
            hash,
            now
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| parsed("instance_id", &row.instance_id)).transpose()
    }

    /// Uses up a registration token and writes its client. `false`: the token was used in the meantime.
    pub(crate) async fn register_client(
        &self,
        token_hash: &[u8; 32],
        client: &NewClient,
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let (token, id) = (token_hash.as_slice(), client.instance_id.to_string());
        let used = sqlx::query!(
            "DELETE FROM registration_tokens WHERE token_hash = ? AND instance_id = ?",
            token,
            id
        )
        .execute(&mut *tx)
        .await?;
        if used.rows_affected() == 0 {
            return Ok(false);
        }
        let secret = client.secret_hash.as_slice();
        sqlx::query!("DELETE FROM clients WHERE instance_id = ?", id).execute(&mut *tx).await?;
        sqlx::query!(
            "INSERT INTO clients
                 (client_id, instance_id, secret_hash, name, app_version, redirect_uris, scopes, grants, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            client.client_id,
            id,
            secret,
            client.name,
            client.app_version,
            client.redirect_uris,
            client.scopes,
            client.grants,
            client.created_at
        )
        .execute(&mut *tx)
        .await?;
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// One client.
    pub(crate) async fn client(&self, client_id: &str) -> Result<Option<StoredClient>, sqlx::Error> {
        let row = sqlx::query!(
            "SELECT client_id, instance_id, secret_hash, name, redirect_uris, scopes, grants
             FROM clients WHERE client_id = ?",
            client_id
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            Ok(StoredClient {
                client_id: row.client_id,
                instance_id: parsed("instance_id", &row.instance_id)?,
                secret_hash: row.secret_hash,
                name: row.name,
                redirect_uris: row.redirect_uris,
                scopes: row.scopes,
                grants: row.grants,
            })
        })
        .transpose()
    }
}

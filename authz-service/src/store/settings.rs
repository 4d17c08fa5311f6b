//! The one row of settings.

use super::Store;
use super::audit::Entry;
use crate::settings::Settings;
use control_api::authz::RegistrationMode;

impl Store {
    /// As they are.
    pub(crate) async fn settings(&self) -> Result<Settings, sqlx::Error> {
        let row = sqlx::query!("SELECT version, registration, banner, changed_at, changed_by FROM settings")
            .fetch_one(self.db.reader())
            .await?;
        Ok(Settings {
            version: row.version,
            // The column's check constraint allows the known ones alone.
            registration: row.registration.and_then(|text| text.parse().ok()),
            banner: row.banner,
            changed_at: row.changed_at,
            changed_by: row.changed_by,
        })
    }

    /// Writes all of it where `seen` is the current version; `false`, with nothing written, where it is not.
    pub(crate) async fn change_settings(
        &self,
        settings: &Settings,
        seen: i64,
        audit: &Entry<'_>,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.db.begin().await?;
        let registration = settings.registration.map(RegistrationMode::as_str);
        let done = sqlx::query!(
            "UPDATE settings SET version = ?, registration = ?, banner = ?, changed_at = ?, changed_by = ?
             WHERE version = ?",
            settings.version,
            registration,
            settings.banner,
            settings.changed_at,
            settings.changed_by,
            seen
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        super::audit::insert(&mut tx, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The name of an account that is still there.
    pub(crate) async fn name_of(&self, user_id: &str) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar!("SELECT username FROM accounts WHERE user_id = ?", user_id)
            .fetch_optional(self.db.reader())
            .await
    }
}

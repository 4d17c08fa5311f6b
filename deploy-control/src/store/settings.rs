//! What administrators set: a row for each change, the newest holds.

use control_api::deploy_settings::Administrator;

use super::rows::parsed;
use super::{Store, StoreError, StoreResult, int};
use crate::quantity::{Bytes, Cpus, IdleTime};
use crate::settings::{Chosen, Settings};
use std::time::Duration;

impl Store {
    /// The newest change.
    pub async fn chosen_settings(&self) -> StoreResult<Settings> {
        let row = sqlx::query!(
            "SELECT version, idle_sleep_s, idle_pause_s, memory_bytes, milli_cpus, pids, disk_bytes, changed_at,
                    changed_by, changed_by_name
             FROM chosen_settings ORDER BY version DESC LIMIT 1"
        )
        .fetch_optional(self.db.reader())
        .await?;
        let Some(row) = row else { return Ok(Settings::default()) };
        let actor = Administrator {
            user_id: parsed("changed_by", &row.changed_by)?,
            name: parsed("changed_by_name", &row.changed_by_name)?,
        };
        Ok(Settings {
            version: row.version,
            chosen: Chosen {
                idle_sleep: row.idle_sleep_s.map(idle_time).transpose()?,
                idle_pause: row.idle_pause_s.map(idle_time).transpose()?,
                memory: row.memory_bytes.map(number).transpose()?.map(Bytes),
                cpus: row.milli_cpus.map(number).transpose()?.map(Cpus),
                pids: row.pids.map(number).transpose()?,
                disk: row.disk_bytes.map(number).transpose()?.map(Bytes),
            },
            changed: Some((row.changed_at, actor)),
        })
    }

    /// Writes a change after the one that was looked at; answers it, or nothing where another came first.
    pub async fn choose_settings(
        &self,
        seen: i64,
        chosen: Chosen,
        actor: Administrator,
    ) -> StoreResult<Option<Settings>> {
        let now = self.now();
        let version = seen.saturating_add(1);
        let (sleep, pause) = (chosen.idle_sleep.map(seconds), chosen.idle_pause.map(seconds));
        let (memory, disk) = (chosen.memory.map(|size| int(size.0)), chosen.disk.map(|size| int(size.0)));
        let cpus = chosen.cpus.map(|cores| cores.0);
        let (id, name) = (actor.user_id.to_string(), actor.name.as_str());
        let mut tx = self.begin().await?;
        let done = sqlx::query!(
            "INSERT INTO chosen_settings (version, idle_sleep_s, idle_pause_s, memory_bytes, milli_cpus, pids,
                                          disk_bytes, changed_at, changed_by, changed_by_name)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10
             WHERE ?11 = COALESCE((SELECT MAX(version) FROM chosen_settings), 0)",
            version,
            sleep,
            pause,
            memory,
            cpus,
            chosen.pids,
            disk,
            now,
            id,
            name,
            seen
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        tx.commit().await?;
        self.changed();
        Ok(Some(Settings { version, chosen, changed: Some((now, actor)) }))
    }
}

/// 0 stands for never.
fn seconds(time: IdleTime) -> i64 {
    time.0.map_or(0, |time| int(time.as_secs()))
}

fn idle_time(stored: i64) -> StoreResult<IdleTime> {
    let seconds: u64 = number(stored)?;
    Ok(IdleTime((seconds > 0).then(|| Duration::from_secs(seconds))))
}

fn number<T: TryFrom<i64>>(stored: i64) -> StoreResult<T> {
    T::try_from(stored).map_err(|_| StoreError::Corrupt(format!("a setting holds {stored}")))
}

//! Rollouts and how far each of their instances is. At most one is at work (an index sees to that).

use std::str::FromStr;

use control_api::ids::{InstanceId, OperationId, RolloutId};
use control_api::names::Slug;
use control_api::rollout::{MemberState, RolloutState};

use super::rows::parsed;
use super::{Store, StoreError, StoreResult};
use crate::model::Goal;
use crate::rollouts::plan::ring;
use crate::rollouts::{MEMBER_STATES, Member, ROLLOUT_STATES, Rollout};

/// How many rollouts are listed.
const LISTED: u32 = 50;

struct RolloutRow {
    id: String,
    image_id: String,
    failure_limit: i64,
    state: String,
    cancel: i64,
    reason: Option<String>,
    created_at: i64,
    finished_at: Option<i64>,
}

impl TryFrom<RolloutRow> for Rollout {
    type Error = StoreError;

    fn try_from(row: RolloutRow) -> StoreResult<Self> {
        let limit = u32::try_from(row.failure_limit);
        Ok(Self {
            id: parsed("id", &row.id)?,
            image_id: row.image_id,
            failure_limit: limit
                .map_err(|_| StoreError::Corrupt(format!("failure_limit holds {}", row.failure_limit)))?,
            state: named(&ROLLOUT_STATES, &row.state)?,
            cancel: row.cancel != 0,
            reason: row.reason,
            created_at: row.created_at,
            finished_at: row.finished_at,
        })
    }
}

struct MemberRow {
    instance_id: String,
    slug: String,
    ring: i64,
    state: String,
    operation_id: Option<String>,
    rest: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    started_at: Option<i64>,
}

impl TryFrom<MemberRow> for Member {
    type Error = StoreError;

    fn try_from(row: MemberRow) -> StoreResult<Self> {
        Ok(Self {
            instance: parsed("instance_id", &row.instance_id)?,
            slug: parsed::<Slug>("slug", &row.slug)?,
            ring: u32::try_from(row.ring)
                .map_err(|_| StoreError::Corrupt(format!("ring holds {}", row.ring)))?,
            state: named(&MEMBER_STATES, &row.state)?,
            operation: optional("operation_id", row.operation_id.as_deref())?,
            rest: optional("rest", row.rest.as_deref())?,
            outcome: row.outcome.as_deref().map(|text| named(&MEMBER_STATES, text)).transpose()?,
            reason: row.reason,
            started_at: row.started_at,
        })
    }
}

fn optional<T: FromStr>(column: &str, text: Option<&str>) -> StoreResult<Option<T>> {
    text.map(|text| parsed(column, text)).transpose()
}

fn named<T: Copy>(names: &[(T, &str)], text: &str) -> StoreResult<T> {
    let found = names.iter().find(|(_, name)| *name == text);
    found.map(|(value, _)| *value).ok_or_else(|| StoreError::Corrupt(format!("state holds {text:?}")))
}

fn name<T: PartialEq>(names: &[(T, &'static str)], value: &T) -> &'static str {
    names.iter().find(|(known, _)| known == value).map_or("", |(_, name)| name)
}

/// What a member comes to.
#[derive(Clone, Copy, Debug)]
pub struct MemberNews<'a> {
    /// How far it is.
    pub state: MemberState,
    /// The operation that is asked for next, or was last.
    pub operation: Option<OperationId>,
    /// Where it rested before.
    pub rest: Option<Goal>,
    /// What becomes of it once it rests again.
    pub outcome: Option<MemberState>,
    /// Why it is so.
    pub reason: Option<&'a str>,
}

impl Store {
    /// Writes down a rollout of an image to every instance that runs another, the oldest first. Answers `false`
    /// where another rollout is at work.
    pub async fn begin_rollout(&self, id: RolloutId, image: &str, failure_limit: u32) -> StoreResult<bool> {
        let (id, now) = (id.to_string(), self.now());
        let mut tx = self.begin().await?;
        let inserted = sqlx::query!(
            "INSERT INTO rollouts (id, image_id, failure_limit, state, created_at)
             VALUES (?, ?, ?, 'running', ?)",
            id,
            image,
            failure_limit,
            now
        )
        .execute(&mut *tx)
        .await;
        match inserted {
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(false),
            outcome => outcome?,
        };
        let members = sqlx::query_scalar!(
            "SELECT id FROM instances
             WHERE deleted_at IS NULL AND desired IN ('awake', 'asleep', 'stopped') AND ever_ready = 1
               AND image_id IS NOT ?
             ORDER BY id",
            image
        )
        .fetch_all(&mut *tx)
        .await?;
        for (place, member) in members.iter().enumerate() {
            let ring = ring(place, members.len());
            sqlx::query!(
                "INSERT INTO rollout_members (rollout_id, instance_id, ring, state) VALUES (?, ?, ?, 'waiting')",
                id,
                member,
                ring
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        self.changed();
        Ok(true)
    }

    /// One rollout.
    pub async fn rollout(&self, id: RolloutId) -> StoreResult<Option<Rollout>> {
        let id = id.to_string();
        let row = sqlx::query_as!(RolloutRow, "SELECT * FROM rollouts WHERE id = ?", id)
            .fetch_optional(self.db.reader())
            .await?;
        row.map(Rollout::try_from).transpose()
    }

    /// The rollout that is at work.
    pub async fn rollout_under_way(&self) -> StoreResult<Option<Rollout>> {
        let row = sqlx::query_as!(RolloutRow, "SELECT * FROM rollouts WHERE state = 'running'")
            .fetch_optional(self.db.reader())
            .await?;
        row.map(Rollout::try_from).transpose()
    }

    /// The newest rollouts, newest first.
    pub async fn newest_rollouts(&self) -> StoreResult<Vec<Rollout>> {
        let rows = sqlx::query_as!(
            RolloutRow,
            "SELECT * FROM rollouts ORDER BY created_at DESC, id DESC LIMIT ?",
            LISTED
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Rollout::try_from).collect()
    }

    /// The instances of a rollout, in the order of their turns.
    pub async fn members(&self, id: RolloutId) -> StoreResult<Vec<Member>> {
        let id = id.to_string();
        let rows = sqlx::query_as!(
            MemberRow,
            r#"SELECT m.instance_id AS "instance_id!", i.slug AS "slug!", m.ring AS "ring!", m.state AS "state!",
                      m.operation_id, m.rest, m.outcome, m.reason, m.started_at
               FROM rollout_members m JOIN instances i ON i.id = m.instance_id
               WHERE m.rollout_id = ? ORDER BY m.ring, m.instance_id"#,
            id
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter().map(Member::try_from).collect()
    }

    /// Writes down how far an instance of a rollout is.
    pub async fn note_member(
        &self,
        rollout: RolloutId,
        instance: InstanceId,
        news: &MemberNews<'_>,
    ) -> StoreResult<()> {
        let (rollout, instance, now) = (rollout.to_string(), instance.to_string(), self.now());
        let (state, operation) = (name(&MEMBER_STATES, &news.state), news.operation.map(|id| id.to_string()));
        let (rest, outcome) =
            (news.rest.map(Goal::as_str), news.outcome.map(|outcome| name(&MEMBER_STATES, &outcome)));
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE rollout_members
             SET state = ?1, rest = ?3, outcome = ?4, reason = ?5,
                 operation_id = CASE ?1 WHEN 'waiting' THEN NULL ELSE COALESCE(?2, operation_id) END,
                 started_at = CASE ?1 WHEN 'upgrading' THEN COALESCE(started_at, ?6) ELSE started_at END,
                 finished_at = CASE WHEN ?1 IN ('done', 'failed', 'skipped') THEN ?6 END
             WHERE rollout_id = ?7 AND instance_id = ?8",
            state,
            operation,
            rest,
            outcome,
            news.reason,
            now,
            rollout,
            instance
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Asks for the end of a rollout that is at work.
    pub async fn cancel_rollout(&self, id: RolloutId) -> StoreResult<()> {
        let id = id.to_string();
        let mut tx = self.begin().await?;
        sqlx::query!("UPDATE rollouts SET cancel = 1 WHERE id = ? AND state = 'running'", id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }

    /// Ends a rollout.
    pub async fn end_rollout(
        &self,
        id: RolloutId,
        state: RolloutState,
        reason: Option<&str>,
    ) -> StoreResult<()> {
        let (id, now, state) = (id.to_string(), self.now(), name(&ROLLOUT_STATES, &state));
        let mut tx = self.begin().await?;
        sqlx::query!(
            "UPDATE rollouts SET state = ?, reason = ?, finished_at = ? WHERE id = ? AND state = 'running'",
            state,
            reason,
            now,
            id
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.changed();
        Ok(())
    }
}

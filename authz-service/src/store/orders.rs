//! The outbox: one order of an instance per account. A row stays `queued` until deploy-control has answered,
//! whatever crashes in between, and an answer settles the version that was sent and no newer one.

use control_api::authz::{OrderState, ProvisioningView};
use control_api::ids::{InstanceId, OperationId, UserId};
use control_api::names::{Slug, Username};
use sqlx::SqliteConnection;

use super::{Store, parsed};

/// An order that waits to be sent.
#[derive(Clone, Debug)]
pub(crate) struct DueOrder {
    pub(crate) user_id: UserId,
    pub(crate) version: i64,
    pub(crate) attempts: i64,
    pub(crate) username: Username,
    pub(crate) email: String,
    pub(crate) slug: Option<Slug>,
}

/// What deploy-control made of it.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) instance_id: InstanceId,
    pub(crate) slug: Slug,
    pub(crate) operation_id: OperationId,
}

impl Store {
    /// Orders that are due, the longest waiting first.
    pub(crate) async fn due_orders(&self, now: i64, limit: i64) -> Result<Vec<DueOrder>, sqlx::Error> {
        let rows = sqlx::query!(
            "SELECT o.user_id, o.version, o.attempts, o.slug, a.username, a.email
             FROM orders o JOIN accounts a ON a.user_id = o.user_id
             WHERE o.state = 'queued' AND o.due_at <= ? AND a.standing = 'active'
             ORDER BY o.due_at LIMIT ?",
            now,
            limit
        )
        .fetch_all(self.db.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(DueOrder {
                    user_id: parsed("user_id", &row.user_id)?,
                    version: row.version,
                    attempts: row.attempts,
                    username: parsed("username", &row.username)?,
                    email: row.email,
                    slug: row.slug.as_deref().map(|slug| parsed("slug", slug)).transpose()?,
                })
            })
            .collect()
    }

    /// Stores that an order was taken, and who owns the instance. Where the account has left meanwhile, what was
    /// made for it is to go.
    pub(crate) async fn order_accepted(
        &self,
        order: &DueOrder,
        accepted: &Accepted,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin().await?;
        super::instances::upsert(&mut tx, accepted.instance_id, order.user_id, &accepted.slug, now).await?;
        let (user_id, instance_id, operation_id) =
            (order.user_id.to_string(), accepted.instance_id.to_string(), accepted.operation_id.to_string());
        sqlx::query!(
            "UPDATE orders SET state = 'accepted', instance_id = ?, operation_id = ?, reason = NULL
             WHERE user_id = ? AND version = ?",
            instance_id,
            operation_id,
            user_id,
            order.version
        )
        .execute(&mut *tx)
        .await?;
        super::departures::renew_of_gone(&mut tx, order.user_id, now).await?;
        tx.commit().await
    }

    /// Stores that an order was refused for good.
    pub(crate) async fn order_refused(&self, order: &DueOrder, reason: &str) -> Result<(), sqlx::Error> {
        let user_id = order.user_id.to_string();
        sqlx::query!(
            "UPDATE orders SET state = 'refused', reason = ? WHERE user_id = ? AND version = ?",
            reason,
            user_id,
            order.version
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// Stores that an order has to wait, and why.
    pub(crate) async fn order_postponed(
        &self,
        order: &DueOrder,
        due_at: i64,
        reason: &str,
    ) -> Result<(), sqlx::Error> {
        let user_id = order.user_id.to_string();
        sqlx::query!(
            "UPDATE orders SET attempts = attempts + 1, due_at = ?, reason = ?
             WHERE user_id = ? AND version = ?",
            due_at,
            reason,
            user_id,
            order.version
        )
        .execute(self.db.writer())
        .await
        .map(drop)
    }

    /// Whether anything waits, due or not; of an account that is shut out nothing is sent.
    pub(crate) async fn has_queued_orders(&self) -> Result<bool, sqlx::Error> {
        let row = sqlx::query!(
            "SELECT 1 AS one FROM orders o JOIN accounts a ON a.user_id = o.user_id
             WHERE o.state = 'queued' AND a.standing = 'active' LIMIT 1"
        )
        .fetch_optional(self.db.reader())
        .await?;
        Ok(row.is_some())
    }

    /// Orders (again).
    pub(crate) async fn renew_order(
        &self,
        user_id: UserId,
        slug: Option<&Slug>,
        now: i64,
    ) -> Result<(), sqlx::Error> {
        let mut conn = self.db.writer().acquire().await?;
        renew(&mut conn, user_id, slug, now).await
    }

    /// How far an account's order is; `None` where nothing was ever ordered.
    pub(crate) async fn order_view(&self, user_id: UserId) -> Result<Option<ProvisioningView>, sqlx::Error> {
        let user_id = user_id.to_string();
        let row = sqlx::query!(
            "SELECT state, instance_id, operation_id, reason FROM orders WHERE user_id = ?",
            user_id
        )
        .fetch_optional(self.db.reader())
        .await?;
        row.map(|row| {
            Ok(ProvisioningView {
                state: match row.state.as_str() {
                    "accepted" => OrderState::Accepted,
                    "refused" => OrderState::Refused,
                    _ => OrderState::Queued,
                },
                instance_id: row.instance_id.as_deref().map(|id| parsed("instance_id", id)).transpose()?,
                operation_id: row.operation_id.as_deref().map(|id| parsed("operation_id", id)).transpose()?,
                reason: row.reason,
            })
        })
        .transpose()
    }
}

/// Puts an account's order (back) into the queue, due at once.
pub(super) async fn renew(
    conn: &mut SqliteConnection,
    user_id: UserId,
    slug: Option<&Slug>,
    now: i64,
) -> Result<(), sqlx::Error> {
    let (user_id, slug) = (user_id.to_string(), slug.map(Slug::as_str));
    sqlx::query!(
        "INSERT INTO orders (user_id, version, slug, state, attempts, due_at)
         VALUES (?1, 1, ?2, 'queued', 0, ?3)
         ON CONFLICT (user_id) DO UPDATE SET version = version + 1, slug = ?2, state = 'queued',
             attempts = 0, due_at = ?3, instance_id = NULL, operation_id = NULL, reason = NULL",
        user_id,
        slug,
        now
    )
    .execute(conn)
    .await
    .map(drop)
}

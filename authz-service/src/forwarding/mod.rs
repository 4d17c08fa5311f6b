//! Sends the audit log on, to a syslog server and to a webhook: in order, each entry at least once, and never
//! given up. The log is the outbox and a target's row has the last entry that it was given, so that a restart, a
//! receiver that is down or a crash between the two loses nothing and repeats one batch at most.
//!
//! Where to is the operator's to say, in the environment: whoever could set an address in a browser could have
//! this machine ask any other.

pub(crate) mod settings;
mod syslog;
mod webhook;

use std::time::Duration;

use control_api::audit_targets::{AuditTargetName, AuditTargets, AuditTestAnswer, AuditTestRequest};
use control_api::wire::WireSecret;
use service_kit::clock::from_millis;
use service_kit::health::Check;

use crate::audit;
use crate::authz::{Authz, Shared};
use crate::error::Error;
use crate::store::audit::Row;
use crate::store::audit_targets::TargetRow;
use settings::{SyslogTarget, WebhookTarget};
pub(crate) use webhook::Webhook;

/// Entries of one delivery.
const BATCH: i64 = 100;
/// Longest time of one delivery.
pub(crate) const DELIVERY_TIME: Duration = Duration::from_secs(10);
const FIRST_PAUSE_MS: i64 = 1000;
const LONGEST_PAUSE_MS: i64 = 5 * 60 * 1000;
/// How often the log is looked at for new entries.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A test waits for its entry this long: longer than one delivery takes.
const TEST_TIME: Duration = Duration::from_secs(12);
const TEST_LOOK: Duration = Duration::from_millis(50);

/// Where one copy of the log goes.
pub(crate) enum Target {
    Syslog(SyslogTarget),
    Webhook(Webhook),
}

impl Target {
    /// A webhook with the client that its calls are made with.
    pub(crate) fn webhook(target: WebhookTarget, client: reqwest::Client) -> Self {
        Self::Webhook(Webhook { target, client })
    }

    fn name(&self) -> AuditTargetName {
        match self {
            Self::Syslog(_) => AuditTargetName::Syslog,
            Self::Webhook(_) => AuditTargetName::Webhook,
        }
    }

    fn check(&self) -> &'static str {
        match self {
            Self::Syslog(_) => "audit-syslog",
            Self::Webhook(_) => "audit-webhook",
        }
    }

    /// Gives a batch to the receiver. The reason of a failure has nothing that a secret could be in.
    async fn deliver(&self, entries: &[Row], host: &str, now_s: i64) -> Result<(), String> {
        let sent = async {
            match self {
                Self::Syslog(target) => syslog::send(target, host, entries).await,
                Self::Webhook(webhook) => webhook.send(entries, now_s).await,
            }
        };
        tokio::time::timeout(DELIVERY_TIME, sent)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", DELIVERY_TIME.as_secs())))
    }
}

/// Remembers a target from now on, where it is new.
pub(crate) async fn prepare(authz: &Authz, target: &Target) -> Result<(), sqlx::Error> {
    authz.store.add_audit_target(target.name()).await
}

/// Runs until the process stops.
pub(crate) async fn run(authz: Shared, target: Target) -> Result<(), String> {
    let name = target.name();
    while !authz.stopping.is_cancelled() {
        let more = tokio::select! {
            outcome = deliver_due(&authz, &target) => outcome.unwrap_or_else(|error| {
                tracing::error!(%error, target = name.as_str(), "the audit log cannot be read or its target written");
                false
            }),
            // A delivery under way is dropped: the next start makes it again.
            () = authz.stopping.cancelled() => break,
        };
        if more {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = authz.audit_test.notified() => {}
            () = authz.stopping.cancelled() => {}
        }
    }
    Ok(())
}

/// Delivers what is due; answers whether there may be more at once.
async fn deliver_due(authz: &Authz, target: &Target) -> Result<bool, sqlx::Error> {
    let (name, now) = (target.name(), authz.now());
    let row = authz.store.audit_target(name).await?;
    if row.due_at > now {
        return Ok(false);
    }
    let entries = authz.store.audit_after(row.cursor, BATCH).await?;
    let Some(last) = entries.last().map(|entry| entry.id) else {
        authz.health.set(target.check(), Check::Ok);
        return Ok(false);
    };
    let host = authz.config.portal_url.host_str().unwrap_or("-");
    match target.deliver(&entries, host, authz.clock.now_secs()).await {
        Ok(()) => {
            let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
            authz.store.audit_delivered(name, last, count, authz.now()).await?;
            authz.health.set(target.check(), Check::Ok);
            Ok(true)
        }
        Err(reason) => {
            tracing::warn!(
                target = name.as_str(),
                reason,
                attempts = row.attempts + 1,
                "audit entries have to wait"
            );
            authz
                .health
                .set(target.check(), Check::Warning(format!("entries of the audit log wait: {reason}")));
            let failed_at = authz.now();
            authz.store.audit_failed(name, failed_at, failed_at + pause_ms(row.attempts), &reason).await?;
            Ok(false)
        }
    }
}

/// 1, 2, 4, ... s, at most five minutes.
fn pause_ms(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(0, 9)).unwrap_or(9);
    (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS)
}

impl Authz {
    /// `POST /portal/admin/audit/targets`.
    pub(crate) async fn audit_targets(&self, secret: &WireSecret) -> Result<AuditTargets, Error> {
        self.administrator(secret).await?;
        let newest = self.store.last_audit_id().await?;
        let mut targets = Vec::new();
        for (name, address) in self.config.audit_targets.addresses() {
            let row = self.store.audit_target(name).await?;
            let waiting = self.store.audit_waiting(row.cursor, newest).await?;
            targets.push(view(name, address, &row, waiting));
        }
        Ok(AuditTargets { targets })
    }

    /// `POST /portal/admin/audit/test`: one more entry takes the way of all others, now.
    pub(crate) async fn test_audit_target(
        &self,
        request: &AuditTestRequest,
    ) -> Result<AuditTestAnswer, Error> {
        let session = self.administrator(&request.session).await?;
        let name = request.target;
        if !self.config.audit_targets.addresses().any(|(known, _)| known == name) {
            return Err(Error::NotFound("This target is not configured."));
        }
        let before = self.store.audit_target(name).await?.failures;
        let entry =
            audit::entry(self.now(), &session.user_id, "audit-test", &name.as_str(), request.client_addr);
        let id = self.store.begin_audit_test(name, &entry).await?;
        self.audit_test.notify_waiters();
        let outcome = tokio::time::timeout(TEST_TIME, self.audit_test_outcome(name, id, before)).await;
        outcome.unwrap_or_else(|_| {
            let reason = "other entries are before it; look again in a moment".to_owned();
            Ok(AuditTestAnswer { delivered: false, reason: Some(reason) })
        })
    }

    async fn audit_test_outcome(
        &self,
        name: AuditTargetName,
        id: i64,
        failures: i64,
    ) -> Result<AuditTestAnswer, Error> {
        loop {
            let row = self.store.audit_target(name).await?;
            if row.cursor >= id {
                return Ok(AuditTestAnswer { delivered: true, reason: None });
            }
            if row.failures > failures {
                return Ok(AuditTestAnswer { delivered: false, reason: row.last_error });
            }
            tokio::time::sleep(TEST_LOOK).await;
        }
    }
}

fn view(
    name: AuditTargetName,
    address: String,
    row: &TargetRow,
    waiting: i64,
) -> control_api::audit_targets::AuditTargetView {
    let failing = row.attempts > 0;
    control_api::audit_targets::AuditTargetView {
        name,
        address,
        delivered: row.delivered,
        waiting,
        failures: row.failures,
        last_delivered_at: row.last_delivered_at.map(from_millis),
        last_failed_at: row.last_failed_at.map(from_millis),
        last_error: row.last_error.clone(),
        next_try_at: failing.then(|| from_millis(row.due_at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_minutes() {
        assert_eq!([0, 1, 8, 9, 1000].map(pause_ms), [1000, 2000, 256_000, 300_000, 300_000]);
    }
}

//! The audit log of the fake authz-service.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::audit::{AuditEntryView, AuditPage, AuditRequest};
use control_api::audit_targets::{
    AuditTargetName, AuditTargetView, AuditTargets, AuditTargetsRequest, AuditTestAnswer, AuditTestRequest,
};
use control_api::authz::Role;
use control_api::codes;

use super::{Answer, Fakes, at, ended, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/admin/audit", post(read))
        .route("/portal/admin/audit/targets", post(targets))
        .route("/portal/admin/audit/test", post(test))
}

impl Fakes {
    /// One more entry.
    pub(crate) fn audit_entry(&self, action: &str, target: &str, name: Option<&str>) {
        let log = &mut self.world().audit;
        log.push(AuditEntryView {
            id: i64::try_from(log.len()).expect("not so many") + 1,
            at: at("2026-11-21T11:00:00Z"),
            actor: "operator".to_owned(),
            actor_name: None,
            action: action.to_owned(),
            target: target.to_owned(),
            target_name: name.map(str::to_owned),
            address: Some("192.0.2.7".to_owned()),
            request_id: Some("request-1".to_owned()),
        });
    }

    /// A syslog server that has everything, and a webhook that answers nothing but errors.
    pub(crate) fn audit_targets(&self) {
        let syslog = AuditTargetView {
            name: AuditTargetName::Syslog,
            address: "udp://logs.example.com:514".to_owned(),
            delivered: 128,
            waiting: 0,
            failures: 0,
            last_delivered_at: Some(at("2026-11-21T11:59:00Z")),
            last_failed_at: None,
            last_error: None,
            next_try_at: None,
        };
        let webhook = AuditTargetView {
            name: AuditTargetName::Webhook,
            address: "https://logs.example.com".to_owned(),
            delivered: 121,
            waiting: 7,
            failures: 3,
            last_delivered_at: Some(at("2026-11-21T10:00:00Z")),
            last_failed_at: Some(at("2026-11-21T11:58:00Z")),
            last_error: Some("the receiver answered with status 503".to_owned()),
            next_try_at: Some(at("2026-11-21T12:03:00Z")),
        };
        self.world().audit_targets = vec![syslog, webhook];
    }
}

async fn read(State(fakes): State<Fakes>, Json(body): Json<AuditRequest>) -> Answer<Json<AuditPage>> {
    let world = fakes.world();
    let session = world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    if session.role != Role::Admin {
        return Err(problem(403, codes::NOT_YOURS, "Only administrators may do this."));
    }
    let (before, limit) = (body.before.unwrap_or(i64::MAX), body.limit.unwrap_or(50) as usize);
    let is_wanted = |entry: &&AuditEntryView| {
        entry.id < before && body.filter.action.as_ref().is_none_or(|action| *action == entry.action)
    };
    let mut entries: Vec<_> = world.audit.iter().rev().filter(is_wanted).take(limit + 1).cloned().collect();
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).map(|entry| entry.id);
    Ok(Json(AuditPage { entries, next }))
}

async fn targets(
    State(fakes): State<Fakes>,
    Json(body): Json<AuditTargetsRequest>,
) -> Answer<Json<AuditTargets>> {
    let world = fakes.world();
    world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    Ok(Json(AuditTargets { targets: world.audit_targets.clone() }))
}

/// Arrives where the last try has not failed.
async fn test(
    State(fakes): State<Fakes>,
    Json(body): Json<AuditTestRequest>,
) -> Answer<Json<AuditTestAnswer>> {
    let world = fakes.world();
    let found = world.audit_targets.iter().find(|target| target.name == body.target);
    let found = found.ok_or_else(|| problem(404, codes::NOT_FOUND, "There is no such target."))?;
    Ok(Json(AuditTestAnswer { delivered: found.last_error.is_none(), reason: found.last_error.clone() }))
}

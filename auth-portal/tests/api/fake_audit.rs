//! The audit log of the fake authz-service.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::audit::{AuditEntryView, AuditPage, AuditRequest};
use control_api::authz::Role;
use control_api::codes;

use super::{Answer, Fakes, at, ended, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new().route("/portal/admin/audit", post(read))
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

//! `/admin/audit/forwarding`: where the audit log is sent to, what has arrived there, and a button that sends an
//! entry made for it. Where it goes is the operator's to say, in the environment: no browser can point it elsewhere.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, State};
use control_api::audit_targets::{AuditTargetName, AuditTargetView, AuditTargetsRequest, AuditTestRequest};
use control_api::codes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::audit::refused;
use super::{Administrator, Message};
use crate::app::Portal;
use crate::error::PageError;
use crate::form::AdminForm;
use crate::moment::{Moment, moment, soon};
use crate::session::Session;
use crate::text::{fill, services, texts};
use crate::view::{PageResult, Shell, page};

#[derive(Template)]
#[template(path = "admin_forwarding.html")]
struct ForwardingPage {
    shell: Shell,
    message: Option<Message>,
    targets: Vec<TargetRow>,
}

struct TargetRow {
    /// As the form sends it.
    name: &'static str,
    label: &'static str,
    address: String,
    /// Nothing is said of the last try where it succeeded.
    failed: Option<FailedTry>,
    delivered: i64,
    waiting: i64,
    failures: i64,
    last_delivered: Option<Moment>,
}

struct FailedTry {
    at: Moment,
    reason: String,
    again: Option<Moment>,
}

/// `GET /admin/audit/forwarding`.
pub(super) async fn show(State(portal): State<Portal>, Administrator(session): Administrator) -> PageResult {
    render(&portal, &session, StatusCode::OK, None).await
}

/// `POST /admin/audit/forwarding/test`: takes up to 12 s where the receiver takes its time.
pub(super) async fn test(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: AdminForm,
) -> PageResult {
    let target = match form.fields.text("target") {
        "syslog" => AuditTargetName::Syslog,
        "webhook" => AuditTargetName::Webhook,
        _ => return Err(PageError::NotFound),
    };
    let request = AuditTestRequest {
        session: form.session.secret.clone(),
        target,
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    let t = &texts().forwarding;
    let (status, message) = match portal.authz.test_audit_target(&request).await {
        Ok(answer) if answer.delivered => {
            let text = fill(t.arrived, &[("target", label(target))]);
            (StatusCode::OK, Message { text, bad: false })
        }
        Ok(answer) => {
            let reason = answer.reason.unwrap_or_default();
            let text = fill(t.not_arrived, &[("target", label(target)), ("reason", &reason)]);
            (StatusCode::OK, Message { text, bad: true })
        }
        // Somebody took it out of the configuration since the page was shown.
        Err(error) if error.is(codes::NOT_FOUND) => {
            (StatusCode::NOT_FOUND, Message { text: t.gone.to_owned(), bad: true })
        }
        Err(error) => return Err(refused(error)),
    };
    render(&portal, &form.session, status, Some(message)).await
}

async fn render(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    message: Option<Message>,
) -> PageResult {
    let request = AuditTargetsRequest { session: session.secret.clone() };
    let found = portal.authz.audit_targets(&request).await.map_err(refused)?;
    let now = portal.clock.now();
    let targets = found.targets.into_iter().map(|target| row(target, now)).collect();
    Ok(page(status, &ForwardingPage { shell: session.shell(), message, targets }))
}

fn row(target: AuditTargetView, now: Timestamp) -> TargetRow {
    let has_failed = target.last_failed_at > target.last_delivered_at;
    let failed = target.last_failed_at.filter(|_| has_failed).map(|at| FailedTry {
        at: moment(at, now),
        reason: services::said(target.last_error.as_deref().unwrap_or_default()),
        again: target.next_try_at.map(|at| soon(at, now)),
    });
    TargetRow {
        name: target.name.as_str(),
        label: label(target.name),
        address: target.address,
        failed,
        delivered: target.delivered,
        waiting: target.waiting,
        failures: target.failures,
        last_delivered: target.last_delivered_at.map(|at| moment(at, now)),
    }
}

fn label(name: AuditTargetName) -> &'static str {
    let t = &texts().forwarding;
    match name {
        AuditTargetName::Syslog => t.syslog,
        AuditTargetName::Webhook => t.webhook,
    }
}

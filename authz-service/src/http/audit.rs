//! Routes of the portal for the audit log. Internal token, and an administrator's session in the body.

use axum::Json;
use axum::extract::State;
use control_api::audit::{AuditPage, AuditRequest};
use control_api::audit_targets::{AuditTargets, AuditTargetsRequest, AuditTestAnswer, AuditTestRequest};

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/portal/admin/audit", read)
        .post("/portal/admin/audit/targets", targets)
        .post("/portal/admin/audit/test", test)
}

/// Entries of the audit log, the newest first.
#[utoipa::path(post, path = "/portal/admin/audit", tag = "portal", security(("internal" = [])),
    request_body = AuditRequest,
    responses(
        (status = 200, body = AuditPage),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 422, body = ProblemBody, description = "Every field at fault, in `errors`"),
    ))]
pub(super) async fn read(
    State(authz): State<Shared>,
    Body(request): Body<AuditRequest>,
) -> Result<Json<AuditPage>, Error> {
    authz.audit(&request).await.map(Json)
}

/// Where the audit log is sent to, and what has arrived.
#[utoipa::path(post, path = "/portal/admin/audit/targets", tag = "portal", security(("internal" = [])),
    request_body = AuditTargetsRequest,
    responses(
        (status = 200, body = AuditTargets),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
    ))]
pub(super) async fn targets(
    State(authz): State<Shared>,
    Body(request): Body<AuditTargetsRequest>,
) -> Result<Json<AuditTargets>, Error> {
    authz.audit_targets(&request.session).await.map(Json)
}

/// Sends an entry made for this on its way, and waits for it.
#[utoipa::path(post, path = "/portal/admin/audit/test", tag = "portal", security(("internal" = [])),
    request_body = AuditTestRequest,
    responses(
        (status = 200, body = AuditTestAnswer),
        (status = 401, body = ProblemBody),
        (status = 403, body = ProblemBody, description = "The session is no administrator's"),
        (status = 404, body = ProblemBody, description = "There is no such target"),
    ))]
pub(super) async fn test(
    State(authz): State<Shared>,
    Body(request): Body<AuditTestRequest>,
) -> Result<Json<AuditTestAnswer>, Error> {
    authz.test_audit_target(&request).await.map(Json)
}

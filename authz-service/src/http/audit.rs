//! Routes of the portal for the audit log. Internal token, and an administrator's session in the body.

use axum::Json;
use axum::extract::State;
use control_api::audit::{AuditPage, AuditRequest};

use super::Routes;
use super::extract::Body;
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default().post("/portal/admin/audit", read)
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

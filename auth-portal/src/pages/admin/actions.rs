//! What administrators do: each form ends in a redirect to the page with the outcome, or in that page with
//! the reason why not.

use axum::extract::{Path, State};
use control_api::ids::{InstanceId, OperationId};

use super::{asked, instance, overview, refusal};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::AdminForm;
use crate::text::texts;
use crate::view::{FormFaults, PageResult};

/// What needs no second thought.
pub(super) const PLAIN: [&str; 6] = ["start", "stop", "restart", "sleep", "upgrade", "rollback"];

/// `POST /admin/instances/{id}/{action}`: one of [`PLAIN`], or `delete` or `purge` with the name typed.
pub(super) async fn act(
    State(portal): State<Portal>,
    Path((id, action)): Path<(String, String)>,
    form: AdminForm,
) -> PageResult {
    let id: InstanceId = id.parse().map_err(|_| PageError::NotFound)?;
    let purge = action == "purge";
    if purge || action == "delete" {
        return remove(&portal, id, purge, form).await;
    }
    if !PLAIN.contains(&action.as_str()) {
        return Err(PageError::NotFound);
    }
    match portal.deploy.act(id, &action).await {
        Ok(_) => Ok(redirect(&format!("/admin/instances/{id}?done={action}"))),
        Err(error) => {
            let (status, message) = refusal(error)?;
            instance::refused(&portal, &form.session, id, status, message).await
        }
    }
}

async fn remove(portal: &Portal, id: InstanceId, purge: bool, form: AdminForm) -> PageResult {
    let view = portal.deploy.instance(id).await.map_err(asked)?;
    if form.fields.text("confirm").trim() != view.slug.as_str() {
        let field = if purge { "confirm-purge" } else { "confirm-delete" };
        let faults = FormFaults::field(field, texts().admin.confirm_wrong);
        return instance::unconfirmed(portal, &form.session, id, faults).await;
    }
    match portal.deploy.delete(id, purge).await {
        // Its page may be gone before the browser gets there.
        Ok(_) => Ok(redirect(&format!("/admin?done=delete&name={}", view.slug))),
        Err(error) => {
            let (status, message) = refusal(error)?;
            instance::refused(portal, &form.session, id, status, message).await
        }
    }
}

/// `POST /admin/operations/{id}/cancel`.
pub(super) async fn cancel(
    State(portal): State<Portal>,
    Path(id): Path<String>,
    form: AdminForm,
) -> PageResult {
    let id: OperationId = id.parse().map_err(|_| PageError::NotFound)?;
    match portal.deploy.cancel(id).await {
        Ok(operation) => {
            // A pull works on no instance.
            let place = operation.instance_id.map(|id| format!("/instances/{id}")).unwrap_or_default();
            Ok(redirect(&format!("/admin{place}?done=cancel")))
        }
        Err(error) => {
            let (status, message) = refusal(error)?;
            overview::refused(&portal, &form.session, status, message).await
        }
    }
}

/// `POST /admin/isolation`: proves it again; the reason why it does not hold is among the checks.
pub(super) async fn prove(State(portal): State<Portal>, form: AdminForm) -> PageResult {
    match portal.deploy.prove_isolation().await {
        Ok(answer) if answer.proven => Ok(redirect("/admin?done=proven")),
        Ok(answer) => {
            let text = answer.reason.unwrap_or_default();
            tracing::warn!(reason = text, "the isolation was not proven");
            Ok(redirect("/admin?done=unproven"))
        }
        Err(error) => {
            let (status, message) = refusal(error)?;
            overview::refused(&portal, &form.session, status, message).await
        }
    }
}

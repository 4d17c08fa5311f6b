//! How the machine is that all of it stands on.

use axum::Json;
use axum::extract::State;
use control_api::deploy::OperationState;
use control_api::host::HostView;

use crate::error::Error;
use crate::host::Host;
use crate::requests::Requests;

/// Load, memory and disk of the machine, and how many operations wait for their turn.
#[utoipa::path(
    get, path = "/api/host", tag = "observe", security(("deploy" = [])),
    responses((status = 200, body = HostView))
)]
pub(super) async fn host(State(requests): State<Requests>) -> Result<Json<HostView>, Error> {
    let context = &requests.context;
    let active = context.store.active_operations().await?;
    let queued = active.iter().filter(|operation| operation.state == OperationState::Queued).count();
    let host = Host::read();
    Ok(Json(HostView {
        cpus: host.cpus,
        load: host.load,
        memory_bytes: host.memory_bytes,
        memory_available_bytes: host.memory_available_bytes,
        disk_bytes: context.files.total_bytes().ok(),
        disk_free_bytes: context.free_bytes().ok(),
        queued: u64::try_from(queued).unwrap_or(u64::MAX),
    }))
}

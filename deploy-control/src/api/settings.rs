//! What administrators set while the service runs.

use axum::Json;
use axum::extract::State;
use control_api::deploy_settings::{ChangeDeploySettings, DeploySettingsView};
use service_kit::clock::from_millis;

use super::extract::Body;
use super::openapi::ProblemBody;
use crate::error::Error;
use crate::requests::Requests;
use crate::settings::{self, Settings};

/// What was set, and what the environment says.
#[utoipa::path(
    get, path = "/api/settings", tag = "settings", security(("deploy" = [])),
    responses((status = 200, body = DeploySettingsView))
)]
pub(super) async fn get(State(requests): State<Requests>) -> Json<DeploySettingsView> {
    let settings = requests.context.settings();
    Json(view(&requests, settings))
}

/// Sets all of it, without a restart. Idle times and a larger disk hold at once for every instance; the other limits for
/// new instances, and for the others from their next upgrade or rollback on.
#[utoipa::path(
    put, path = "/api/settings", tag = "settings", security(("deploy" = [])), request_body = ChangeDeploySettings,
    responses(
        (status = 200, body = DeploySettingsView),
        (status = 409, description = "`changed-meanwhile`: by somebody else", body = ProblemBody),
        (status = 422, description = "`invalid-input`, with `errors` by field", body = ProblemBody),
    )
)]
pub(super) async fn put(
    State(requests): State<Requests>,
    Body(body): Body<ChangeDeploySettings>,
) -> Result<Json<DeploySettingsView>, Error> {
    let settings = requests.change_settings(body).await?;
    Ok(Json(view(&requests, settings)))
}

fn view(requests: &Requests, settings: Settings) -> DeploySettingsView {
    let (changed_at, changed_by) = settings.changed.unzip();
    DeploySettingsView {
        version: settings.version,
        configured: settings::configured(&requests.context.config),
        chosen: settings.chosen.written(),
        changed_at: changed_at.map(from_millis),
        changed_by,
    }
}

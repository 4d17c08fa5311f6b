//! What is wrong with the installation, in one answer.

use axum::Json;
use axum::extract::State;
use control_api::doctor::DoctorReport;
use serde::Deserialize;

use super::extract::Params;
use crate::doctor;
use crate::requests::Requests;

/// Query of the doctor.
#[derive(Deserialize)]
pub(super) struct DoctorQuery {
    #[serde(default)]
    probe: bool,
}

/// Looks at Docker, networks, addresses, isolation, disk, tokens, clocks and database, and for what is there and on
/// no record, or on record and not there. Changes nothing.
#[utoipa::path(
    get, path = "/api/doctor", tag = "about", security(("deploy" = [])),
    params(("probe" = Option<bool>, Query, description = "prove the isolation anew first")),
    responses((status = 200, body = DoctorReport))
)]
pub(super) async fn examine(
    State(requests): State<Requests>,
    Params(query): Params<DoctorQuery>,
) -> Json<DoctorReport> {
    Json(doctor::examine(&requests, query.probe).await)
}

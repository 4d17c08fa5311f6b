//! What a person takes along, from both neighbours.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use control_api::ids::InstanceId;
use control_api::own_data::{OwnData, OwnDataRequest};
use futures_util::stream;

use super::{Answer, Fakes, NOW, at, ended};

pub(super) fn authz_routes() -> Router<Fakes> {
    Router::new().route("/portal/own-data", post(own_data))
}

pub(super) fn deploy_routes() -> Router<Fakes> {
    Router::new().route("/api/instances/{id}/data", get(files))
}

async fn own_data(State(fakes): State<Fakes>, Json(body): Json<OwnDataRequest>) -> Answer<Json<OwnData>> {
    let world = fakes.world();
    let session = world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    Ok(Json(OwnData {
        made_at: at(NOW),
        account: session.user.clone(),
        sessions: Vec::new(),
        api_keys: Vec::new(),
        audit: world.audit.clone(),
    }))
}

async fn files(Path(_): Path<InstanceId>) -> Response {
    let pieces = ["PK", " and so ", "on"].map(Ok::<_, std::io::Error>);
    ([("content-type", "application/zip")], Body::from_stream(stream::iter(pieces))).into_response()
}

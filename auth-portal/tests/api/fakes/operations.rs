//! What the fake deploy-control is at, and how it is.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use control_api::codes;
use control_api::deploy::{
    ActiveOperation, CheckView, HealthView, InstanceState, OperationState, OperationView, OverviewView,
    ProbeAnswer, StateCount,
};
use control_api::ids::OperationId;
use futures_util::StreamExt as _;
use http::{HeaderMap, header};
use tokio_stream::wrappers::WatchStream;

use super::{Answer, Fakes, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/api/isolation/probe", post(prove))
        .route("/api/overview", get(overview))
        .route("/health", get(health))
        .route("/api/operations/{id}", get(operation).delete(cancel))
}

async fn overview(State(fakes): State<Fakes>) -> Json<OverviewView> {
    let world = fakes.world();
    let count = |state| {
        let count = world.instances.values().filter(|instance| instance.state == state).count() as u64;
        (count > 0).then_some(StateCount { state, count })
    };
    let operations: Vec<_> = world
        .operations
        .values()
        .map(|sender| sender.borrow().clone())
        .filter(|operation| !operation.state.is_final())
        .map(|operation| {
            let slug = world.instances[&operation.instance_id.expect("an instance")].slug.clone();
            ActiveOperation { slug, operation }
        })
        .collect();
    let states = InstanceState::ALL.into_iter().filter_map(count).collect();
    Json(OverviewView { states, active: operations.len() as u64, operations })
}

/// The checks of a machine on which all is well.
pub(crate) fn healthy() -> HealthView {
    let ok = || CheckView { state: "ok".to_owned(), reason: None };
    let checks = ["disk", "docker", "isolation"].map(|name| (name.to_owned(), ok()));
    HealthView { ready: true, checks: checks.into() }
}

async fn health(State(fakes): State<Fakes>) -> Json<HealthView> {
    Json(fakes.world().health.clone())
}

async fn prove(State(fakes): State<Fakes>) -> Json<ProbeAnswer> {
    let proven = fakes.world().proven;
    Json(ProbeAnswer { proven, reason: (!proven).then(|| "an instance can reach the host".to_owned()) })
}

async fn cancel(State(fakes): State<Fakes>, Path(id): Path<OperationId>) -> Answer<Json<OperationView>> {
    let missing = || problem(404, codes::NOT_FOUND, "no such operation");
    let world = fakes.world();
    let sender = world.operations.get(&id).ok_or_else(missing)?;
    sender.send_modify(|view| view.state = OperationState::Cancelled);
    Ok(Json(sender.borrow().clone()))
}

async fn operation(
    State(fakes): State<Fakes>,
    Path(id): Path<OperationId>,
    headers: HeaderMap,
) -> Answer<Response> {
    let missing = || problem(404, codes::NOT_FOUND, "no such operation");
    let receiver = fakes.world().operations.get(&id).ok_or_else(missing)?.subscribe();
    if headers.get(header::ACCEPT).is_none_or(|accept| accept != "text/event-stream") {
        let view = receiver.borrow().clone();
        return Ok(Json(view).into_response());
    }
    // The final state is sent and ends the stream.
    let ended = Arc::new(Mutex::new(false));
    let stream = WatchStream::new(receiver)
        .take_while(move |view| {
            let before = std::mem::replace(&mut *ended.lock().expect("a lock"), view.state.is_final());
            std::future::ready(!before)
        })
        .map(|view| Ok::<_, Infallible>(Event::default().json_data(view).expect("json")));
    Ok(Sse::new(stream).into_response())
}

//! The instances of the fake deploy-control.

use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use control_api::codes;
use control_api::deploy::{
    ConfigureProviderRequest, EventList, EventView, EventsQuery, InstanceList, InstanceState, InstanceView,
    ListQuery, ProviderSummary, ResolveRequest, StatsView,
};
use control_api::ids::{InstanceId, OperationId};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Fakes, gone, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/api/instances", get(list))
        .route("/api/instances/resolve", post(resolve))
        .route("/api/instances/configure-provider", post(configure))
        .route("/api/instances/{id}", get(instance).delete(remove))
        .route("/api/instances/{id}/stats", get(stats))
        .route("/api/instances/{id}/events", get(events))
        .route("/api/instances/{id}/logs", get(log))
        .route("/api/instances/{id}/{action}", post(act))
}

async fn list(State(fakes): State<Fakes>, Query(query): Query<ListQuery>) -> Json<InstanceList> {
    let limit = query.limit.unwrap_or(100) as usize;
    let world = fakes.world();
    let fits = |instance: &&InstanceView| {
        query.state.is_none_or(|state| instance.state == state)
            && query.after.is_none_or(|after| instance.instance_id > after)
    };
    let mut found: Vec<_> = world.instances.values().filter(fits).take(limit + 1).cloned().collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|instance| instance.instance_id).filter(|_| more);
    Json(InstanceList { instances: found, next })
}

async fn instance(State(fakes): State<Fakes>, Path(id): Path<InstanceId>) -> Answer<Json<InstanceView>> {
    fakes.world().instances.get(&id).cloned().map(Json).ok_or_else(gone)
}

async fn remove(
    State(fakes): State<Fakes>,
    Path(id): Path<InstanceId>,
    request: Request,
) -> Answer<Response> {
    let mut world = fakes.world();
    let instance = world.instances.get_mut(&id).ok_or_else(gone)?;
    instance.state = InstanceState::Deleting;
    let query = request.uri().query().unwrap_or_default().to_owned();
    world.calls.push((format!("DELETE {id}"), Value::String(query)));
    let answer = json!({ "operation_id": OperationId::generate(), "instance_id": id, "state": "deleting" });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

async fn stats(State(fakes): State<Fakes>, Path(id): Path<InstanceId>) -> Answer<Json<StatsView>> {
    fakes.world().instances.get(&id).ok_or_else(gone)?;
    Ok(Json(StatsView {
        cpu_limit_percent: 100.0,
        pids_limit: 256,
        cpu_percent: 12.4,
        memory_bytes: 64 << 20,
        memory_limit_bytes: 256 << 20,
        pids: 4,
        disk_bytes: 700 << 20,
        disk_limit_bytes: 1 << 30,
    }))
}

async fn events(State(fakes): State<Fakes>, Query(query): Query<EventsQuery>) -> Json<EventList> {
    let world = fakes.world();
    let before = |event: &&EventView| query.before.is_none_or(|seq| event.seq < seq);
    let limit = query.limit.unwrap_or(100) as usize;
    Json(EventList { events: world.events.iter().filter(before).take(limit).cloned().collect() })
}

async fn log(State(fakes): State<Fakes>) -> String {
    fakes.world().log.clone()
}

async fn resolve(State(fakes): State<Fakes>, Json(body): Json<ResolveRequest>) -> Answer<Json<InstanceView>> {
    let world = fakes.world();
    let mut all = world.instances.values();
    let found = all.find(|instance| {
        body.user_id == Some(instance.owner_id) || body.slug.as_ref() == Some(&instance.slug)
    });
    found.cloned().map(Json).ok_or_else(|| problem(404, codes::NOT_FOUND, "no such instance"))
}

async fn configure(
    State(fakes): State<Fakes>,
    Json(body): Json<ConfigureProviderRequest>,
) -> Answer<Json<InstanceView>> {
    let mut world = fakes.world();
    let id = body.instance_id.ok_or_else(|| problem(404, codes::NOT_FOUND, "no id"))?;
    let instance = world.instances.get_mut(&id).ok_or_else(|| problem(404, codes::NOT_FOUND, "gone"))?;
    instance.provider = Some(ProviderSummary {
        kind: body.provider.kind.as_str().to_owned(),
        model: body.provider.model,
        base_url: body.provider.base_url,
    });
    Ok(Json(instance.clone()))
}

async fn act(State(fakes): State<Fakes>, Path((id, action)): Path<(InstanceId, String)>) -> Answer<Response> {
    let mut world = fakes.world();
    let instance = world.instances.get_mut(&id).ok_or_else(|| problem(404, codes::NOT_FOUND, "gone"))?;
    instance.state = match action.as_str() {
        "stop" => InstanceState::Stopped,
        "sleep" => InstanceState::Asleep,
        _ => InstanceState::Starting,
    };
    let answer = json!({
        "operation_id": OperationId::generate(), "instance_id": id, "state": instance.state,
    });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

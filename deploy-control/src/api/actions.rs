//! What can be done to an instance: each route writes down what is wanted and answers with the operation.

use axum::Json;
use axum::extract::State;
use control_api::deploy::{Asker, OnBehalf, OperationAnswer, ProbeAnswer};
use control_api::ids::{InstanceId, OperationId};
use http::StatusCode;
use serde::Deserialize;

use super::extract::{Id, Params};
use super::openapi::ProblemBody;
use crate::error::Error;
use crate::isolation::{self, Verdict};
use crate::model::Actor;
use crate::requests::{Action, Requests};

pub(super) type Answer = Result<(StatusCode, Json<OperationAnswer>), Error>;

async fn act(requests: Requests, id: InstanceId, action: Action, asker: Asker) -> Answer {
    let operation_id = requests.act(id, action, actor(asker)).await?;
    accepted(&requests, id, operation_id).await
}

/// Whom the ledger names.
pub(super) fn actor(asker: Asker) -> Actor {
    match asker {
        Asker::Operator => Actor::Operator,
        Asker::User => Actor::User,
    }
}

/// The answer once it is written down.
pub(super) async fn accepted(requests: &Requests, id: InstanceId, operation_id: OperationId) -> Answer {
    let state = requests.context.store.instance(id).await?;
    let state = state.ok_or(Error::NotFound("There is no such instance."))?.state;
    Ok((StatusCode::ACCEPTED, Json(OperationAnswer { operation_id, instance_id: id, state })))
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident, $path:literal, $action:expr;)+) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                post, path = $path, tag = "actions", security(("deploy" = [])),
                params(
                    ("id" = InstanceId, Path),
                    ("actor" = Option<Asker>, Query, description = "who is behind it, for the ledger"),
                ),
                responses(
                    (status = 202, body = OperationAnswer),
                    (status = 404, description = "`not-found`", body = ProblemBody),
                    (status = 409, description = "`operation-in-progress`, `invalid-input`", body = ProblemBody),
                    (status = 503, description = "`image-missing`, `docker-unreachable`", body = ProblemBody),
                )
            )]
            pub(super) async fn $name(
                State(requests): State<Requests>,
                Id(id): Id<InstanceId>,
                Params(query): Params<OnBehalf>,
            ) -> Answer {
                act(requests, id, $action, query.actor).await
            }
        )+
    };
}

actions! {
    /// Starts it, also after a stop or a failure.
    start, "/api/instances/{id}/start", Action::Start;
    /// Stops it until it is started.
    stop, "/api/instances/{id}/stop", Action::Stop;
    /// Stops and starts it.
    restart, "/api/instances/{id}/restart", Action::Restart;
    /// Stops it until the next request.
    sleep, "/api/instances/{id}/sleep", Action::Sleep;
    /// Replaces its container by one of the image that `BEAVER_INSTANCE_IMAGE` names now; container and data
    /// come back where that one does not serve.
    upgrade, "/api/instances/{id}/upgrade", Action::Upgrade;
}

/// Query of a delete.
#[derive(Deserialize)]
pub(super) struct DeleteQuery {
    #[serde(default)]
    purge: bool,
    #[serde(default)]
    actor: Asker,
}

/// Removes it, in whatever state it is. Its data is kept for its owner unless `purge` is set.
#[utoipa::path(
    delete, path = "/api/instances/{id}", tag = "actions", security(("deploy" = [])),
    params(
        ("id" = InstanceId, Path),
        ("purge" = Option<bool>, Query, description = "its data too"),
        ("actor" = Option<Asker>, Query, description = "who is behind it, for the ledger"),
    ),
    responses((status = 202, body = OperationAnswer), (status = 404, body = ProblemBody))
)]
pub(super) async fn delete(
    State(requests): State<Requests>,
    Id(id): Id<InstanceId>,
    Params(query): Params<DeleteQuery>,
) -> Answer {
    act(requests, id, Action::Delete { purge: query.purge }, query.actor).await
}

/// Proves the isolation again, now.
#[utoipa::path(
    post, path = "/api/isolation/probe", tag = "actions", security(("deploy" = [])),
    responses((status = 200, body = ProbeAnswer))
)]
pub(super) async fn probe(State(requests): State<Requests>) -> Json<ProbeAnswer> {
    let context = &requests.context;
    let verdict = isolation::prove(&context.config, context.engine.as_ref(), &context.isolation).await;
    Json(match verdict {
        Verdict::Proven => ProbeAnswer { proven: true, reason: None },
        Verdict::Pending(reason) | Verdict::Closed(reason) => {
            ProbeAnswer { proven: false, reason: Some(reason) }
        }
    })
}

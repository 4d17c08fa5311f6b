//! The whole at a glance: instances by state, and the operations that have not ended.

use axum::Json;
use axum::extract::State;
use control_api::deploy::{ActiveOperation, OverviewView};

use super::view;
use crate::error::Error;
use crate::requests::Requests;

/// More operations are counted and not shown.
const MOST_OPERATIONS: usize = 100;

/// How many instances are in each state, and what is at work.
#[utoipa::path(
    get, path = "/api/overview", tag = "observe", security(("deploy" = [])),
    responses((status = 200, body = OverviewView))
)]
pub(super) async fn overview(State(requests): State<Requests>) -> Result<Json<OverviewView>, Error> {
    let store = &requests.context.store;
    let states = store.count_by_state().await?;
    let mut active = store.active_operations().await?;
    let count = u64::try_from(active.len()).unwrap_or(u64::MAX);
    active.truncate(MOST_OPERATIONS);
    let mut operations = Vec::with_capacity(active.len());
    for operation in &active {
        if let Some(instance) = store.instance(operation.instance_id).await? {
            operations.push(ActiveOperation {
                slug: instance.slug,
                operation: view::operation(&requests, operation),
            });
        }
    }
    Ok(Json(OverviewView { states, active: count, operations }))
}

//! Rollouts: begun, looked at, followed, called off.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control_api::ids::RolloutId;
use control_api::rollout::{MemberState, MemberView, RolloutList, RolloutRequest, RolloutView};
use http::{HeaderMap, StatusCode};
use service_kit::clock::from_millis;

use super::Api;
use super::extract::{Id, MaybeBody};
use super::openapi::ProblemBody;
use super::sse::{self, Feed};
use crate::error::Error;
use crate::requests::Requests;
use crate::rollouts::plan::{is_at_work, is_over};
use crate::rollouts::{Member, Rollout};

/// Upgrades every instance that runs another image, in rings: one, then a tenth, then the rest. It stops once more
/// have failed than may; those that failed have their old image and data back. Sleeping and stopped instances are
/// put back to that; those that had failed before are left alone.
#[utoipa::path(
    post, path = "/api/rollouts", tag = "rollouts", security(("deploy" = [])),
    request_body = Option<RolloutRequest>,
    responses(
        (status = 202, body = RolloutView),
        (status = 409, description = "`operation-in-progress`: one is at work", body = ProblemBody),
        (status = 422, description = "`invalid-input`: the image cannot be used", body = ProblemBody),
        (status = 503, description = "`image-missing`, `docker-unreachable`", body = ProblemBody),
    )
)]
pub(super) async fn begin(
    State(requests): State<Requests>,
    MaybeBody(body): MaybeBody<RolloutRequest>,
) -> Result<(StatusCode, Json<RolloutView>), Error> {
    let id = requests.roll_out(&body).await?;
    Ok((StatusCode::ACCEPTED, Json(look(&requests, id, false).await?)))
}

/// The newest rollouts, newest first.
#[utoipa::path(
    get, path = "/api/rollouts", tag = "rollouts", security(("deploy" = [])),
    responses((status = 200, body = RolloutList))
)]
pub(super) async fn list(State(requests): State<Requests>) -> Result<Json<RolloutList>, Error> {
    let store = &requests.context.store;
    let mut rollouts = Vec::new();
    for rollout in store.newest_rollouts().await? {
        let members = store.members(rollout.id).await?;
        rollouts.push(show(rollout, &members));
    }
    Ok(Json(RolloutList { rollouts }))
}

/// One rollout with its instances; with `Accept: text/event-stream` each change of it, without them, until its end.
#[utoipa::path(
    get, path = "/api/rollouts/{id}", tag = "rollouts", security(("deploy" = [])),
    params(("id" = RolloutId, Path)),
    responses(
        (status = 200, content((RolloutView = "application/json"), (String = "text/event-stream"))),
        (status = 404, body = ProblemBody),
    )
)]
pub(super) async fn get(
    State(api): State<Api>,
    headers: HeaderMap,
    Id(id): Id<RolloutId>,
) -> Result<Response, Error> {
    let now = look(&api.requests, id, true).await?;
    if !sse::wanted(&headers) {
        return Ok(Json(now).into_response());
    }
    let requests = api.requests.clone();
    Ok(sse::stream(&api.lifecycle, move |feed| follow(requests, id, feed)))
}

/// Calls it off: what runs comes to its end, nothing new begins. One that has ended stays as it is.
#[utoipa::path(
    delete, path = "/api/rollouts/{id}", tag = "rollouts", security(("deploy" = [])),
    params(("id" = RolloutId, Path)),
    responses((status = 202, body = RolloutView), (status = 404, body = ProblemBody))
)]
pub(super) async fn cancel(
    State(requests): State<Requests>,
    Id(id): Id<RolloutId>,
) -> Result<(StatusCode, Json<RolloutView>), Error> {
    requests.cancel_rollout(id).await?;
    Ok((StatusCode::ACCEPTED, Json(look(&requests, id, false).await?)))
}

async fn look(requests: &Requests, id: RolloutId, with_members: bool) -> Result<RolloutView, Error> {
    let rollout = requests.rollout(id).await?;
    let members = requests.context.store.members(id).await?;
    let mut view = show(rollout, &members);
    if with_members {
        view.members = Some(members.into_iter().map(show_member).collect());
    }
    Ok(view)
}

async fn follow(requests: Requests, id: RolloutId, feed: Feed) {
    let mut changes = requests.context.store.changes();
    let mut last = None;
    loop {
        changes.mark_unchanged();
        let Ok(now) = look(&requests, id, false).await else { return };
        if last.as_ref() != Some(&now) && !feed.json(None, &now).await {
            return;
        }
        if now.state.is_final() {
            return;
        }
        last = Some(now);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn show(rollout: Rollout, members: &[Member]) -> RolloutView {
    let count = |wanted: fn(MemberState) -> bool| {
        let count = members.iter().filter(|member| wanted(member.state)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let open = members.iter().filter(|member| !is_over(member.state)).map(|member| member.ring).min();
    RolloutView {
        rollout_id: rollout.id,
        image: rollout.image_id,
        failure_limit: rollout.failure_limit,
        state: rollout.state,
        cancelling: rollout.cancel && !rollout.state.is_final(),
        reason: rollout.reason,
        ring: open.filter(|_| !rollout.state.is_final()),
        total: count(|_| true),
        waiting: count(|state| state == MemberState::Waiting),
        at_work: count(is_at_work),
        done: count(|state| state == MemberState::Done),
        failed: count(|state| state == MemberState::Failed),
        skipped: count(|state| state == MemberState::Skipped),
        created_at: from_millis(rollout.created_at),
        finished_at: rollout.finished_at.map(from_millis),
        members: None,
    }
}

fn show_member(member: Member) -> MemberView {
    MemberView {
        instance_id: member.instance,
        slug: member.slug,
        ring: member.ring,
        state: member.state,
        operation_id: member.operation,
        reason: member.reason,
    }
}

//! `/admin/rollouts`: one image for every instance. The list with the form that begins one, and the page of one with its
//! instances, where it can be called off.

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use control_api::ids::RolloutId;
use control_api::rollout::{MemberState, MemberView, RolloutRequest, RolloutState, RolloutView};
use http::StatusCode;
use serde::Deserialize;

use super::{Administrator, Message, asked, refusal};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::AdminForm;
use crate::moment::{Moment, moment};
use crate::session::Session;
use crate::text::{fill, services, texts};
use crate::view::{FormFaults, PageResult, Shell, page};

/// More failures than there are instances on a machine are as good as no limit.
const MOST_FAILURES: u32 = 100_000;

/// The routes, without the gate.
pub(super) fn routes() -> Router<Portal> {
    Router::new()
        .route("/admin/rollouts", get(list).post(begin))
        .route("/admin/rollouts/{id}", get(show))
        .route("/admin/rollouts/{id}/cancel", get(to_one).post(cancel))
}

#[derive(Template)]
#[template(path = "admin_rollouts.html")]
struct ListPage {
    shell: Shell,
    message: Option<Message>,
    faults: FormFaults,
    image: String,
    failures: String,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "admin_rollout.html")]
struct OnePage {
    shell: Shell,
    message: Option<Message>,
    title: String,
    row: Row,
    members: Vec<MemberRow>,
    /// This very page, while something on it changes by itself.
    poll: String,
}

struct Row {
    id: String,
    image: String,
    begun: Moment,
    ended: Option<Moment>,
    word: &'static str,
    class: &'static str,
    progress: String,
    reason: String,
    /// Whether it can be called off.
    runs: bool,
}

struct MemberRow {
    id: String,
    slug: String,
    ring: u32,
    word: &'static str,
    class: &'static str,
    reason: String,
}

/// Query of the pages.
#[derive(Default, Deserialize)]
struct RolloutQuery {
    done: Option<String>,
}

fn outcome(query: Result<Query<RolloutQuery>, QueryRejection>) -> Option<Message> {
    let t = &texts().rollouts;
    let text = match query.ok()?.0.done?.as_str() {
        "begun" => t.begun,
        "cancelled" => t.cancelled,
        _ => return None,
    };
    Some(Message { text: text.to_owned(), bad: false })
}

/// What was typed.
#[derive(Default)]
struct Typed {
    image: String,
    failures: String,
}

/// `GET /admin/rollouts`.
async fn list(State(portal): State<Portal>, Administrator(session): Administrator) -> PageResult {
    render(&portal, &session, StatusCode::OK, Typed::default(), (None, FormFaults::default())).await
}

/// `POST /admin/rollouts`.
async fn begin(State(portal): State<Portal>, AdminForm { session, fields }: AdminForm) -> PageResult {
    let text = |name| fields.optional(name).unwrap_or_default();
    let typed = Typed { image: text("image"), failures: text("failures") };
    let limit = if typed.failures.is_empty() { Ok(0) } else { typed.failures.parse() };
    let Some(limit) = limit.ok().filter(|limit| *limit <= MOST_FAILURES) else {
        let faults = FormFaults::field("failures", texts().rollouts.bad_failures);
        return render(&portal, &session, StatusCode::UNPROCESSABLE_ENTITY, typed, (None, faults)).await;
    };
    let image = Some(typed.image.clone()).filter(|image| !image.is_empty());
    match portal.deploy.roll_out(&RolloutRequest { image, failure_limit: Some(limit) }).await {
        Ok(rollout) => Ok(redirect(&format!("/admin/rollouts/{}?done=begun", rollout.rollout_id))),
        Err(error) => {
            let fault = error.problem().and_then(|problem| problem.errors.get("image")).cloned();
            if let Some(fault) = fault {
                let faults =
                    FormFaults::field("image", crate::text::sentence(texts().rollouts.image, &fault));
                return render(&portal, &session, StatusCode::UNPROCESSABLE_ENTITY, typed, (None, faults))
                    .await;
            }
            let (status, message) = refusal(error)?;
            render(&portal, &session, status, typed, (Some(message), FormFaults::default())).await
        }
    }
}

async fn render(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    typed: Typed,
    (message, faults): (Option<Message>, FormFaults),
) -> PageResult {
    let list = portal.deploy.rollouts().await.map_err(PageError::deploy)?;
    let rows = list.rollouts.iter().map(|rollout| row(portal, rollout)).collect();
    let Typed { image, failures } = typed;
    Ok(page(status, &ListPage { shell: session.shell(), message, faults, image, failures, rows }))
}

/// `GET /admin/rollouts/{id}`.
async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    Path(id): Path<String>,
    query: Result<Query<RolloutQuery>, QueryRejection>,
) -> PageResult {
    let id: RolloutId = id.parse().map_err(|_| PageError::NotFound)?;
    let rollout = portal.deploy.rollout(id).await.map_err(asked)?;
    let row = row(&portal, &rollout);
    // A name that stays the same while the page is looked at.
    let begun = rollout.created_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let title = fill(texts().rollouts.one, &[("at", &begun)]);
    let poll = if row.runs { format!("/admin/rollouts/{id}") } else { String::new() };
    let members = rollout.members.unwrap_or_default().into_iter().map(member).collect();
    let message = outcome(query);
    Ok(page(StatusCode::OK, &OnePage { shell: session.shell(), message, title, row, members, poll }))
}

/// The address of a form, loaded as a page.
async fn to_one(Path(id): Path<String>) -> Result<Response, PageError> {
    let id: RolloutId = id.parse().map_err(|_| PageError::NotFound)?;
    Ok(redirect(&format!("/admin/rollouts/{id}")))
}

/// `POST /admin/rollouts/{id}/cancel`.
async fn cancel(State(portal): State<Portal>, Path(id): Path<String>, _form: AdminForm) -> PageResult {
    let id: RolloutId = id.parse().map_err(|_| PageError::NotFound)?;
    portal.deploy.cancel_rollout(id).await.map_err(asked)?;
    Ok(redirect(&format!("/admin/rollouts/{id}?done=cancelled")))
}

fn row(portal: &Portal, rollout: &RolloutView) -> Row {
    let t = &texts().rollouts;
    let (word, class) = match rollout.state {
        RolloutState::Running if rollout.cancelling => (t.cancelling, "warn"),
        RolloutState::Running => (t.running, "moving"),
        RolloutState::Succeeded => (t.succeeded, "good"),
        RolloutState::Failed => (t.failed, "bad"),
        RolloutState::Cancelled => (t.called_off, "warn"),
    };
    let number = |count: u32| count.to_string();
    let progress = fill(
        t.progress_text,
        &[
            ("done", &number(rollout.done)),
            ("failed", &number(rollout.failed)),
            ("skipped", &number(rollout.skipped)),
            // Those that are at work are not done.
            ("waiting", &number(rollout.waiting.saturating_add(rollout.at_work))),
            ("total", &number(rollout.total)),
        ],
    );
    let now = portal.clock.now();
    Row {
        id: rollout.rollout_id.to_string(),
        image: rollout.image.clone(),
        begun: moment(rollout.created_at, now),
        ended: rollout.finished_at.map(|at| moment(at, now)),
        word,
        class,
        progress,
        reason: services::said(rollout.reason.as_deref().unwrap_or_default()),
        runs: rollout.state == RolloutState::Running,
    }
}

fn member(member: MemberView) -> MemberRow {
    let t = &texts().rollouts;
    let (word, class) = match member.state {
        MemberState::Waiting => (t.waiting, ""),
        MemberState::Upgrading => (t.upgrading, "moving"),
        MemberState::Returning => (t.returning, "moving"),
        MemberState::Done => (t.succeeded, "good"),
        MemberState::Failed => (t.member_failed, "bad"),
        MemberState::Skipped => (t.skipped, "warn"),
    };
    MemberRow {
        id: member.instance_id.to_string(),
        slug: member.slug.to_string(),
        // People count from one.
        ring: member.ring.saturating_add(1),
        word,
        class,
        reason: member.reason.map(|reason| services::said(&reason)).unwrap_or_default(),
    }
}

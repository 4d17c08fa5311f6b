//! `/admin`: how many instances are how, what they stand on, what is at work, and the list of them.

use std::fmt::Write as _;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use control_api::deploy::{
    ActiveOperation, HealthView, InstanceState, InstanceView, ListQuery, OperationKind, OverviewView,
};
use control_api::ids::InstanceId;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Administrator, Message, host};
use crate::app::Portal;
use crate::error::PageError;
use crate::ledger::Meter;
use crate::moment::{Moment, moment};
use crate::pages::account::describe;
use crate::session::Session;
use crate::text::{fill, services, texts};
use crate::view::{PageResult, Shell, page};

/// Instances on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "admin_overview.html")]
struct OverviewPage {
    shell: Shell,
    message: Option<Message>,
    counts: Vec<Count>,
    total: u64,
    checks: Vec<CheckRow>,
    /// How the machine is.
    host: Vec<Meter>,
    queue: Option<String>,
    work: Vec<WorkRow>,
    more_work: Option<String>,
    rows: Vec<InstanceRow>,
    choices: Vec<Choice>,
    /// Addresses of the first page, unless this is it, and of the one that follows.
    first: Option<String>,
    next: Option<String>,
    /// This very page, while something on it changes by itself.
    poll: String,
}

struct Count {
    state: &'static str,
    word: &'static str,
    class: &'static str,
    number: u64,
}

struct CheckRow {
    name: String,
    word: &'static str,
    class: &'static str,
    reason: String,
}

pub(super) struct WorkRow {
    pub(super) slug: String,
    pub(super) instance: String,
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) step: String,
    pub(super) percent: u8,
    pub(super) waits_for: Option<String>,
    pub(super) queue: Option<u32>,
    pub(super) deadline: String,
    pub(super) deadline_iso: String,
    pub(super) cancel_label: String,
}

struct InstanceRow {
    id: String,
    slug: String,
    owner: String,
    word: &'static str,
    class: &'static str,
    reason: String,
    last_used: Option<Moment>,
}

struct Choice {
    value: &'static str,
    word: &'static str,
    chosen: bool,
}

/// Query of the overview; what cannot be read is left out.
#[derive(Default, Deserialize)]
pub(super) struct OverviewQuery {
    state: Option<String>,
    after: Option<String>,
    done: Option<String>,
    name: Option<String>,
}

/// Which instances are listed.
#[derive(Clone, Copy, Default)]
struct Shown {
    state: Option<InstanceState>,
    after: Option<InstanceId>,
}

/// `GET /admin`.
pub(super) async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    query: Result<Query<OverviewQuery>, QueryRejection>,
) -> PageResult {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let shown = Shown {
        state: query.state.as_deref().and_then(|text| text.parse().ok()),
        after: query.after.as_deref().and_then(|text| text.parse().ok()),
    };
    render(&portal, &session, StatusCode::OK, shown, outcome(&query)).await
}

/// The page after a refusal.
pub(super) async fn refused(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    message: Message,
) -> PageResult {
    render(portal, session, status, Shown::default(), Some(message)).await
}

fn outcome(query: &OverviewQuery) -> Option<Message> {
    let t = &texts().admin;
    let (text, bad) = match query.done.as_deref()? {
        "proven" => (t.proven.to_owned(), false),
        "unproven" => (t.unproven.to_owned(), true),
        "delete" => (fill(t.done_delete, &[("name", query.name.as_deref()?)]), false),
        _ => return None,
    };
    Some(Message { text, bad })
}

async fn render(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    shown: Shown,
    message: Option<Message>,
) -> PageResult {
    let query = ListQuery { state: shown.state, after: shown.after, limit: Some(PAGE), owner: None };
    let deploy = &portal.deploy;
    let (overview, health, list, machine) =
        tokio::try_join!(deploy.overview(), deploy.health(), deploy.list(&query), deploy.host())
            .map_err(PageError::deploy)?;
    let now = portal.clock.now();
    let state = shown.state.map_or("", InstanceState::as_str);
    let address = |after: Option<InstanceId>| {
        let mut text = format!("/admin?state={state}");
        if let Some(after) = after {
            let _ = write!(text, "&after={after}");
        }
        text
    };
    let work: Vec<_> = overview.operations.iter().map(|active| work_row(active, now)).collect();
    let poll = if work.is_empty() { String::new() } else { address(shown.after) };
    let view = OverviewPage {
        shell: session.shell(),
        message,
        total: overview.states.iter().map(|row| row.count).sum(),
        counts: counts(&overview),
        checks: checks(&health),
        host: host::meters(&machine),
        queue: queue(machine.queued),
        more_work: more_work(&overview),
        work,
        rows: list.instances.iter().map(|instance| instance_row(instance, now)).collect(),
        choices: choices(shown.state),
        next: list.next.map(|after| address(Some(after))),
        first: shown.after.map(|_| address(None)),
        poll,
    };
    Ok(page(status, &view))
}

fn counts(overview: &OverviewView) -> Vec<Count> {
    let count = |row: &control_api::deploy::StateCount| {
        let (word, _, class, _) = describe(row.state);
        Count { state: row.state.as_str(), word, class, number: row.count }
    };
    overview.states.iter().map(count).collect()
}

fn choices(chosen: Option<InstanceState>) -> Vec<Choice> {
    let choice = |state: InstanceState| Choice {
        value: state.as_str(),
        word: describe(state).0,
        chosen: chosen == Some(state),
    };
    InstanceState::ALL.into_iter().map(choice).collect()
}

fn checks(health: &HealthView) -> Vec<CheckRow> {
    let t = &texts().admin;
    let row = |(name, check): (&String, &control_api::deploy::CheckView)| {
        let name = match name.as_str() {
            "docker" => t.check_docker.to_owned(),
            "isolation" => t.check_isolation.to_owned(),
            "disk" => t.check_disk.to_owned(),
            other => other.to_owned(),
        };
        let (word, class) = match check.state.as_str() {
            "ok" => (t.check_ok, "good"),
            "warning" => (t.check_warning, "warn"),
            _ => (t.check_failing, "bad"),
        };
        CheckRow {
            name,
            word,
            class,
            reason: check.reason.as_deref().map_or_else(|| t.check_none.to_owned(), services::said),
        }
    };
    health.checks.iter().map(row).collect()
}

fn queue(waiting: u64) -> Option<String> {
    (waiting > 0).then(|| fill(texts().host.queue, &[("n", &waiting.to_string())]))
}

fn more_work(overview: &OverviewView) -> Option<String> {
    let shown = u64::try_from(overview.operations.len()).unwrap_or(u64::MAX);
    let more = overview.active.saturating_sub(shown);
    (more > 0).then(|| fill(texts().admin.work_more, &[("n", &more.to_string())]))
}

/// An operation that has not ended.
pub(super) fn work_row(active: &ActiveOperation, now: Timestamp) -> WorkRow {
    let operation = &active.operation;
    WorkRow {
        slug: active.slug.to_string(),
        instance: operation.instance_id.map(|id| id.to_string()).unwrap_or_default(),
        id: operation.operation_id.to_string(),
        kind: kind(operation.kind),
        step: services::said(&operation.step_title),
        percent: operation.percent.min(100),
        waits_for: operation.error.as_deref().map(services::said),
        queue: operation.queue_position,
        deadline: clock_time(operation.deadline, now),
        deadline_iso: operation.deadline.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        cancel_label: fill(texts().admin.cancel_of, &[("name", active.slug.as_str())]),
    }
}

/// A time that is near: without the date where it is today's.
fn clock_time(at: Timestamp, now: Timestamp) -> String {
    let day = |time: Timestamp| time.strftime("%Y-%m-%d").to_string();
    let format = if day(at) == day(now) { "%H:%M:%S UTC" } else { "%-d %B, %H:%M:%S UTC" };
    at.strftime(format).to_string()
}

fn kind(kind: OperationKind) -> &'static str {
    let t = &texts().kinds;
    match kind {
        OperationKind::Register => t.register,
        OperationKind::Start => t.start,
        OperationKind::Stop => t.stop,
        OperationKind::Restart => t.restart,
        OperationKind::Sleep => t.sleep,
        OperationKind::Wake => t.wake,
        OperationKind::ConfigureProvider => t.configure,
        OperationKind::Upgrade => t.upgrade,
        OperationKind::Rollback => t.rollback,
        OperationKind::Delete => t.delete,
        OperationKind::Pull => t.pull,
    }
}

fn instance_row(instance: &InstanceView, now: Timestamp) -> InstanceRow {
    let (word, _, class, _) = describe(instance.state);
    InstanceRow {
        id: instance.instance_id.to_string(),
        slug: instance.slug.to_string(),
        owner: instance.owner_username.to_string(),
        word,
        class,
        reason: services::said(instance.reason.as_deref().unwrap_or_default()),
        last_used: instance.last_activity_at.map(|at| moment(at, now)),
    }
}

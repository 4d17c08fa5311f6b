//! `/admin/instances/{id}`: all that is known of one instance, why it is so, and what can be done.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use control_api::client::ApiError;
use control_api::deploy::{ActiveOperation, EventsQuery, InstanceState, InstanceView};
use control_api::ids::InstanceId;
use http::StatusCode;
use serde::Deserialize;

use super::actions::PLAIN;
use super::overview::{WorkRow, work_row};
use super::{Administrator, Message, asked};
use crate::app::Portal;
use crate::error::PageError;
use crate::ledger::{Meter, Reader, Row, meters, plain, rows};
use crate::moment::{Moment, moment};
use crate::pages::account::describe;
use crate::pages::provider::provider_title;
use crate::session::Session;
use crate::text::{fill, services, texts};
use crate::upstream::operation;
use crate::view::{FormFaults, PageResult, Shell, page};

/// Entries of the ledger on a page.
const EVENTS: u32 = 20;
/// Lines of the log.
const LINES: u32 = 100;

#[derive(Template)]
#[template(path = "admin_instance.html")]
struct InstancePage {
    shell: Shell,
    message: Option<Message>,
    faults: FormFaults,
    path: String,
    slug: String,
    url: String,
    word: &'static str,
    class: &'static str,
    state_text: &'static str,
    reason: Option<String>,
    facts: Vec<(&'static str, String)>,
    created: Moment,
    last_used: Option<Moment>,
    /// The action and the words on its button.
    actions: Vec<(&'static str, &'static str)>,
    /// Addresses of the ledger's first page, unless this is it, and of the one that follows.
    newest: Option<String>,
    older: Option<String>,
    confirm_words: String,
    /// This very page, while it changes by itself.
    poll: String,
    parts: Parts,
}

/// What hangs on an instance; what cannot be had just now is absent.
struct Parts {
    work: Option<WorkRow>,
    meters: Option<Vec<Meter>>,
    ledger: Option<Vec<Row>>,
    /// Before which entry the next page begins.
    older: Option<i64>,
    log: Option<String>,
}

/// Query of the page; what cannot be read is left out.
#[derive(Default, Deserialize)]
pub(super) struct InstanceQuery {
    before: Option<String>,
    done: Option<String>,
}

/// What the page says besides the instance itself.
#[derive(Default)]
struct Around {
    before: Option<i64>,
    message: Option<Message>,
    faults: FormFaults,
}

/// `GET /admin/instances/{id}`.
pub(super) async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    Path(id): Path<String>,
    query: Result<Query<InstanceQuery>, QueryRejection>,
) -> PageResult {
    let id: InstanceId = id.parse().map_err(|_| PageError::NotFound)?;
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let around = Around {
        before: query.before.as_deref().and_then(|text| text.parse().ok()),
        message: query.done.as_deref().and_then(outcome),
        faults: FormFaults::default(),
    };
    render(&portal, &session, id, StatusCode::OK, around).await
}

/// The page after a refusal.
pub(super) async fn refused(
    portal: &Portal,
    session: &Session,
    id: InstanceId,
    status: StatusCode,
    message: Message,
) -> PageResult {
    let around = Around { message: Some(message), ..Around::default() };
    render(portal, session, id, status, around).await
}

/// The page after a removal whose name was mistyped.
pub(super) async fn unconfirmed(
    portal: &Portal,
    session: &Session,
    id: InstanceId,
    faults: FormFaults,
) -> PageResult {
    let around = Around { faults, ..Around::default() };
    render(portal, session, id, StatusCode::UNPROCESSABLE_ENTITY, around).await
}

fn outcome(action: &str) -> Option<Message> {
    let t = &texts().admin;
    let text = match action {
        "cancel" => t.done_cancel.to_owned(),
        action => {
            let known = PLAIN.into_iter().find(|known| *known == action)?;
            fill(t.done, &[("what", words(known))])
        }
    };
    Some(Message { text, bad: false })
}

/// The words on an action's button.
fn words(action: &str) -> &'static str {
    let t = &texts().admin;
    match action {
        "start" => t.start,
        "stop" => t.stop,
        "restart" => t.restart,
        "sleep" => t.sleep,
        "upgrade" => t.upgrade,
        _ => t.rollback,
    }
}

/// What makes sense in a state, the most likely one first.
fn offers(state: InstanceState) -> &'static [&'static str] {
    match state {
        InstanceState::Ready => &["stop", "restart", "sleep", "upgrade", "rollback"],
        InstanceState::Asleep => &["start", "stop", "upgrade", "rollback"],
        InstanceState::Stopped | InstanceState::Failed => &["start", "upgrade", "rollback"],
        // Its work has a cancel button; a container that hangs can be stopped.
        InstanceState::Pending | InstanceState::Creating | InstanceState::Starting => &["stop"],
        InstanceState::Deleting | InstanceState::Unknown => &[],
    }
}

async fn render(
    portal: &Portal,
    session: &Session,
    id: InstanceId,
    status: StatusCode,
    around: Around,
) -> PageResult {
    let view = portal.deploy.instance(id).await.map_err(asked)?;
    let now = portal.clock.now();
    let parts = look(portal, &view, around.before).await?;
    let (word, state_text, class, _) = describe(view.state);
    let idle = parts.work.is_none();
    let path = format!("/admin/instances/{id}");
    let page_view = InstancePage {
        shell: session.shell(),
        message: around.message,
        faults: around.faults,
        slug: view.slug.to_string(),
        url: view.url.clone(),
        word,
        class,
        state_text,
        reason: view.reason.as_deref().map(services::said),
        facts: facts(&view),
        created: moment(view.created_at, now),
        last_used: view.last_activity_at.map(|at| moment(at, now)),
        actions: offers(view.state).iter().filter(|_| idle).map(|action| (*action, words(action))).collect(),
        newest: around.before.map(|_| path.clone()),
        older: parts.older.map(|seq| format!("{path}?before={seq}")),
        confirm_words: fill(texts().admin.confirm, &[("name", view.slug.as_str())]),
        poll: if idle && class != "moving" { String::new() } else { path.clone() },
        path,
        parts,
    };
    Ok(page(status, &page_view))
}

/// Asks for all that hangs on an instance at once. What is done to it must be known; the rest may be absent.
async fn look(portal: &Portal, view: &InstanceView, before: Option<i64>) -> Result<Parts, PageError> {
    let (deploy, id, now) = (&portal.deploy, view.instance_id, portal.clock.now());
    // One more than is shown tells whether there are older ones.
    let query = EventsQuery { limit: Some(EVENTS + 1), before };
    let (usage, events, lines, active) = tokio::join!(
        deploy.stats(id),
        deploy.events_page(id, query),
        deploy.logs(id, LINES),
        under_way(portal, view),
    );
    let mut events = told("ledger", events).map(|list| list.events);
    Ok(Parts {
        work: active.map_err(PageError::deploy)?.map(|active| work_row(&active, now)),
        meters: told("use", usage).as_ref().map(meters),
        older: events.as_mut().and_then(cut),
        ledger: events.map(|events| rows(&events, Reader::Admin, now)),
        log: told("log", lines).map(|text| plain(text.trim_end())),
    })
}

/// A part that cannot be had is absent from the page; the rest of it is still of use.
fn told<T>(what: &str, answer: Result<T, ApiError>) -> Option<T> {
    answer.inspect_err(|error| tracing::warn!(%error, what, "a part of the page could not be had")).ok()
}

/// Takes the entry too many off; answers the number before which the next page begins.
fn cut(events: &mut Vec<control_api::deploy::EventView>) -> Option<i64> {
    let most = EVENTS as usize;
    if events.len() <= most {
        return None;
    }
    events.truncate(most);
    events.last().map(|event| event.seq)
}

/// The operation on it that has not ended.
async fn under_way(portal: &Portal, view: &InstanceView) -> Result<Option<ActiveOperation>, ApiError> {
    let Some(id) = view.operation_id else { return Ok(None) };
    let found = operation(portal, id).await?.filter(|operation| !operation.state.is_final());
    Ok(found.map(|operation| ActiveOperation { slug: view.slug.clone(), operation }))
}

fn facts(view: &InstanceView) -> Vec<(&'static str, String)> {
    let t = &texts().admin;
    let none = || t.none.to_owned();
    let provider = view.provider.as_ref().map(|provider| {
        let parts =
            [Some(provider_title(&provider.kind)), provider.model.as_deref(), provider.base_url.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    });
    vec![
        (t.id, view.instance_id.to_string()),
        (t.owner, view.owner_username.to_string()),
        (t.owner_id, view.owner_id.to_string()),
        (t.provider, provider.unwrap_or_else(none)),
        (t.image, view.image.clone().unwrap_or_else(none)),
        (t.generation, view.generation.to_string()),
        (t.upstream, view.upstream.map_or_else(none, |address| address.to_string())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offer_is_an_action_with_words_of_its_own() {
        for state in InstanceState::ALL {
            for action in offers(state) {
                assert!(PLAIN.contains(action), "{state:?}: {action}");
            }
        }
        let all: std::collections::BTreeSet<_> = PLAIN.iter().map(|action| words(action)).collect();
        assert_eq!(all.len(), PLAIN.len());
    }
}

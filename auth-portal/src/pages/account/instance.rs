//! The instance on the account page in words, and what can be done with it. Every state has its words and its
//! actions in one table, so that no state is a dead end.

use axum::extract::{Path, State};
use control_api::authz::OrderState;
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::{EventsQuery, InstanceState, InstanceView, OperationKind, OperationView};
use control_api::ids::InstanceId;
use http::StatusCode;
use jiff::Timestamp;

use super::{Message, View, render};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::ledger::{Meter, Reader, Row, last_stop, meters, rows};
use crate::moment::{Moment, moment, soon};
use crate::pages::provider::provider_title;
use crate::session::Session;
use crate::text::{Account, StateTexts, fill, services, texts};
use crate::upstream::{operation, own_instance};
use crate::view::PageResult;

/// What people may do to their instance.
const ACTIONS: [&str; 4] = ["start", "stop", "restart", "sleep"];
/// And to one that failed: it is ordered anew, since it may never have been whole.
const AGAIN: &str = "again";
/// Entries of the ledger on the page, and those in which the last stop is looked for.
const SHOWN_EVENTS: usize = 20;
const SEARCHED_EVENTS: u32 = 100;

/// The instance's part of the page.
pub(super) enum Standing {
    Known(Box<Card>),
    /// There is none on record: why, in a word and a sentence.
    None {
        title: &'static str,
        text: String,
        /// The words on the link to the progress page; without it a new one can be ordered here.
        watch: Option<&'static str>,
    },
    /// deploy-control is away.
    Unreachable,
}

/// An instance as the page shows it.
pub(super) struct Card {
    pub(super) url: String,
    /// Without the scheme, for reading.
    pub(super) address: String,
    pub(super) state: &'static str,
    pub(super) state_class: &'static str,
    pub(super) state_text: &'static str,
    pub(super) reason: Option<String>,
    pub(super) last_stop: Option<(String, Moment)>,
    pub(super) provider: Option<String>,
    pub(super) created: Moment,
    pub(super) last_used: Option<Moment>,
    /// Until when it is not put to sleep for want of use.
    pub(super) kept_awake: Option<Moment>,
    pub(super) under_way: Option<UnderWay>,
    pub(super) offers: Offers,
    /// Where the form goes and the words on its button, the most likely one first.
    pub(super) actions: Vec<(String, &'static str)>,
}

/// What an instance uses and why it is as it is; what cannot be had just now is absent.
pub(super) struct Record {
    pub(super) meters: Option<Vec<Meter>>,
    pub(super) ledger: Option<Vec<Row>>,
}

/// The operation at work.
pub(super) struct UnderWay {
    pub(super) title: String,
    pub(super) percent: u8,
}

/// What can be done in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    /// The words on the link to the instance.
    pub(super) open: Option<&'static str>,
    /// Of [`ACTIONS`] or [`AGAIN`], the most likely one first.
    pub(super) actions: &'static [&'static str],
    pub(super) provider: bool,
    pub(super) watch: bool,
}

/// Each state's word, explanation, tone and offers.
pub(crate) fn describe(state: InstanceState) -> (&'static str, &'static str, &'static str, Offers) {
    let (t, a): (&StateTexts, &Account) = (&texts().states, &texts().account);
    let open = |open, actions| Offers { open: Some(open), actions, provider: true, watch: false };
    let watch = Offers { watch: true, ..Offers::default() };
    let only = |actions| Offers { actions, ..Offers::default() };
    match state {
        InstanceState::Pending => (t.pending, t.pending_text, "moving", watch),
        InstanceState::Creating => (t.creating, t.creating_text, "moving", watch),
        // A restart or a wake ends in seconds, and the page follows it.
        InstanceState::Starting => (t.starting, t.starting_text, "moving", Offers::default()),
        InstanceState::Ready => (t.ready, t.ready_text, "good", open(a.open, &["sleep", "restart", "stop"])),
        InstanceState::Asleep => (t.asleep, t.asleep_text, "calm", open(a.open_wake, &["stop"])),
        InstanceState::Stopped => {
            (t.stopped, t.stopped_text, "calm", Offers { provider: true, ..only(&["start"]) })
        }
        InstanceState::Failed => (t.failed, t.failed_text, "bad", only(&[AGAIN])),
        InstanceState::Deleting => (t.deleting, t.deleting_text, "moving", Offers::default()),
        InstanceState::Unknown => (t.unknown, t.unknown_text, "warn", Offers::default()),
    }
}

/// Where the form of an action goes, and the words on its button.
fn button(action: &str) -> (String, &'static str) {
    let t = &texts().account;
    let words = match action {
        AGAIN => return ("/provisioning/retry".to_owned(), t.try_again),
        "start" => t.start,
        "stop" => t.stop,
        "restart" => t.restart,
        _ => t.sleep,
    };
    (format!("/account/{action}"), words)
}

/// `POST /account/{action}`.
pub(super) async fn act(
    State(portal): State<Portal>,
    Path(action): Path<String>,
    form: SessionForm,
) -> PageResult {
    if !ACTIONS.contains(&action.as_str()) {
        return Err(PageError::NotFound);
    }
    let session = form.session;
    let found = own_instance(&portal, session.view.user.user_id).await.map_err(PageError::deploy)?;
    // Removed in the meantime: the page says so and offers a new one.
    let Some(instance) = found else { return Ok(redirect("/account")) };
    match portal.deploy.act_for_owner(instance.instance_id, &action).await {
        Ok(_) => Ok(redirect(&format!("/account?done={action}"))),
        Err(error) => {
            let (status, text) = refusal(error)?;
            let message = Message { text, bad: true };
            render(&portal, &session, View::new(status, Some(message))).await
        }
    }
}

/// What a refused action means for the page.
pub(super) fn refusal(error: ApiError) -> Result<(StatusCode, String), PageError> {
    let t = &texts().account;
    match error.problem() {
        Some(problem) if problem.kind == codes::OPERATION_IN_PROGRESS => {
            Ok((StatusCode::CONFLICT, t.busy.to_owned()))
        }
        Some(problem) if problem.kind != codes::TOKEN_MISMATCH && problem.kind != codes::INTERNAL => {
            let said = services::problem(problem);
            Ok((problem.status_code(), fill(t.refused, &[("reason", &said)])))
        }
        _ => Err(PageError::deploy(error)),
    }
}

/// The instance's part, what is on record of it, and whether it is about to change.
pub(super) async fn standing(
    portal: &Portal,
    session: &Session,
) -> Result<(Standing, Option<Record>, bool), ApiError> {
    let Some(instance) = own_instance(portal, session.view.user.user_id).await? else {
        return Ok((without(session), None, false));
    };
    let work = match instance.operation_id {
        Some(id) => operation(portal, id).await?.filter(|operation| !operation.state.is_final()),
        None => None,
    };
    let moving = work.is_some() || matches!(describe(instance.state).2, "moving" | "warn");
    let now = portal.clock.now();
    let mut card = card(&instance, work, now);
    let record = record(portal, instance.instance_id, now, &mut card).await;
    Ok((Standing::Known(Box::new(card)), Some(record), moving))
}

/// Neither the use nor the ledger is worth the whole page: without them it still starts and stops.
async fn record(portal: &Portal, id: InstanceId, now: Timestamp, card: &mut Card) -> Record {
    let query = EventsQuery { limit: Some(SEARCHED_EVENTS), before: None };
    let (stats, events) = tokio::join!(portal.deploy.stats(id), portal.deploy.events_page(id, query));
    let stats = stats.inspect_err(|error| tracing::warn!(%error, "the use could not be shown")).ok();
    let events = events.inspect_err(|error| tracing::warn!(%error, "the ledger could not be shown")).ok();
    let ledger = events.map(|list| {
        card.last_stop = last_stop(&list.events, now);
        let shown = &list.events[..list.events.len().min(SHOWN_EVENTS)];
        rows(shown, Reader::Owner, now)
    });
    Record { meters: stats.as_ref().map(meters), ledger }
}

/// No instance on record: is one ordered, was it refused, is it gone?
fn without(session: &Session) -> Standing {
    let t = &texts().account;
    let order = &session.view.provisioning;
    let reason = order.reason.as_deref().map(services::said);
    match order.state {
        OrderState::Queued => {
            Standing::None { title: t.order_waits, text: reason.unwrap_or_default(), watch: Some(t.watch) }
        }
        OrderState::Refused => Standing::None {
            title: t.order_refused,
            text: reason.unwrap_or_default(),
            watch: Some(t.order_mend),
        },
        OrderState::Accepted => {
            Standing::None { title: t.none_title, text: t.none_text.to_owned(), watch: None }
        }
    }
}

fn card(instance: &InstanceView, work: Option<OperationView>, now: Timestamp) -> Card {
    let (state, state_text, state_class, offers) = describe(instance.state);
    let address = instance.url.split_once("://").map_or(instance.url.as_str(), |(_, rest)| rest);
    let provider = instance.provider.as_ref().map(|provider| {
        let title = provider_title(&provider.kind);
        provider.model.as_ref().map_or(title.to_owned(), |model| format!("{title}, {model}"))
    });
    let is_new = work.as_ref().is_some_and(|work| work.kind == OperationKind::Register);
    let under_way = work.map(|operation| UnderWay {
        title: if operation.step_title.is_empty() {
            texts().account.under_way.to_owned()
        } else {
            services::said(&operation.step_title)
        },
        percent: operation.percent.min(100),
    });
    // While something is at work, another order would only be refused.
    let offers = match &under_way {
        Some(_) => Offers { actions: &[], provider: false, watch: is_new, ..offers },
        None => offers,
    };
    Card {
        url: instance.url.clone(),
        address: address.to_owned(),
        state,
        state_class,
        state_text,
        reason: instance.reason.as_deref().map(services::said),
        last_stop: None,
        provider,
        created: moment(instance.created_at, now),
        last_used: instance.last_activity_at.map(|at| moment(at, now)),
        kept_awake: instance.keep_awake_until.filter(|until| *until > now).map(|until| soon(until, now)),
        under_way,
        actions: offers.actions.iter().map(|action| button(action)).collect(),
        offers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_a_dead_end() {
        for state in InstanceState::ALL {
            let (word, text, _, offers) = describe(state);
            assert!(!word.is_empty() && !text.is_empty(), "{state:?}");
            // These end by themselves, and the page follows them.
            let ends_by_itself =
                matches!(state, InstanceState::Starting | InstanceState::Deleting | InstanceState::Unknown);
            let has_way = offers.open.is_some() || !offers.actions.is_empty() || offers.watch;
            assert!(has_way || ends_by_itself, "{state:?}");
            for action in offers.actions {
                assert!(ACTIONS.contains(action) || *action == AGAIN, "{state:?}: {action}");
            }
        }
    }
}

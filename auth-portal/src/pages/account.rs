//! `/account`: the instance in words, and what can be done with it. Every state has its words and its
//! actions in one table, so that no state is a dead end.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use control_api::authz::OrderState;
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy::{InstanceState, InstanceView, OperationKind, OperationView};
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::provider::provider_title;
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::SessionForm;
use crate::session::{Session, SignedIn};
use crate::text::{Account, EN, StateTexts, fill};
use crate::upstream::{operation, own_instance};
use crate::view::{PageResult, Shell, page};

/// Seconds until the page asks again while deploy-control is away.
const RETRY_SECONDS: &str = "5";
/// What people may do to their instance.
const ACTIONS: [&str; 4] = ["start", "stop", "restart", "sleep"];
/// And to one that failed: it is ordered anew, since it may never have been whole.
const AGAIN: &str = "again";

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    shell: Shell,
    username: &'a str,
    email: &'a str,
    message: Option<Message>,
    instance: Standing,
    /// The page changes by itself.
    moving: bool,
}

/// What is said over the page.
struct Message {
    text: String,
    bad: bool,
}

/// The instance's part of the page.
enum Standing {
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
struct Card {
    url: String,
    /// Without the scheme, for reading.
    address: String,
    state: &'static str,
    state_class: &'static str,
    state_text: &'static str,
    reason: Option<String>,
    provider: Option<String>,
    created: Moment,
    last_used: Option<Moment>,
    under_way: Option<UnderWay>,
    offers: Offers,
    /// Where the form goes and the words on its button, the most likely one first.
    actions: Vec<(String, &'static str)>,
}

/// The operation at work.
struct UnderWay {
    title: String,
    percent: u8,
}

/// A time, for people and for programs.
struct Moment {
    text: String,
    iso: String,
}

/// What can be done in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offers {
    /// The words on the link to the instance.
    open: Option<&'static str>,
    /// Of [`ACTIONS`] or [`AGAIN`], the most likely one first.
    actions: &'static [&'static str],
    provider: bool,
    watch: bool,
}

/// Each state's word, explanation, tone and offers.
fn describe(state: InstanceState) -> (&'static str, &'static str, &'static str, Offers) {
    let (t, a): (&StateTexts, &Account) = (&EN.states, &EN.account);
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
    let t = &EN.account;
    let words = match action {
        AGAIN => return ("/provisioning/retry".to_owned(), t.try_again),
        "start" => t.start,
        "stop" => t.stop,
        "restart" => t.restart,
        _ => t.sleep,
    };
    (format!("/account/{action}"), words)
}

/// Query of the account page.
#[derive(Deserialize)]
pub(crate) struct AccountQuery {
    done: Option<String>,
}

/// `GET /account`.
pub(crate) async fn show(
    State(portal): State<Portal>,
    SignedIn(session): SignedIn,
    query: Result<Query<AccountQuery>, QueryRejection>,
) -> PageResult {
    let done = query.ok().and_then(|Query(query)| query.done);
    let text = done.and_then(|action| match action.as_str() {
        "start" => Some(EN.account.done_start),
        "stop" => Some(EN.account.done_stop),
        "restart" => Some(EN.account.done_restart),
        "sleep" => Some(EN.account.done_sleep),
        _ => None,
    });
    let message = text.map(|text| Message { text: text.to_owned(), bad: false });
    render(&portal, &session, StatusCode::OK, message).await
}

/// `GET /account/{action}` and `GET /logout`: where a browser ends up that loads the address of a form.
pub(crate) async fn to_account() -> Response {
    redirect("/account")
}

/// `POST /account/{action}`.
pub(crate) async fn act(
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
    match portal.deploy.act(instance.instance_id, &action).await {
        Ok(_) => Ok(redirect(&format!("/account?done={action}"))),
        Err(error) => {
            let (status, text) = refusal(error)?;
            render(&portal, &session, status, Some(Message { text, bad: true })).await
        }
    }
}

/// What a refused action means for the page.
fn refusal(error: ApiError) -> Result<(StatusCode, String), PageError> {
    let t = &EN.account;
    match error.problem() {
        Some(problem) if problem.kind == codes::OPERATION_IN_PROGRESS => {
            Ok((StatusCode::CONFLICT, t.busy.to_owned()))
        }
        Some(problem) if problem.kind != codes::TOKEN_MISMATCH && problem.kind != codes::INTERNAL => {
            let said = problem.detail.as_deref().unwrap_or(&problem.title);
            Ok((problem.status_code(), fill(t.refused, &[("reason", said)])))
        }
        _ => Err(PageError::deploy(error)),
    }
}

async fn render(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    message: Option<Message>,
) -> PageResult {
    let (instance, moving) = match standing(portal, session).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "an instance could not be shown");
            (Standing::Unreachable, false)
        }
    };
    let unreachable = matches!(instance, Standing::Unreachable);
    let user = &session.view.user;
    let shell = session.shell();
    let (username, email) = (user.username.as_str(), user.email.as_str());
    let view = AccountPage { shell, username, email, message, instance, moving };
    let mut response = page(status, &view);
    if unreachable {
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(RETRY_SECONDS));
    }
    Ok(response)
}

/// The instance's part, and whether it is about to change.
async fn standing(portal: &Portal, session: &Session) -> Result<(Standing, bool), ApiError> {
    let Some(instance) = own_instance(portal, session.view.user.user_id).await? else {
        return Ok((without(session), false));
    };
    let work = match instance.operation_id {
        Some(id) => operation(portal, id).await?.filter(|operation| !operation.state.is_final()),
        None => None,
    };
    let moving = work.is_some() || matches!(describe(instance.state).2, "moving" | "warn");
    Ok((Standing::Known(Box::new(card(&instance, work, portal.clock.now()))), moving))
}

/// No instance on record: is one ordered, was it refused, is it gone?
fn without(session: &Session) -> Standing {
    let t = &EN.account;
    let order = &session.view.provisioning;
    let reason = order.reason.clone();
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
            EN.account.under_way.to_owned()
        } else {
            operation.step_title
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
        reason: instance.reason.clone(),
        provider,
        created: moment(instance.created_at, now),
        last_used: instance.last_activity_at.map(|at| moment(at, now)),
        under_way,
        actions: offers.actions.iter().map(|action| button(action)).collect(),
        offers,
    }
}

/// How long ago, up to a month; then the date.
fn moment(at: Timestamp, now: Timestamp) -> Moment {
    let t = &EN.account;
    let seconds = (now.as_second() - at.as_second()).max(0);
    let ago = |text: &str, unit: i64| fill(text, &[("n", &(seconds / unit).to_string())]);
    let text = match seconds {
        0..60 => t.just_now.to_owned(),
        60..3_600 => ago(t.minutes, 60),
        3_600..172_800 => ago(t.hours, 3_600),
        172_800..2_592_000 => ago(t.days, 86_400),
        _ => at.strftime("%-d %B %Y").to_string(),
    };
    Moment { text, iso: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() }
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

    #[test]
    fn times_are_told_as_people_tell_them() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-21T12:00:00Z");
        for (then, expected) in [
            ("2026-11-21T11:59:30Z", "just now"),
            ("2026-11-21T12:00:30Z", "just now"),
            ("2026-11-21T11:15:00Z", "45 min ago"),
            ("2026-11-20T12:00:00Z", "24 h ago"),
            ("2026-11-18T12:00:00Z", "3 days ago"),
            ("2026-01-02T12:00:00Z", "2 January 2026"),
        ] {
            assert_eq!(moment(at(then), now).text, expected, "{then}");
        }
    }
}

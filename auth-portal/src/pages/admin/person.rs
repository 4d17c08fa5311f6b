//! `/admin/people/{id}`: one account, and what can be done with it. What cannot be taken back, or makes an
//! administrator, asks for the name first.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use control_api::authz::Role;
use control_api::client::ApiError;
use control_api::codes;
use control_api::ids::UserId;
use control_api::people::{
    ActOnPersonRequest, MAX_REASON_CHARS, PersonAction, PersonRequest, PersonView, Standing,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::people::{refused, role_word, standing};
use super::{Administrator, Message};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::AdminForm;
use crate::moment::{Moment, moment};
use crate::session::Session;
use crate::text::{fill, texts};
use crate::upstream::own_instance;
use crate::view::{FormFaults, PageResult, Shell, page};

#[derive(Template)]
#[template(path = "admin_person.html")]
struct PersonPage {
    shell: Shell,
    message: Option<Message>,
    faults: FormFaults,
    path: String,
    id: String,
    name: String,
    email: String,
    state: &'static str,
    class: &'static str,
    suspension: Option<String>,
    role: &'static str,
    created: Moment,
    last_used: Option<Moment>,
    sessions: u32,
    api_keys: u32,
    instance: Option<InstanceLink>,
    offers: Offers,
    /// Whether it is the account of who looks.
    is_own: bool,
    confirm_words: String,
    reason: String,
    reason_max: usize,
}

struct InstanceLink {
    id: String,
    slug: String,
}

/// What makes sense with an account.
struct Offers {
    /// What needs no second thought: the action and the words on its button.
    plain: Vec<(&'static str, &'static str)>,
    promote: bool,
    suspend: bool,
    delete: bool,
}

/// What the page says besides the account itself.
#[derive(Default)]
struct Around {
    status: StatusCode,
    message: Option<Message>,
    faults: FormFaults,
    /// As it was typed.
    reason: String,
}

/// Query of the page.
#[derive(Deserialize)]
pub(super) struct PersonQuery {
    done: Option<String>,
}

/// `GET /admin/people/{id}`.
pub(super) async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    Path(id): Path<String>,
    query: Result<Query<PersonQuery>, QueryRejection>,
) -> PageResult {
    let person = find(&portal, &session, &id).await?;
    let done = query.ok().and_then(|Query(query)| query.done);
    let message = done.as_deref().and_then(outcome);
    Ok(render(&portal, &session, person, Around { message, ..Around::default() }).await)
}

/// `GET /admin/people/{id}/{action}`: where a browser ends up that loads the address of a form.
pub(super) async fn to_person(Path((id, _)): Path<(String, String)>) -> PageResult {
    let id: UserId = id.parse().map_err(|_| PageError::NotFound)?;
    Ok(redirect(&format!("/admin/people/{id}")))
}

/// `POST /admin/people/{id}/{action}`: one of [`PersonAction`]; `delete` and `promote` with the name typed, `suspend`
/// with a reason.
pub(super) async fn act(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path((id, action)): Path<(String, String)>,
    form: AdminForm,
) -> PageResult {
    let action = PersonAction::ALL.into_iter().find(|known| known.as_str() == action);
    let action = action.ok_or(PageError::NotFound)?;
    let AdminForm { session, fields } = form;
    let person = find(&portal, &session, &id).await?;
    let t = &texts().person;
    let (user_id, name) = (person.user_id, person.username.to_string());
    let asks_for_name = matches!(action, PersonAction::Delete | PersonAction::Promote);
    if asks_for_name && fields.text("confirm").trim() != name {
        let faults = FormFaults::field(&format!("confirm-{}", action.as_str()), t.confirm_wrong);
        let around = Around { status: StatusCode::UNPROCESSABLE_ENTITY, faults, ..Around::default() };
        return Ok(render(&portal, &session, person, around).await);
    }
    let reason = fields.text("reason").to_owned();
    let request = ActOnPersonRequest {
        session: session.secret.clone(),
        user_id,
        action,
        reason: (action == PersonAction::Suspend).then(|| reason.clone()),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    let done = action.as_str();
    match portal.authz.act_on_person(&request).await {
        Ok(()) if matches!(action, PersonAction::Delete | PersonAction::Reject) => {
            Ok(redirect(&format!("/admin/people?done={done}&name={name}")))
        }
        Ok(()) => Ok(redirect(&format!("/admin/people/{user_id}?done={done}"))),
        Err(error) => {
            let around = Around { reason, ..judge(error)? };
            Ok(render(&portal, &session, person, around).await)
        }
    }
}

async fn find(portal: &Portal, session: &Session, id: &str) -> Result<PersonView, PageError> {
    let user_id = id.parse().map_err(|_| PageError::NotFound)?;
    let request = PersonRequest { session: session.secret.clone(), user_id };
    portal.authz.person(&request).await.map_err(refused)
}

/// What a refusal means for the page.
fn judge(error: ApiError) -> Result<Around, PageError> {
    let t = &texts().person;
    let (status, message, faults) = match error.problem() {
        Some(problem) if problem.kind == codes::LAST_ADMIN => {
            (problem.status_code(), Some(t.last_admin), FormFaults::default())
        }
        Some(problem) if problem.kind == codes::OWN_ACCOUNT => {
            (problem.status_code(), Some(t.own_account), FormFaults::default())
        }
        Some(problem) if problem.status == 422 && problem.errors.contains_key("reason") => {
            let max = MAX_REASON_CHARS.to_string();
            let fault = fill(t.reason_bad, &[("max", &max)]);
            (problem.status_code(), None, FormFaults::field("reason", fault))
        }
        _ => return Err(refused(error)),
    };
    let message = message.map(|text| Message { text: text.to_owned(), bad: true });
    Ok(Around { status, message, faults, reason: String::new() })
}

fn outcome(action: &str) -> Option<Message> {
    let t = &texts().person;
    let text = match PersonAction::ALL.into_iter().find(|known| known.as_str() == action)? {
        PersonAction::Suspend => t.done_suspend,
        PersonAction::Lift => t.done_lift,
        PersonAction::Promote => t.done_promote,
        PersonAction::Demote => t.done_demote,
        PersonAction::Approve => t.done_approve,
        PersonAction::SignOut => t.done_sign_out,
        // The account is gone, and this page with it.
        PersonAction::Delete | PersonAction::Reject => return None,
    };
    Some(Message { text: text.to_owned(), bad: false })
}

/// What makes sense with an account, by its standing and role.
fn offers(person: &PersonView, is_own: bool) -> Offers {
    let t = &texts().person;
    let (waits, suspended) = (person.state == Standing::PendingApproval, person.state == Standing::Suspended);
    let is_admin = person.role == Role::Admin;
    let mut plain = Vec::new();
    for (offered, action, words) in [
        (waits, PersonAction::Approve, t.approve),
        (waits, PersonAction::Reject, t.reject),
        (suspended, PersonAction::Lift, t.lift),
        (is_admin, PersonAction::Demote, t.demote),
        (!waits && !suspended, PersonAction::SignOut, t.sign_out),
    ] {
        if offered {
            plain.push((action.as_str(), words));
        }
    }
    Offers {
        plain,
        promote: !is_admin && person.state == Standing::Active,
        suspend: !is_own && !suspended,
        delete: !is_own,
    }
}

async fn render(
    portal: &Portal,
    session: &Session,
    person: PersonView,
    around: Around,
) -> axum::response::Response {
    let now = portal.clock.now();
    let t = &texts().person;
    // Without deploy-control the account can be governed all the same.
    let instance = own_instance(portal, person.user_id).await;
    let instance =
        instance.inspect_err(|error| tracing::warn!(%error, "an instance could not be shown")).ok();
    let (state, class) = standing(person.state);
    let suspension = person.suspended_at.map(|at| {
        let reason = person.suspended_reason.as_deref().unwrap_or_default();
        fill(t.suspended_because, &[("when", &moment(at, now).text), ("reason", reason)])
    });
    let name = person.username.to_string();
    let is_own = person.user_id == session.view.user.user_id;
    let view = PersonPage {
        shell: session.shell(),
        message: around.message,
        faults: around.faults,
        path: format!("/admin/people/{}", person.user_id),
        id: person.user_id.to_string(),
        offers: offers(&person, is_own),
        is_own,
        email: person.email,
        state,
        class,
        suspension,
        role: role_word(person.role),
        created: moment(person.created_at, now),
        last_used: person.last_used_at.map(|at| moment(at, now)),
        sessions: person.sessions,
        api_keys: person.api_keys,
        instance: instance
            .flatten()
            .map(|found| InstanceLink { id: found.instance_id.to_string(), slug: found.slug.to_string() }),
        confirm_words: fill(t.confirm, &[("name", &name)]),
        name,
        reason: around.reason,
        reason_max: MAX_REASON_CHARS,
    };
    page(around.status, &view)
}

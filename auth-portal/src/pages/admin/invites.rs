//! `/admin/invites`: invites are made, seen with what became of each, and taken back. The codes are on the answer to
//! the form that makes them, and nowhere else.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::response::Response;
use control_api::authz::RegistrationMode;
use control_api::client::ApiError;
use control_api::codes;
use control_api::ids::InviteId;
use control_api::invites::{
    CreateInvitesRequest, InviteState, InviteView, InvitesRequest, MAX_INVITE_HOURS, MAX_INVITES,
    MAX_NOTE_CHARS, USUAL_INVITE_HOURS, WithdrawInviteRequest,
};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;

use super::people::refused;
use super::{Administrator, Message};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::{AdminForm, Fields};
use crate::moment::{Moment, moment, soon};
use crate::session::Session;
use crate::text::{fill, texts};
use crate::view::{FormFaults, PageResult, Shell, page};

/// Invites on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "admin_invites.html")]
struct InvitesPage {
    shell: Shell,
    message: Option<Message>,
    form: InviteForm,
    /// Whether sign-up asks for one.
    is_asked: bool,
    rows: Vec<InviteRow>,
    /// Addresses of the first page, unless this is it, and of the one that follows.
    first: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "admin_invite_codes.html")]
struct CodesPage {
    shell: Shell,
    lead: String,
    codes: Vec<String>,
}

/// The form of new invites, as it was typed.
struct InviteForm {
    count: String,
    hours: String,
    note: String,
    note_max: usize,
    faults: FormFaults,
}

impl Default for InviteForm {
    fn default() -> Self {
        Self {
            count: "1".to_owned(),
            hours: USUAL_INVITE_HOURS.to_string(),
            note: String::new(),
            note_max: MAX_NOTE_CHARS,
            faults: FormFaults::default(),
        }
    }
}

impl InviteForm {
    fn typed(fields: &Fields) -> Self {
        let text = |name| fields.text(name).trim().to_owned();
        Self { count: text("count"), hours: text("hours"), note: text("note"), ..Self::default() }
    }

    /// Count and hours, or what is wrong with the form.
    fn parse(&mut self) -> Option<(u32, u32)> {
        let t = &texts().invites;
        let mut number = |name: &str, text: &str, max: u32| {
            let parsed = text.parse().ok().filter(|number| (1..=max).contains(number));
            if parsed.is_none() {
                self.faults.add(name, fill(t.bad_count, &[("max", &max.to_string())]));
            }
            parsed
        };
        let (count, hours) =
            (number("count", &self.count, MAX_INVITES), number("hours", &self.hours, MAX_INVITE_HOURS));
        if self.note.chars().count() > MAX_NOTE_CHARS || self.note.chars().any(char::is_control) {
            self.faults.add("note", fill(t.bad_note, &[("max", &MAX_NOTE_CHARS.to_string())]));
        }
        if self.faults.is_empty() { count.zip(hours) } else { None }
    }
}

struct InviteRow {
    id: String,
    note: String,
    state: String,
    class: &'static str,
    created: Moment,
    made_by: String,
    expires: Moment,
    /// The words on its button for those who do not see the row; absent where it cannot be withdrawn.
    withdraw: Option<String>,
}

/// Query of the page; what cannot be read is left out.
#[derive(Default, Deserialize)]
pub(super) struct InvitesQuery {
    before: Option<String>,
    done: Option<String>,
}

/// What differs from one showing of the page to another.
#[derive(Default)]
struct View {
    status: StatusCode,
    message: Option<Message>,
    form: InviteForm,
    before: Option<InviteId>,
}

/// `GET /admin/invites`.
pub(super) async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    query: Result<Query<InvitesQuery>, QueryRejection>,
) -> PageResult {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let done = query.done.as_deref() == Some("withdraw");
    let message = done.then(|| Message { text: texts().invites.done_withdraw.to_owned(), bad: false });
    let before = query.before.as_deref().and_then(|text| text.parse().ok());
    render(&portal, &session, View { message, before, ..View::default() }).await
}

/// The address of a form, loaded as a page.
pub(super) async fn to_invites() -> Response {
    redirect("/admin/invites")
}

/// `POST /admin/invites`: the codes, this once.
pub(super) async fn create(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: AdminForm,
) -> PageResult {
    let AdminForm { session, fields } = form;
    let mut form = InviteForm::typed(&fields);
    let Some((count, hours)) = form.parse() else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return render(&portal, &session, View { status, form, ..View::default() }).await;
    };
    let request = CreateInvitesRequest {
        session: session.secret.clone(),
        count,
        hours: Some(hours),
        note: form.note,
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    let made = portal.authz.create_invites(&request).await.map_err(refused)?;
    let time = made.expires_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let view = CodesPage {
        shell: session.shell(),
        lead: fill(texts().invites.made, &[("time", &time)]),
        codes: made.codes.iter().map(|code| code.expose().to_owned()).collect(),
    };
    Ok(page(StatusCode::OK, &view))
}

/// `POST /admin/invites/withdraw`.
pub(super) async fn withdraw(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: AdminForm,
) -> PageResult {
    let AdminForm { session, fields } = form;
    let invite_id = fields.text("invite").parse().map_err(|_| PageError::NotFound)?;
    let client_addr = Some(portal.config.trusted_proxies.client(peer, &headers));
    let request = WithdrawInviteRequest { session: session.secret.clone(), invite_id, client_addr };
    match portal.authz.withdraw_invite(&request).await {
        Ok(()) => Ok(redirect("/admin/invites?done=withdraw")),
        Err(error) => {
            let (status, message) = not_open(error)?;
            render(&portal, &session, View { status, message: Some(message), ..View::default() }).await
        }
    }
}

/// Used, expired or withdrawn since the page was shown.
fn not_open(error: ApiError) -> Result<(StatusCode, Message), PageError> {
    if !error.is(codes::NOT_FOUND) {
        return Err(refused(error));
    }
    Ok((StatusCode::CONFLICT, Message { text: texts().invites.not_open.to_owned(), bad: true }))
}

async fn render(portal: &Portal, session: &Session, view: View) -> PageResult {
    let request = InvitesRequest { session: session.secret.clone(), before: view.before, limit: Some(PAGE) };
    let (found, settings) = tokio::join!(portal.authz.invites(&request), portal.authz.settings());
    let found = found.map_err(refused)?;
    let now = portal.clock.now();
    let shown = InvitesPage {
        shell: session.shell(),
        message: view.message,
        form: view.form,
        // Where that cannot be told, nothing is said about it.
        is_asked: settings.map_or(true, |settings| settings.registration == RegistrationMode::Invite),
        rows: found.invites.into_iter().map(|invite| row(invite, now)).collect(),
        next: found.next.map(|next| format!("/admin/invites?before={next}")),
        first: view.before.map(|_| "/admin/invites".to_owned()),
    };
    Ok(page(view.status, &shown))
}

fn row(invite: InviteView, now: Timestamp) -> InviteRow {
    let t = &texts().invites;
    let created = moment(invite.created_at, now);
    let (state, class) = match invite.state {
        InviteState::Open => (t.open.to_owned(), "good"),
        InviteState::Used => {
            (fill(t.used, &[("name", invite.used_by.as_deref().unwrap_or_default())]), "calm")
        }
        InviteState::Expired => (t.expired.to_owned(), "warn"),
        InviteState::Withdrawn => (t.withdrawn.to_owned(), "bad"),
    };
    let is_open = invite.state == InviteState::Open;
    let note = if invite.note.is_empty() { t.no_note } else { invite.note.as_str() };
    let withdraw = is_open.then(|| fill(t.withdraw_which, &[("when", &created.text), ("note", note)]));
    InviteRow {
        id: invite.invite_id.to_string(),
        state,
        class,
        made_by: fill(t.made_by, &[("name", invite.made_by.as_deref().unwrap_or(t.operator))]),
        expires: if invite.expires_at > now {
            soon(invite.expires_at, now)
        } else {
            moment(invite.expires_at, now)
        },
        created,
        withdraw,
        note: invite.note,
    }
}

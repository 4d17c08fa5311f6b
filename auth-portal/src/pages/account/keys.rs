//! API keys on the account page, and `/account/keys`: a key is made by a form and shown once, on a page of its
//! own that nothing reloads; afterwards not even its owner can read it.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use control_api::api_keys::{
    ApiKeyScope, ApiKeyState, ApiKeyView, CreateApiKeyAnswer, CreateApiKeyRequest, MAX_API_KEYS,
    RevokeApiKeyRequest, USUAL_API_KEY_DAYS,
};
use control_api::authz::SessionRequest;
use control_api::client::ApiError;
use control_api::codes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::{View, render};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::{Fields, SessionForm};
use crate::moment::{Moment, coming, moment};
use crate::session::Session;
use crate::text::{ApiKeyTexts, fill, texts};
use crate::upstream::{field_faults, own_instance};
use crate::view::{FormFaults, PageResult, Shell, page};

/// What can be chosen as the end of a key, in days.
const DAYS: [u32; 4] = [30, 90, 180, 365];
/// A key that ends sooner than this is marked.
const SOON_SECS: i64 = 7 * 24 * 60 * 60;

/// The part of the account page.
pub(super) struct Section {
    /// Absent while authz-service does not answer.
    pub(super) rows: Option<Vec<Row>>,
    /// There is no room for another.
    pub(super) full: bool,
    pub(super) form: KeyForm,
    pub(super) scopes: Vec<Choice>,
    pub(super) expiries: Vec<Choice>,
}

/// One key.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scope: &'static str,
    pub(super) created: Moment,
    pub(super) used: Option<Moment>,
    pub(super) ends: Moment,
    /// The tone and words of a mark, where it does not simply work.
    pub(super) mark: Option<(&'static str, &'static str)>,
    /// The words on its button for those who do not see the row.
    pub(super) revoke: String,
}

/// A value to choose.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) title: String,
    pub(super) text: &'static str,
    pub(super) chosen: bool,
}

/// What the form holds.
pub(super) struct KeyForm {
    pub(super) name: String,
    scope: String,
    expiry: String,
    pub(super) faults: FormFaults,
}

impl Default for KeyForm {
    fn default() -> Self {
        Self {
            name: String::new(),
            scope: ApiKeyScope::Instance.to_string(),
            expiry: USUAL_API_KEY_DAYS.to_string(),
            faults: FormFaults::default(),
        }
    }
}

impl KeyForm {
    fn from_fields(fields: &Fields) -> Self {
        let text = |name| fields.optional(name).unwrap_or_default();
        Self {
            name: text("name"),
            scope: text("scopes"),
            expiry: text("expires_in_days"),
            faults: FormFaults::default(),
        }
    }

    /// The days of the choice. Anything else is none of the choices.
    fn days(&self) -> Result<u32, FormFaults> {
        let days = self.expiry.parse().ok().filter(|days| DAYS.contains(days));
        days.ok_or_else(|| FormFaults::field("expires_in_days", texts().api_keys.expiry_choose))
    }

    fn scope(&self) -> Result<ApiKeyScope, FormFaults> {
        self.scope.parse().map_err(|_| FormFaults::field("scopes", texts().api_keys.scope_choose))
    }
}

impl Section {
    /// Asks for the keys; without an answer the rest of the page still serves.
    pub(super) async fn load(portal: &Portal, session: &Session, form: KeyForm) -> Self {
        let answer = portal.authz.api_keys(&SessionRequest { session: session.secret.clone() }).await;
        let answer = answer.inspect_err(|error| tracing::warn!(%error, "API keys could not be shown")).ok();
        let now = portal.clock.now();
        let rows = answer.map(|list| list.api_keys.iter().map(|key| row(key, now)).collect::<Vec<_>>());
        let (t, full) = (&texts().api_keys, rows.as_ref().is_some_and(|rows| rows.len() >= MAX_API_KEYS));
        let scopes = vec![
            choice(&form.scope, ApiKeyScope::Instance.as_str(), t.scope_all, t.scope_all_text),
            choice(&form.scope, ApiKeyScope::InstanceRead.as_str(), t.scope_read, t.scope_read_text),
        ];
        let in_days = |days: u32| {
            let days = days.to_string();
            let title = if days == "365" { t.in_a_year.to_owned() } else { fill(t.in_days, &[("n", &days)]) };
            choice(&form.expiry, &days, &title, "")
        };
        let expiries = DAYS.into_iter().map(in_days).collect();
        Self { rows, full, form, scopes, expiries }
    }
}

fn choice(chosen: &str, value: &str, title: &str, text: &'static str) -> Choice {
    Choice { value: value.to_owned(), title: title.to_owned(), text, chosen: chosen == value }
}

fn row(key: &ApiKeyView, now: Timestamp) -> Row {
    let t = &texts().api_keys;
    let ends_soon = key.expires_at.as_second() - now.as_second() < SOON_SECS;
    let mark = match key.state {
        ApiKeyState::Expired => Some(("bad", t.expired)),
        ApiKeyState::Unused => Some(("bad", t.unused)),
        ApiKeyState::Active if ends_soon => Some(("warn", t.soon)),
        ApiKeyState::Active => None,
    };
    let is_over = key.state == ApiKeyState::Expired;
    let may_all = key.scopes.contains(&ApiKeyScope::Instance);
    Row {
        id: key.key_id.to_string(),
        name: key.name.clone(),
        scope: if may_all { t.scope_all } else { t.scope_read },
        created: moment(key.created_at, now),
        used: key.last_used_at.map(|at| moment(at, now)),
        ends: if is_over { moment(key.expires_at, now) } else { coming(key.expires_at, now) },
        mark,
        revoke: fill(t.revoke_which, &[("name", &key.name)]),
    }
}

#[derive(Template)]
#[template(path = "api_key.html")]
struct NewKeyPage<'a> {
    shell: Shell,
    lead: String,
    key: &'a str,
    /// A command that uses it, where there is an instance to use it on.
    example: Option<String>,
}

/// `POST /account/keys`.
pub(super) async fn create(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let SessionForm { session, fields } = form;
    let typed = KeyForm::from_fields(&fields);
    let (scope, days) = match (typed.scope(), typed.days()) {
        (Ok(scope), Ok(days)) => (scope, days),
        (Err(faults), _) | (_, Err(faults)) => {
            return again(&portal, &session, StatusCode::UNPROCESSABLE_ENTITY, typed, faults).await;
        }
    };
    let request = CreateApiKeyRequest {
        session: session.secret.clone(),
        name: typed.name.clone(),
        scopes: vec![scope.to_string()],
        expires_in_days: Some(days),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.create_api_key(&request).await {
        Ok(answer) => Ok(made(&portal, &session, &answer).await),
        Err(error) if error.is(codes::SESSION_ENDED) => Err(PageError::authz(error)),
        Err(error) => {
            let (status, faults) = judge(&error);
            again(&portal, &session, status, typed, faults).await
        }
    }
}

/// What a refusal means for the form.
fn judge(error: &ApiError) -> (StatusCode, FormFaults) {
    let t = &texts().api_keys;
    match error.problem() {
        Some(problem) if problem.kind == codes::TOO_MANY_KEYS => {
            (problem.status_code(), FormFaults::form(t.full))
        }
        Some(problem) if problem.status == 422 => (problem.status_code(), field_faults(problem, &labels(t))),
        _ => {
            tracing::warn!(%error, "an API key could not be made");
            (StatusCode::SERVICE_UNAVAILABLE, FormFaults::form(t.unavailable))
        }
    }
}

fn labels(t: &ApiKeyTexts) -> [(&'static str, &'static str); 3] {
    [("name", t.name), ("scopes", t.scope), ("expires_in_days", t.expiry)]
}

/// The account page with the form as it was typed, and what is wrong with it.
async fn again(
    portal: &Portal,
    session: &Session,
    status: StatusCode,
    typed: KeyForm,
    faults: FormFaults,
) -> PageResult {
    let view = View { status, message: None, key_form: KeyForm { faults, ..typed } };
    render(portal, session, view).await
}

async fn made(portal: &Portal, session: &Session, answer: &CreateApiKeyAnswer) -> Response {
    let key = answer.key.expose();
    // The key is there already: a neighbour that is away only costs the example.
    let instance = own_instance(portal, session.view.user.user_id).await.ok().flatten();
    let view = NewKeyPage {
        shell: session.shell(),
        lead: fill(texts().api_keys.made_lead, &[("name", &answer.api_key.name)]),
        key,
        example: instance.map(|instance| {
            format!("curl -H 'Authorization: Bearer {key}' {}/", instance.url.trim_end_matches('/'))
        }),
    };
    page(StatusCode::CREATED, &view)
}

/// `POST /account/keys/revoke`.
pub(super) async fn revoke(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: SessionForm,
) -> PageResult {
    let Ok(key_id) = form.fields.text("key_id").parse() else { return Err(PageError::NotFound) };
    let request = RevokeApiKeyRequest {
        session: form.session.secret.clone(),
        key_id,
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.revoke_api_key(&request).await {
        Ok(()) => Ok(redirect("/account?done=revoke-key#api-keys")),
        Err(error) if error.is(codes::NOT_FOUND) => Err(PageError::NotFound),
        Err(error) => Err(PageError::authz(error)),
    }
}

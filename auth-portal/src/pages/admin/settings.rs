//! `/admin/settings`: what administrators set while everything runs. Each form carries the version of what it was
//! filled from, so that of two administrators at work the later sees what the other did before anything is lost.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use control_api::authz::{RegistrationMode, SessionRequest};
use control_api::client::ApiError;
use control_api::codes;
use control_api::settings::{ChangeSettingsRequest, MAX_BANNER_CHARS, SettingsView};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{Administrator, audit};
use crate::app::Portal;
use crate::error::{PageError, redirect};
use crate::form::{AdminForm, Fields};
use crate::moment::moment;
use crate::session::Session;
use crate::text::{fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult, Shell, page};

#[derive(Template)]
#[template(path = "admin_settings.html")]
struct SettingsPage {
    shell: Shell,
    notice: Option<&'static str>,
    people: PeopleForm,
}

/// The form of sign-up and banner.
struct PeopleForm {
    faults: FormFaults,
    version: i64,
    choices: Vec<Choice>,
    banner: String,
    banner_hint: String,
    /// Who changed it last.
    changed: Option<String>,
}

struct Choice {
    value: &'static str,
    word: String,
    chosen: bool,
}

/// What was typed.
struct Typed {
    /// Nothing: as configured. An error: none of the list.
    registration: Result<Option<RegistrationMode>, ()>,
    banner: String,
}

impl Typed {
    fn parse(fields: &Fields) -> Self {
        let registration = match fields.text("registration") {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| ()),
        };
        Self { registration, banner: fields.text("banner").replace("\r\n", "\n") }
    }
}

/// Query of the page.
#[derive(Default, Deserialize)]
pub(super) struct SettingsQuery {
    done: Option<String>,
}

/// `GET /admin/settings`.
pub(super) async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    query: Result<Query<SettingsQuery>, QueryRejection>,
) -> PageResult {
    let done = query.ok().and_then(|Query(query)| query.done);
    let notice = done.is_some_and(|done| done == "people").then_some(texts().settings.saved);
    let stored = stored(&portal, &session).await?;
    let people = people_form(&portal, &stored, None, FormFaults::default());
    Ok(page(StatusCode::OK, &SettingsPage { shell: session.shell(), notice, people }))
}

/// `POST /admin/settings`.
pub(super) async fn change(
    State(portal): State<Portal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    AdminForm { session, fields }: AdminForm,
) -> PageResult {
    let typed = Typed::parse(&fields);
    let Ok(registration) = typed.registration else {
        let faults = FormFaults::field("registration", texts().settings.bad_registration);
        return again(&portal, &session, typed, (StatusCode::UNPROCESSABLE_ENTITY, faults)).await;
    };
    let request = ChangeSettingsRequest {
        session: session.secret.clone(),
        // What cannot be read is no current version.
        version: fields.text("version").parse().unwrap_or(-1),
        registration,
        banner: typed.banner.clone(),
        client_addr: Some(portal.config.trusted_proxies.client(peer, &headers)),
    };
    match portal.authz.change_settings(&request).await {
        Ok(_) => Ok(redirect("/admin/settings?done=people")),
        Err(error) => {
            let refusal = judge(error)?;
            again(&portal, &session, typed, refusal).await
        }
    }
}

/// What a refusal means for the form.
fn judge(error: ApiError) -> Result<(StatusCode, FormFaults), PageError> {
    let t = &texts().settings;
    match error.problem() {
        Some(problem) if problem.kind == codes::CHANGED_MEANWHILE => {
            Ok((StatusCode::CONFLICT, FormFaults::form(t.conflict)))
        }
        Some(problem) if problem.status == 422 => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, field_faults(problem, &[("banner", t.banner)])))
        }
        _ => Err(audit::refused(error)),
    }
}

/// The page with what was typed. After a conflict it has the new version, and says what is stored now.
async fn again(
    portal: &Portal,
    session: &Session,
    typed: Typed,
    (status, mut faults): (StatusCode, FormFaults),
) -> PageResult {
    let stored = stored(portal, session).await?;
    if status == StatusCode::CONFLICT {
        faults.add_detail(&theirs(&stored));
    }
    let people = people_form(portal, &stored, Some(typed), faults);
    Ok(page(status, &SettingsPage { shell: session.shell(), notice: None, people }))
}

async fn stored(portal: &Portal, session: &Session) -> Result<SettingsView, PageError> {
    let request = SessionRequest { session: session.secret.clone() };
    portal.authz.admin_settings(&request).await.map_err(audit::refused)
}

fn people_form(
    portal: &Portal,
    stored: &SettingsView,
    typed: Option<Typed>,
    faults: FormFaults,
) -> PeopleForm {
    let (registration, banner) = match typed {
        Some(typed) => (typed.registration.unwrap_or(stored.registration), typed.banner),
        None => (stored.registration, stored.banner.clone()),
    };
    let t = &texts().settings;
    let configured = Choice {
        value: "",
        word: fill(t.configured, &[("mode", mode(stored.registration_default))]),
        chosen: registration.is_none(),
    };
    let others = RegistrationMode::ALL.into_iter().map(|choice| Choice {
        value: choice.as_str(),
        word: mode(choice).to_owned(),
        chosen: registration == Some(choice),
    });
    let changed = stored.changed_at.map(|at| {
        let name = stored.changed_by.as_deref().unwrap_or(t.nobody);
        fill(t.changed, &[("name", name), ("when", &moment(at, portal.clock.now()).text)])
    });
    PeopleForm {
        faults,
        version: stored.version,
        choices: std::iter::once(configured).chain(others).collect(),
        banner,
        banner_hint: fill(t.banner_hint, &[("max", &MAX_BANNER_CHARS.to_string())]),
        changed,
    }
}

fn mode(mode: RegistrationMode) -> &'static str {
    let t = &texts().settings;
    match mode {
        RegistrationMode::Open => t.open,
        RegistrationMode::Invite => t.invite,
        RegistrationMode::Approval => t.approval,
        RegistrationMode::Closed => t.closed,
    }
}

/// What is stored, in words.
fn theirs(stored: &SettingsView) -> String {
    let t = &texts().settings;
    let registration = match stored.registration {
        Some(choice) => mode(choice).to_owned(),
        None => fill(t.configured, &[("mode", mode(stored.registration_default))]),
    };
    let banner = if stored.banner.is_empty() { t.no_banner } else { &stored.banner };
    fill(t.theirs, &[("mode", &registration), ("banner", banner)])
}

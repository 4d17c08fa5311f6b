//! The form of sign-up and banner: authz-service has both.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use control_api::authz::{RegistrationMode, SessionRequest};
use control_api::client::ApiError;
use control_api::codes;
use control_api::settings::{ChangeSettingsRequest, MAX_BANNER_CHARS, SettingsView};
use http::{HeaderMap, StatusCode};

use super::super::audit;
use super::{Showing, changed, render, saved};
use crate::app::Portal;
use crate::error::PageError;
use crate::form::{AdminForm, Fields};
use crate::session::Session;
use crate::text::{fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult};

/// The form of sign-up and banner.
pub(super) struct PeopleForm {
    pub(super) faults: FormFaults,
    pub(super) version: i64,
    pub(super) choices: Vec<Choice>,
    pub(super) banner: String,
    pub(super) banner_hint: String,
    /// Who changed it last.
    pub(super) changed: Option<String>,
}

pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) word: String,
    pub(super) chosen: bool,
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

/// A form that was not taken: what was typed, and why not.
pub(super) struct Again {
    typed: Typed,
    status: StatusCode,
    faults: FormFaults,
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
        Ok(_) => Ok(saved()),
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

async fn again(
    portal: &Portal,
    session: &Session,
    typed: Typed,
    (status, faults): (StatusCode, FormFaults),
) -> PageResult {
    let people = Some(Again { typed, status, faults });
    render(portal, session, Showing { people, ..Showing::new(status) }).await
}

async fn stored(portal: &Portal, session: &Session) -> Result<SettingsView, PageError> {
    let request = SessionRequest { session: session.secret.clone() };
    portal.authz.admin_settings(&request).await.map_err(audit::refused)
}

impl PeopleForm {
    /// With what is stored, or what was typed. After a conflict it has the new version, and says what is stored now.
    pub(super) async fn load(
        portal: &Portal,
        session: &Session,
        again: Option<Again>,
    ) -> Result<Self, PageError> {
        let stored = stored(portal, session).await?;
        let t = &texts().settings;
        let (registration, banner, faults) = match again {
            Some(Again { typed, status, mut faults }) => {
                if status == StatusCode::CONFLICT {
                    faults.add_detail(&theirs(&stored));
                }
                (typed.registration.unwrap_or(stored.registration), typed.banner, faults)
            }
            None => (stored.registration, stored.banner.clone(), FormFaults::default()),
        };
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
        let now = portal.clock.now();
        Ok(Self {
            faults,
            version: stored.version,
            choices: std::iter::once(configured).chain(others).collect(),
            banner,
            banner_hint: fill(t.banner_hint, &[("max", &MAX_BANNER_CHARS.to_string())]),
            changed: stored.changed_at.map(|at| changed(stored.changed_by.as_deref(), at, now)),
        })
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

//! The form of idle times and limits: deploy-control has them, and says what may stand in each field.

use axum::extract::State;
use control_api::client::ApiError;
use control_api::codes;
use control_api::deploy_settings::{
    Administrator, ChangeDeploySettings, DeploySettingsView, InstanceSettings,
};
use http::StatusCode;

use super::super::refusal;
use super::{Showing, changed, render, saved};
use crate::app::Portal;
use crate::error::PageError;
use crate::form::{AdminForm, Fields};
use crate::text::{fill, texts};
use crate::upstream::field_faults;
use crate::view::{FormFaults, PageResult};

/// The fields in the order of the form, as on the wire.
const FIELDS: [&str; 6] = ["idle_sleep", "idle_pause", "memory", "cpus", "pids", "disk"];

/// The form.
pub(super) struct InstancesForm {
    pub(super) faults: FormFaults,
    pub(super) version: i64,
    pub(super) fields: Vec<Field>,
    /// Who changed it last.
    pub(super) changed: Option<String>,
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) value: String,
    pub(super) hint: String,
}

/// A form that was not taken: what was typed, and why not.
pub(super) struct Again {
    typed: InstanceSettings,
    status: StatusCode,
    faults: FormFaults,
}

/// `POST /admin/settings/instances`.
pub(super) async fn change(
    State(portal): State<Portal>,
    AdminForm { session, fields }: AdminForm,
) -> PageResult {
    let typed = read(&fields);
    let user = &session.view.user;
    let request = ChangeDeploySettings {
        // What cannot be read is no current version.
        version: fields.text("version").parse().unwrap_or(-1),
        actor: Administrator { user_id: user.user_id, name: user.username.clone() },
        chosen: typed.clone(),
    };
    match portal.deploy.change_settings(&request).await {
        Ok(_) => Ok(saved()),
        Err(error) => {
            let (status, faults) = judge(error)?;
            let instances = Some(Again { typed, status, faults });
            render(&portal, &session, Showing { instances, ..Showing::new(status) }).await
        }
    }
}

fn read(fields: &Fields) -> InstanceSettings {
    InstanceSettings {
        idle_sleep: fields.optional("idle_sleep"),
        idle_pause: fields.optional("idle_pause"),
        memory: fields.optional("memory"),
        cpus: fields.optional("cpus"),
        pids: fields.optional("pids"),
        disk: fields.optional("disk"),
    }
}

/// What a refusal means for the form.
fn judge(error: ApiError) -> Result<(StatusCode, FormFaults), PageError> {
    let t = &texts().settings;
    match error.problem() {
        Some(problem) if problem.kind == codes::CHANGED_MEANWHILE => {
            Ok((StatusCode::CONFLICT, FormFaults::form(t.conflict)))
        }
        Some(problem) if !problem.errors.is_empty() => {
            let labels = FIELDS.map(|name| (name, label(name)));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, field_faults(problem, &labels)))
        }
        _ => refusal(error).map(|(status, message)| (status, FormFaults::form(message.text))),
    }
}

impl InstancesForm {
    /// With what is stored, or what was typed. After a conflict it has the new version, and says what is stored now.
    pub(super) async fn load(portal: &Portal, again: Option<Again>) -> Result<Self, ApiError> {
        let stored = portal.deploy.settings().await?;
        let (shown, faults) = match again {
            Some(Again { typed, status, mut faults }) => {
                if status == StatusCode::CONFLICT {
                    faults.add_detail(&theirs(&stored));
                }
                (typed, faults)
            }
            None => (stored.chosen.clone(), FormFaults::default()),
        };
        let field = |name| Field {
            name,
            label: label(name),
            value: value(&shown, name).unwrap_or_default().to_owned(),
            hint: fill(hint(name), &[("configured", value(&stored.configured, name).unwrap_or_default())]),
        };
        let now = portal.clock.now();
        let by = stored.changed_by.as_ref().map(|actor| actor.name.as_str());
        Ok(Self {
            faults,
            version: stored.version,
            fields: FIELDS.into_iter().map(field).collect(),
            changed: stored.changed_at.map(|at| changed(by, at, now)),
        })
    }
}

fn value<'a>(settings: &'a InstanceSettings, name: &str) -> Option<&'a str> {
    match name {
        "idle_sleep" => &settings.idle_sleep,
        "idle_pause" => &settings.idle_pause,
        "memory" => &settings.memory,
        "cpus" => &settings.cpus,
        "pids" => &settings.pids,
        _ => &settings.disk,
    }
    .as_deref()
}

fn label(name: &str) -> &'static str {
    let t = &texts().instance_settings;
    match name {
        "idle_sleep" => t.idle_sleep,
        "idle_pause" => t.idle_pause,
        "memory" => t.memory,
        "cpus" => t.cpus,
        "pids" => t.pids,
        _ => t.disk,
    }
}

fn hint(name: &str) -> &'static str {
    let t = &texts().instance_settings;
    match name {
        "idle_sleep" => t.idle_sleep_hint,
        "idle_pause" => t.idle_pause_hint,
        "memory" => t.memory_hint,
        "cpus" => t.cpus_hint,
        "pids" => t.pids_hint,
        _ => t.disk_hint,
    }
}

/// What is stored, in words.
fn theirs(stored: &DeploySettingsView) -> String {
    let t = &texts().instance_settings;
    let of = |name: &'static str| {
        let value = value(&stored.chosen, name).or(value(&stored.configured, name)).unwrap_or_default();
        fill(t.pair, &[("name", label(name)), ("value", value)])
    };
    let all = FIELDS.map(of).join(t.comma);
    fill(t.theirs, &[("all", &all)])
}

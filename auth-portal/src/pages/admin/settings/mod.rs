//! `/admin/settings`: what administrators set while everything runs. Each form carries the version of what it was
//! filled from, so that of two administrators at work the later sees what the other did before anything is lost. One
//! file for each form; here are the page and what they share.

mod instances;
mod people;

use askama::Template;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::Administrator;
use crate::app::Portal;
use crate::error::redirect;
use crate::moment::moment;
use crate::session::Session;
use crate::text::{fill, texts};
use crate::view::{PageResult, Shell, page};
use instances::InstancesForm;
use people::PeopleForm;

/// The routes, without the gate.
pub(super) fn routes() -> Router<Portal> {
    Router::new()
        .route("/admin/settings", get(show).post(people::change))
        .route("/admin/settings/instances", get(to_settings).post(instances::change))
}

#[derive(Template)]
#[template(path = "admin_settings.html")]
struct SettingsPage {
    shell: Shell,
    notice: Option<&'static str>,
    people: PeopleForm,
    /// Absent while deploy-control does not answer.
    instances: Option<InstancesForm>,
}

/// What differs from one showing of the page to another.
struct Showing {
    status: StatusCode,
    notice: Option<&'static str>,
    people: Option<people::Again>,
    instances: Option<instances::Again>,
}

impl Showing {
    fn new(status: StatusCode) -> Self {
        Self { status, notice: None, people: None, instances: None }
    }
}

/// Query of the page.
#[derive(Default, Deserialize)]
struct SettingsQuery {
    done: Option<String>,
}

/// `GET /admin/settings`.
async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    query: Result<Query<SettingsQuery>, QueryRejection>,
) -> PageResult {
    let done = query.ok().and_then(|Query(query)| query.done);
    let notice = done.is_some_and(|done| done == "saved").then_some(texts().settings.saved);
    render(&portal, &session, Showing { notice, ..Showing::new(StatusCode::OK) }).await
}

/// The address of a form, loaded as a page.
async fn to_settings() -> Response {
    redirect("/admin/settings")
}

/// After a change.
fn saved() -> Response {
    redirect("/admin/settings?done=saved")
}

/// The page; what was typed stands in its form again.
async fn render(portal: &Portal, session: &Session, showing: Showing) -> PageResult {
    let Showing { status, notice, people, instances } = showing;
    let (people, instances) =
        tokio::join!(PeopleForm::load(portal, session, people), InstancesForm::load(portal, instances));
    let instances =
        instances.inspect_err(|error| tracing::warn!(%error, "instance settings cannot be shown")).ok();
    Ok(page(status, &SettingsPage { shell: session.shell(), notice, people: people?, instances }))
}

/// Who changed it last.
fn changed(by: Option<&str>, at: Timestamp, now: Timestamp) -> String {
    let t = &texts().settings;
    fill(t.changed, &[("name", by.unwrap_or(t.nobody)), ("when", &moment(at, now).text)])
}

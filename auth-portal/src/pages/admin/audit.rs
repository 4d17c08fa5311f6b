//! `/admin/audit`: who did what to whom, filtered, in pages, and as a file.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use control_api::audit::{ACTIONS, AuditEntryView, AuditFilter, AuditPage, AuditRequest};
use control_api::client::ApiError;
use control_api::codes;
use http::StatusCode;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::Administrator;
use super::audit_file::{Format, download};
use crate::app::Portal;
use crate::error::PageError;
use crate::session::Session;
use crate::text::{sentence, texts};
use crate::view::{FormFaults, PageResult, Shell, page};

/// Entries on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "admin_audit.html")]
struct AuditPageView {
    shell: Shell,
    faults: FormFaults,
    form: AuditQuery,
    choices: Vec<(&'static str, bool)>,
    rows: Vec<EntryRow>,
    /// Addresses of the first page, unless this is it, and of the one that follows.
    first: Option<String>,
    next: Option<String>,
    /// The filter as the query of an address.
    query: String,
}

struct EntryRow {
    time: String,
    iso: String,
    actor: String,
    /// The id behind a name.
    actor_id: Option<String>,
    action: String,
    target: String,
    target_id: Option<String>,
    address: String,
    request_id: String,
}

/// Query of the page and of the file, as the form sends it.
#[derive(Default, Deserialize)]
pub(super) struct AuditQuery {
    #[serde(default)]
    who: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    before: Option<i64>,
    #[serde(default)]
    format: Option<String>,
}

impl AuditQuery {
    /// What authz-service is asked for, and what could not be read.
    fn filter(&self) -> (AuditFilter, FormFaults) {
        let mut faults = FormFaults::default();
        let asked = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let t = &texts().audit;
        let mut day = |name: &str, label: &str, text: &str, later: i64| {
            parse_day(text, later).unwrap_or_else(|()| {
                faults.add(name, sentence(label, t.bad_day));
                None
            })
        };
        let since = day("since", t.since, &self.since, 0);
        // The last day is part of it.
        let until = day("until", t.until, &self.until, 1);
        let filter = AuditFilter { who: asked(&self.who), action: asked(&self.action), since, until };
        (filter, faults)
    }

    fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        let fields =
            [("who", &self.who), ("action", &self.action), ("since", &self.since), ("until", &self.until)];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
            query.append_pair(name, value.trim());
        }
        query.finish()
    }
}

/// A day in UTC as `<input type="date">` gives it, and so many days later; nothing where nothing was entered.
fn parse_day(text: &str, later: i64) -> Result<Option<Timestamp>, ()> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let day: Date = text.trim().parse().map_err(|_| ())?;
    let day = day.checked_add(Span::new().days(later)).map_err(|_| ())?;
    day.to_zoned(TimeZone::UTC).map(|zoned| Some(zoned.timestamp())).map_err(|_| ())
}

/// `GET /admin/audit`.
pub(super) async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> PageResult {
    let form = query.map(|Query(query)| query).unwrap_or_default();
    let (filter, faults) = form.filter();
    let (status, found) = if faults.is_empty() {
        (StatusCode::OK, read(&portal, &session, filter, form.before, PAGE).await?)
    } else {
        (StatusCode::UNPROCESSABLE_ENTITY, AuditPage { entries: Vec::new(), next: None })
    };
    let query = form.query();
    let view = AuditPageView {
        shell: session.shell(),
        faults,
        choices: ACTIONS.iter().map(|action| (*action, *action == form.action)).collect(),
        rows: found.entries.into_iter().map(row).collect(),
        next: found.next.map(|next| format!("/admin/audit?{query}&before={next}")),
        first: form.before.map(|_| format!("/admin/audit?{query}")),
        form,
        query,
    };
    Ok(page(status, &view))
}

/// `GET /admin/audit/export`: all that the filter lets through, from the newest on.
pub(super) async fn export(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Response, PageError> {
    let form = query.map(|Query(query)| query).unwrap_or_default();
    let (filter, faults) = form.filter();
    let format = form.format.as_deref().and_then(Format::parse);
    match format.filter(|_| faults.is_empty()) {
        Some(format) => download(portal, session, filter, format).await,
        None => Err(PageError::NotFound),
    }
}

/// A page of the log. The role may have ended since the gate.
pub(super) async fn read(
    portal: &Portal,
    session: &Session,
    filter: AuditFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<AuditPage, PageError> {
    let request = AuditRequest { session: session.secret.clone(), filter, before, limit: Some(limit) };
    portal.authz.audit(&request).await.map_err(refused)
}

/// What a refusal means: the role may have ended since the gate.
pub(super) fn refused(error: ApiError) -> PageError {
    if error.is(codes::NOT_YOURS) { PageError::NotFound } else { PageError::authz(error) }
}

fn row(entry: AuditEntryView) -> EntryRow {
    let (actor, actor_id) = named(entry.actor, entry.actor_name);
    let (target, target_id) = named(entry.target, entry.target_name);
    EntryRow {
        time: entry.at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        iso: entry.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        actor,
        actor_id,
        action: entry.action,
        target,
        target_id,
        address: entry.address.unwrap_or_default(),
        request_id: entry.request_id.unwrap_or_default(),
    }
}

/// A name where there is one, with the id beside it.
fn named(id: String, name: Option<String>) -> (String, Option<String>) {
    match name {
        Some(name) => (name, Some(id)),
        None => (id, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_in_utc() {
        let at = |text: &str| Some(text.parse::<Timestamp>().expect("a time"));
        assert_eq!(parse_day("2026-11-21", 0), Ok(at("2026-11-21T00:00:00Z")));
        assert_eq!(parse_day(" 2026-02-28 ", 1), Ok(at("2026-03-01T00:00:00Z")));
        assert_eq!(parse_day("", 1), Ok(None));
        for bad in ["yesterday", "2026-13-01", "2026-02-30", "9999-12-31"] {
            assert_eq!(parse_day(bad, 1), Err(()), "{bad}");
        }
    }
}

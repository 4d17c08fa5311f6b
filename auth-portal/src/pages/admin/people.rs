//! `/admin/people`: everybody who has an account, searched, filtered and in pages.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use control_api::authz::Role;
use control_api::client::ApiError;
use control_api::codes;
use control_api::ids::UserId;
use control_api::people::{PeopleFilter, PeopleRequest, PersonView, Standing};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::{Administrator, Message};
use crate::app::Portal;
use crate::error::PageError;
use crate::moment::{Moment, moment};
use crate::text::{fill, texts};
use crate::view::{PageResult, Shell, page};

/// People on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "admin_people.html")]
struct PeoplePageView {
    shell: Shell,
    message: Option<Message>,
    text: String,
    states: Vec<Choice>,
    roles: Vec<Choice>,
    rows: Vec<PersonRow>,
    /// Addresses of the first page, unless this is it, and of the one that follows.
    first: Option<String>,
    next: Option<String>,
}

/// An entry of a list to choose from.
struct Choice {
    value: &'static str,
    word: &'static str,
    chosen: bool,
}

struct PersonRow {
    id: String,
    name: String,
    email: String,
    state: &'static str,
    class: &'static str,
    role: &'static str,
    created: Moment,
    last_used: Option<Moment>,
}

/// Query of the page; what cannot be read is left out.
#[derive(Default, Deserialize)]
pub(super) struct PeopleQuery {
    #[serde(default)]
    text: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    role: String,
    before: Option<String>,
    done: Option<String>,
    name: Option<String>,
}

impl PeopleQuery {
    fn filter(&self) -> PeopleFilter {
        PeopleFilter {
            text: Some(self.text.trim().to_owned()).filter(|text| !text.is_empty()),
            state: Standing::ALL.into_iter().find(|state| state.as_str() == self.state),
            role: [Role::User, Role::Admin].into_iter().find(|role| role.as_str() == self.role),
        }
    }

    fn before(&self) -> Option<UserId> {
        self.before.as_deref()?.parse().ok()
    }

    fn outcome(&self) -> Option<Message> {
        let t = &texts().people;
        let text = match self.done.as_deref()? {
            "delete" => t.done_delete,
            "reject" => t.done_reject,
            _ => return None,
        };
        Some(Message { text: fill(text, &[("name", self.name.as_deref()?)]), bad: false })
    }
}

/// `GET /admin/people`.
pub(super) async fn show(
    State(portal): State<Portal>,
    Administrator(session): Administrator,
    query: Result<Query<PeopleQuery>, QueryRejection>,
) -> PageResult {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let (filter, before) = (query.filter(), query.before());
    let request =
        PeopleRequest { session: session.secret.clone(), filter: filter.clone(), before, limit: Some(PAGE) };
    let found = portal.authz.people(&request).await.map_err(refused)?;
    let now = portal.clock.now();
    let view = PeoplePageView {
        shell: session.shell(),
        message: query.outcome(),
        states: Standing::ALL
            .map(|state| Choice {
                value: state.as_str(),
                word: standing(state).0,
                chosen: filter.state == Some(state),
            })
            .into(),
        roles: [Role::User, Role::Admin]
            .map(|role| Choice {
                value: role.as_str(),
                word: role_word(role),
                chosen: filter.role == Some(role),
            })
            .into(),
        rows: found.people.into_iter().map(|person| row(person, now)).collect(),
        first: before.map(|_| address(&filter, None)),
        next: found.next.map(|next| address(&filter, Some(next))),
        text: query.text,
    };
    Ok(page(StatusCode::OK, &view))
}

/// What an answer of authz-service means here. The role may have ended since the gate.
pub(super) fn refused(error: ApiError) -> PageError {
    if error.is(codes::NOT_YOURS) || error.is(codes::NOT_FOUND) {
        PageError::NotFound
    } else {
        PageError::authz(error)
    }
}

/// A standing in a word, and its tone.
pub(super) fn standing(state: Standing) -> (&'static str, &'static str) {
    let t = &texts().people;
    match state {
        Standing::Active => (t.active, "good"),
        Standing::PendingApproval => (t.pending_approval, "warn"),
        Standing::Suspended => (t.suspended, "bad"),
    }
}

/// A role in a word.
pub(super) fn role_word(role: Role) -> &'static str {
    let t = &texts().people;
    match role {
        Role::User => t.user,
        Role::Admin => t.admin,
    }
}

fn address(filter: &PeopleFilter, before: Option<UserId>) -> String {
    let start = String::from("/admin/people?");
    let mut query = Serializer::for_suffix(start.clone(), start.len());
    let before = before.map(|id| id.to_string());
    for (name, value) in [
        ("text", filter.text.as_deref()),
        ("state", filter.state.map(Standing::as_str)),
        ("role", filter.role.map(Role::as_str)),
        ("before", before.as_deref()),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

fn row(person: PersonView, now: Timestamp) -> PersonRow {
    let (state, class) = standing(person.state);
    PersonRow {
        id: person.user_id.to_string(),
        name: person.username.to_string(),
        email: person.email,
        state,
        class,
        role: role_word(person.role),
        created: moment(person.created_at, now),
        last_used: person.last_used_at.map(|at| moment(at, now)),
    }
}

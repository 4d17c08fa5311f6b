//! People of the fake authz-service, as administrators see them.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::authz::Role;
use control_api::codes;
use control_api::ids::UserId;
use control_api::people::{
    ActOnPersonRequest, DeleteAccountRequest, PeoplePage, PeopleRequest, PersonAction, PersonRequest,
    PersonView, Standing,
};
use control_api::wire::WireSecret;
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, World, at, ended, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/admin/people", post(list))
        .route("/portal/admin/people/show", post(show))
        .route("/portal/admin/people/act", post(act))
        .route("/portal/account/delete", post(leave))
}

impl Fakes {
    /// One more account, of which nothing but the row of administrators is there.
    pub(crate) fn account(&self, name: &str, change: impl FnOnce(&mut PersonView)) -> UserId {
        let mut view = PersonView {
            user_id: UserId::generate(),
            username: name.parse().expect("a name"),
            email: format!("{name}@example.com"),
            state: Standing::Active,
            role: Role::User,
            created_at: at("2026-11-18T11:00:00Z"),
            last_used_at: Some(at("2026-11-21T11:15:00Z")),
            sessions: 2,
            api_keys: 1,
            suspended_at: None,
            suspended_reason: None,
        };
        change(&mut view);
        let id = view.user_id;
        let accounts = &mut self.world().accounts;
        accounts.push(view);
        accounts.sort_by_key(|account| std::cmp::Reverse(account.user_id));
        id
    }

    /// An account as it is now.
    pub(crate) fn account_of(&self, id: UserId) -> Option<PersonView> {
        self.world().accounts.iter().find(|account| account.user_id == id).cloned()
    }
}

fn is_administrators(world: &World, secret: &WireSecret) -> bool {
    world.sessions.get(secret.expose()).is_some_and(|session| session.role == Role::Admin)
}

/// The refusal of everybody else.
pub(super) fn not_yours() -> Problem {
    problem(403, codes::NOT_YOURS, "Only administrators may do this.")
}

async fn list(State(fakes): State<Fakes>, Json(body): Json<PeopleRequest>) -> Answer<Json<PeoplePage>> {
    let world = fakes.world();
    if !is_administrators(&world, &body.session) {
        return Err(not_yours());
    }
    let (filter, limit) = (&body.filter, body.limit.unwrap_or(50) as usize);
    let is_wanted = |account: &&PersonView| {
        body.before.is_none_or(|before| account.user_id < before)
            && filter.text.as_ref().is_none_or(|text| account.username.as_str().contains(text.as_str()))
            && filter.state.is_none_or(|state| account.state == state)
            && filter.role.is_none_or(|role| account.role == role)
    };
    let mut people: Vec<_> = world.accounts.iter().filter(is_wanted).take(limit + 1).cloned().collect();
    let has_more = people.len() > limit;
    people.truncate(limit);
    let next = people.last().filter(|_| has_more).map(|person| person.user_id);
    Ok(Json(PeoplePage { people, next }))
}

fn unknown() -> Problem {
    problem(404, codes::NOT_FOUND, "There is no account with this id.")
}

async fn show(State(fakes): State<Fakes>, Json(body): Json<PersonRequest>) -> Answer<Json<PersonView>> {
    if !is_administrators(&fakes.world(), &body.session) {
        return Err(not_yours());
    }
    fakes.account_of(body.user_id).map(Json).ok_or_else(unknown)
}

async fn act(State(fakes): State<Fakes>, Json(body): Json<ActOnPersonRequest>) -> Answer<StatusCode> {
    let mut world = fakes.world();
    if !is_administrators(&world, &body.session) {
        return Err(not_yours());
    }
    let place = world.accounts.iter().position(|account| account.user_id == body.user_id);
    let place = place.ok_or_else(unknown)?;
    let account = &mut world.accounts[place];
    match body.action {
        PersonAction::Suspend => {
            let reason = body.reason.unwrap_or_default();
            if reason.trim().is_empty() {
                let problem =
                    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input");
                return Err(problem.field("reason", "is needed: the person is told"));
            }
            account.state = Standing::Suspended;
            account.suspended_at = Some(at("2026-11-21T11:15:00Z"));
            account.suspended_reason = Some(reason);
        }
        PersonAction::Lift => {
            account.state = Standing::Active;
            (account.suspended_at, account.suspended_reason) = (None, None);
        }
        PersonAction::Promote => account.role = Role::Admin,
        PersonAction::Demote => account.role = Role::User,
        PersonAction::Approve => account.state = Standing::Active,
        PersonAction::SignOut => account.sessions = 0,
        PersonAction::Delete | PersonAction::Reject => drop(world.accounts.remove(place)),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn leave(State(fakes): State<Fakes>, Json(body): Json<DeleteAccountRequest>) -> Answer<StatusCode> {
    let refuse = |field, fault| {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input");
        problem.field(field, fault)
    };
    let mut world = fakes.world();
    let user = world.sessions.get(body.session.expose()).ok_or_else(ended)?.user.clone();
    if body.username.trim() != user.username.as_str() {
        return Err(refuse("username", "is not the name of this account"));
    }
    let knows =
        |(_, password, person): &&(String, String, _)| *person == user && password == body.password.expose();
    if world.people.iter().find(knows).is_none() {
        return Err(refuse("password", "is not your password"));
    }
    world.sessions.retain(|_, session| session.user != user);
    world.people.retain(|(_, _, person)| *person != user);
    Ok(StatusCode::NO_CONTENT)
}

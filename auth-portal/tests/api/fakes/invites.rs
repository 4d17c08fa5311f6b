//! Invites of the fake authz-service.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::authz::Role;
use control_api::codes;
use control_api::ids::InviteId;
use control_api::invites::{
    CreateInvitesAnswer, CreateInvitesRequest, InvitePage, InviteState, InviteView, InvitesRequest,
    WithdrawInviteRequest,
};
use control_api::wire::WireSecret;
use http::StatusCode;

use super::fake_people::not_yours;
use super::{Answer, Fakes, NOW, World, at, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/admin/invites", post(create))
        .route("/portal/admin/invites/list", post(list))
        .route("/portal/admin/invites/withdraw", post(withdraw))
}

impl Fakes {
    /// One more invite.
    pub(crate) fn invite(&self, change: impl FnOnce(&mut InviteView)) -> InviteId {
        let mut view = InviteView {
            invite_id: InviteId::generate(),
            state: InviteState::Open,
            note: String::new(),
            created_at: at("2026-11-21T11:15:00Z"),
            expires_at: at("2026-11-24T11:15:00Z"),
            made_by: None,
            used_at: None,
            used_by: None,
        };
        change(&mut view);
        let id = view.invite_id;
        let invites = &mut self.world().invites;
        invites.push(view);
        invites.sort_by_key(|invite| std::cmp::Reverse(invite.invite_id));
        id
    }
}

/// The name of the administrator whose session it is.
fn administrator(world: &World, secret: &WireSecret) -> Option<String> {
    let session = world.sessions.get(secret.expose()).filter(|session| session.role == Role::Admin)?;
    Some(session.user.username.to_string())
}

async fn create(
    State(fakes): State<Fakes>,
    Json(body): Json<CreateInvitesRequest>,
) -> Answer<(StatusCode, Json<CreateInvitesAnswer>)> {
    let name = administrator(&fakes.world(), &body.session).ok_or_else(not_yours)?;
    let codes = (0..body.count)
        .map(|n| {
            fakes.invite(|invite| {
                invite.note.clone_from(&body.note);
                invite.created_at = at(NOW);
                invite.made_by = Some(name.clone());
            });
            WireSecret::new(format!("the-code-of-invite-{n}"))
        })
        .collect();
    let answer = CreateInvitesAnswer { codes, expires_at: at("2026-11-24T12:00:00Z") };
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn list(State(fakes): State<Fakes>, Json(body): Json<InvitesRequest>) -> Answer<Json<InvitePage>> {
    let world = fakes.world();
    administrator(&world, &body.session).ok_or_else(not_yours)?;
    let limit = body.limit.unwrap_or(50) as usize;
    let is_wanted = |invite: &&InviteView| body.before.is_none_or(|before| invite.invite_id < before);
    let mut invites: Vec<_> = world.invites.iter().filter(is_wanted).take(limit + 1).cloned().collect();
    let has_more = invites.len() > limit;
    invites.truncate(limit);
    let next = invites.last().filter(|_| has_more).map(|invite| invite.invite_id);
    Ok(Json(InvitePage { invites, next }))
}

async fn withdraw(State(fakes): State<Fakes>, Json(body): Json<WithdrawInviteRequest>) -> Answer<StatusCode> {
    let mut world = fakes.world();
    administrator(&world, &body.session).ok_or_else(not_yours)?;
    let is_it =
        |invite: &&mut InviteView| invite.invite_id == body.invite_id && invite.state == InviteState::Open;
    let invite = world.invites.iter_mut().find(is_it);
    let invite = invite.ok_or_else(|| problem(404, codes::NOT_FOUND, "There is no open invite."))?;
    invite.state = InviteState::Withdrawn;
    Ok(StatusCode::NO_CONTENT)
}

//! Sessions and passwords of the fake authz-service.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::authz::SessionRequest;
use control_api::codes;
use control_api::ids::SessionId;
use control_api::sessions::{
    ChangePasswordAnswer, ChangePasswordRequest, RevokeOthersRequest, RevokeSessionRequest, SessionItem,
    SessionList,
};
use control_api::wire::WireSecret;
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, NOW, at, ended};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/sessions/list", post(list))
        .route("/portal/sessions/revoke", post(revoke))
        .route("/portal/sessions/revoke-others", post(revoke_others))
        .route("/portal/password", post(change_password))
}

impl Fakes {
    /// Another session of a session's account.
    pub(crate) fn other_session(&self, session: &str, agent: Option<&str>, address: &str) -> SessionItem {
        let item = SessionItem {
            sid: SessionId::generate(),
            current: false,
            created_at: at("2026-11-18T11:00:00Z"),
            last_used_at: at("2026-11-21T11:15:00Z"),
            expires_at: at("2026-12-18T11:00:00Z"),
            address: Some(address.to_owned()),
            agent: agent.map(str::to_owned),
            remember: true,
        };
        self.world().other_sessions.entry(session.to_owned()).or_default().push(item.clone());
        item
    }
}

async fn list(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> Answer<Json<SessionList>> {
    let world = fakes.world();
    let own = world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    let own = SessionItem {
        sid: own.sid,
        current: true,
        created_at: at("2026-11-21T11:00:00Z"),
        last_used_at: at(NOW),
        expires_at: own.expires_at,
        address: Some("192.0.2.1".to_owned()),
        agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
        remember: false,
    };
    let others = world.other_sessions.get(body.session.expose()).cloned().unwrap_or_default();
    Ok(Json(SessionList { sessions: std::iter::once(own).chain(others).collect() }))
}

async fn revoke(State(fakes): State<Fakes>, Json(body): Json<RevokeSessionRequest>) -> Answer<StatusCode> {
    let mut world = fakes.world();
    world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    world.other_sessions.entry(body.session.expose().to_owned()).or_default().retain(|s| s.sid != body.sid);
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke_others(
    State(fakes): State<Fakes>,
    Json(body): Json<RevokeOthersRequest>,
) -> Answer<StatusCode> {
    let mut world = fakes.world();
    world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    world.other_sessions.remove(body.session.expose());
    Ok(StatusCode::NO_CONTENT)
}

/// The session goes on as `renewed-...`.
async fn change_password(
    State(fakes): State<Fakes>,
    Json(body): Json<ChangePasswordRequest>,
) -> Answer<Json<ChangePasswordAnswer>> {
    let refuse = |code, field, fault| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, "Bad input").field(field, fault)
    };
    let mut world = fakes.world();
    let before = body.session.expose();
    let user = world.sessions.get(before).ok_or_else(ended)?.user.clone();
    if body.new_password.expose().len() < 15 {
        return Err(refuse(codes::WEAK_PASSWORD, "new_password", "must have at least 15 characters"));
    }
    let person = world.people.iter_mut().find(|(_, _, person)| *person == user).ok_or_else(ended)?;
    if person.1 != body.current_password.expose() {
        return Err(refuse(codes::INVALID_INPUT, "current_password", "is not the current password"));
    }
    body.new_password.expose().clone_into(&mut person.1);
    let view = world.sessions.remove(before).ok_or_else(ended)?;
    let renewed = format!("renewed-{before}");
    world.sessions.insert(renewed.clone(), view);
    Ok(Json(ChangePasswordAnswer { session: WireSecret::new(renewed), cookie_max_age_s: Some(1000) }))
}

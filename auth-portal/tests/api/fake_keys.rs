//! API keys of the fake authz-service.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::api_keys::{
    ApiKeyList, ApiKeyState, ApiKeyView, CreateApiKeyAnswer, CreateApiKeyRequest, RevokeApiKeyRequest,
};
use control_api::authz::SessionRequest;
use control_api::codes;
use control_api::ids::ApiKeyId;
use control_api::wire::WireSecret;
use http::StatusCode;
use service_kit::problem::Problem;

use super::{Answer, Fakes, NOW, at, ended, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/api-keys", post(create))
        .route("/portal/api-keys/list", post(list))
        .route("/portal/api-keys/revoke", post(revoke))
}

impl Fakes {
    /// A key of a session's account that works and ends next year.
    pub(crate) fn api_key(&self, session: &str, name: &str) -> ApiKeyView {
        let view = ApiKeyView {
            key_id: ApiKeyId::generate(),
            name: name.to_owned(),
            scopes: vec![control_api::api_keys::ApiKeyScope::Instance],
            state: ApiKeyState::Active,
            created_at: at("2026-11-18T11:00:00Z"),
            last_used_at: None,
            expires_at: at("2027-06-01T12:00:00Z"),
        };
        self.change_keys(session, |keys| keys.insert(0, view.clone()));
        view
    }

    /// Changes the keys of a session's account.
    pub(crate) fn change_keys(&self, session: &str, change: impl FnOnce(&mut Vec<ApiKeyView>)) {
        change(self.world().api_keys.entry(session.to_owned()).or_default());
    }
}

async fn create(
    State(fakes): State<Fakes>,
    Json(body): Json<CreateApiKeyRequest>,
) -> Answer<(StatusCode, Json<CreateApiKeyAnswer>)> {
    let session = body.session.expose();
    if !fakes.world().sessions.contains_key(session) {
        return Err(ended());
    }
    if body.name.is_empty() {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input");
        return Err(problem.field("name", "is needed"));
    }
    let mut view = fakes.api_key(session, &body.name);
    view.scopes = body.scopes.iter().map(|scope| scope.parse().expect("a scope")).collect();
    let days = i64::from(body.expires_in_days.expect("days"));
    view.expires_at = at(NOW) + jiff::SignedDuration::from_hours(days * 24);
    view.created_at = at(NOW);
    fakes.change_keys(session, |keys| keys[0] = view.clone());
    let key = WireSecret::from("bvr_dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    Ok((StatusCode::CREATED, Json(CreateApiKeyAnswer { key, api_key: view })))
}

async fn list(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> Answer<Json<ApiKeyList>> {
    let world = fakes.world();
    let session = body.session.expose();
    world.sessions.get(session).ok_or_else(ended)?;
    Ok(Json(ApiKeyList { api_keys: world.api_keys.get(session).cloned().unwrap_or_default() }))
}

async fn revoke(State(fakes): State<Fakes>, Json(body): Json<RevokeApiKeyRequest>) -> Answer<StatusCode> {
    let mut found = false;
    fakes.change_keys(body.session.expose(), |keys| {
        let before = keys.len();
        keys.retain(|key| key.key_id != body.key_id);
        found = keys.len() < before;
    });
    if found { Ok(StatusCode::NO_CONTENT) } else { Err(problem(404, codes::NOT_FOUND, "no such key")) }
}

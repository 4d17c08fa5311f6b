//! Clients of instances at the fake authz-service: one, `notes`, of alice's instance.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::codes;
use control_api::oauth::{
    ConsentView, OauthApproveRequest, OauthCheckRequest, OauthLogoutOutcome, OauthLogoutRequest, OauthOutcome,
};
use control_api::wire::WireSecret;
use service_kit::problem::Problem;

use super::{Answer, Fakes, ended, problem};

const CALLBACK: &str = "http://alice.localhost:8088/oauth/callback";

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/oauth/check", post(check))
        .route("/portal/oauth/approve", post(approve))
        .route("/portal/oauth/logout", post(logout))
}

fn is_known(query: &str) -> bool {
    query.split('&').any(|pair| pair == "client_id=notes")
}

fn stranger() -> Problem {
    problem(400, codes::CLIENT_INVALID, "The app that asks is not known here.")
}

fn back(parameters: &str) -> OauthOutcome {
    OauthOutcome::Redirect { to: WireSecret::new(format!("{CALLBACK}?{parameters}")) }
}

async fn check(
    State(fakes): State<Fakes>,
    Json(body): Json<OauthCheckRequest>,
) -> Answer<Json<OauthOutcome>> {
    if !is_known(&body.query) {
        return Err(stranger());
    }
    if body.query.contains("scope=admin") {
        return Ok(Json(back("error=invalid_scope&state=s")));
    }
    let session = body.session.filter(|secret| fakes.world().sessions.contains_key(secret.expose()));
    Ok(Json(match session {
        None => OauthOutcome::SignIn,
        Some(_) if body.query.contains("prompt=login") => {
            OauthOutcome::SignInAgain { client_name: "Notes <b>".to_owned() }
        }
        Some(_) => OauthOutcome::Consent(ConsentView {
            client_name: "Notes <b>".to_owned(),
            slug: "alice".parse().expect("a slug"),
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
        }),
    }))
}

async fn approve(
    State(fakes): State<Fakes>,
    Json(body): Json<OauthApproveRequest>,
) -> Answer<Json<OauthOutcome>> {
    if !is_known(&body.query) {
        return Err(stranger());
    }
    fakes.world().sessions.get(body.session.expose()).ok_or_else(ended)?;
    Ok(Json(back(if body.allow { "code=c&state=s" } else { "error=access_denied&state=s" })))
}

async fn logout(
    State(fakes): State<Fakes>,
    Json(body): Json<OauthLogoutRequest>,
) -> Answer<Json<OauthLogoutOutcome>> {
    if !body.query.is_empty() && !is_known(&body.query) {
        return Err(stranger());
    }
    let to = (!body.query.is_empty()).then(|| "http://alice.localhost:8088/".to_owned());
    let mut world = fakes.world();
    let secret = body.session.filter(|secret| world.sessions.contains_key(secret.expose()));
    Ok(Json(match secret {
        None => OauthLogoutOutcome::Done { to },
        Some(_) if !body.confirmed => OauthLogoutOutcome::Ask { client_name: to.map(|_| "Notes".to_owned()) },
        Some(secret) => {
            world.sessions.remove(secret.expose());
            OauthLogoutOutcome::Done { to }
        }
    }))
}

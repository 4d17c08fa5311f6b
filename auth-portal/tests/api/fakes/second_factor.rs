//! The second factor of the fake authz-service. One code is right: [`Fakes::CODE`].

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use control_api::authz::{LoginAccountAnswer, SessionRequest, UserView};
use control_api::codes;
use control_api::ids::{PasskeyId, UserId};
use control_api::passkeys::{
    AddPasskeyRequest, BeginPasskeyRequest, LoginOptions, LoginOptionsRequest, PasskeyOptions, PasskeyView,
    RemovePasskeyRequest,
};
use control_api::second_factor::{
    ChangeSecondFactorRequest, ConfirmTotpRequest, FinishLoginRequest, LoginOutcome, PendingLogin,
    RECOVERY_CODES, SecondFactorAnswer, SecondFactorView, TotpSetup,
};
use control_api::wire::WireSecret;
use http::StatusCode;
use serde_json::json;
use service_kit::problem::Problem;

use super::{Answer, Fakes, at, ended, problem};

pub(super) fn routes() -> Router<Fakes> {
    Router::new()
        .route("/portal/login/second", post(finish))
        .route("/portal/login/second/options", post(options))
        .route("/portal/passkeys/begin", post(begin_passkey))
        .route("/portal/passkeys", post(add_passkey))
        .route("/portal/passkeys/remove", post(remove_passkey))
        .route("/portal/second-factor", post(view))
        .route("/portal/second-factor/totp", post(begin))
        .route("/portal/second-factor/totp/confirm", post(confirm))
        .route("/portal/second-factor/totp/remove", post(remove))
        .route("/portal/second-factor/recovery-codes", post(renew_codes))
}

/// Passkeys by account.
#[derive(Default)]
pub(crate) struct FakePasskeys {
    pub(crate) of: BTreeMap<UserId, Vec<PasskeyView>>,
    /// At the portal's address.
    pub(crate) impossible: bool,
}

impl Fakes {
    /// What the authenticator shows.
    pub(crate) const CODE: &'static str = "492039";
    /// What the authenticator is shown.
    pub(crate) const TOTP_SECRET: &'static str = "MZXW6YTBOIQGK3TBNZRWKZDFMQ======";

    /// Gives an account a passkey.
    pub(crate) fn passkey(&self, user: &UserView, name: &str) {
        let passkey = PasskeyView {
            passkey_id: PasskeyId::generate(),
            name: name.to_owned(),
            created_at: at("2026-11-18T11:00:00Z"),
            last_used_at: Some(at("2026-11-21T11:00:00Z")),
        };
        self.world().passkeys.of.entry(user.user_id).or_default().push(passkey);
    }

    /// Turns the second factor of an account on.
    pub(crate) fn guard(&self, user: &UserView, recovery_codes: u32) {
        self.world().second_factors.insert(user.user_id, recovery_codes);
    }
}

/// The answer to a right password.
pub(super) fn asked(user: &UserView) -> LoginOutcome {
    let pending = WireSecret::new(format!("pending-sign-in-of-{}", user.username));
    LoginOutcome::SecondFactor(PendingLogin { pending, expires_in_s: 300 })
}

async fn finish(
    State(fakes): State<Fakes>,
    Json(body): Json<FinishLoginRequest>,
) -> Answer<Json<LoginAccountAnswer>> {
    let world = fakes.world();
    let name = body.pending.expose().trim_start_matches("pending-sign-in-of-");
    let found = world.sessions.iter().find(|(_, view)| view.user.username.as_str() == name);
    let (session, view) = found.ok_or_else(|| problem(401, codes::LOGIN_ENDED, "begin again"))?;
    let code = body.code.as_ref().map(WireSecret::expose);
    if code != Some(Fakes::CODE) && body.passkey.as_deref() != Some("signed") {
        return Err(problem(401, codes::SECOND_FACTOR_WRONG, "wrong"));
    }
    let session = WireSecret::new(session.clone());
    Ok(Json(LoginAccountAnswer { user_id: view.user.user_id, session, cookie_max_age_s: None }))
}

async fn view(
    State(fakes): State<Fakes>,
    Json(body): Json<SessionRequest>,
) -> Answer<Json<SecondFactorView>> {
    let world = fakes.world();
    let session = world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    let codes = world.second_factors.get(&session.user.user_id);
    Ok(Json(SecondFactorView {
        totp_since: codes.map(|_| at("2026-11-18T11:00:00Z")),
        passkeys: world.passkeys.of.get(&session.user.user_id).cloned().unwrap_or_default(),
        passkeys_possible: !world.passkeys.impossible,
        recovery_codes: codes.copied().unwrap_or_default(),
        needed: session.second_factor_needed,
        password_min: if codes.is_some() { 8 } else { world.settings.password_min },
    }))
}

async fn begin(State(fakes): State<Fakes>, Json(body): Json<SessionRequest>) -> Answer<Json<TotpSetup>> {
    let world = fakes.world();
    let session = world.sessions.get(body.session.expose()).ok_or_else(ended)?;
    if world.second_factors.contains_key(&session.user.user_id) {
        return Err(problem(409, codes::SECOND_FACTOR_ON, "on"));
    }
    let secret = Fakes::TOTP_SECRET.trim_end_matches('=');
    let uri = format!("otpauth://totp/Beaver:{}?secret={secret}", session.user.username);
    Ok(Json(TotpSetup { secret: secret.into(), uri: WireSecret::new(uri) }))
}

async fn options(
    State(fakes): State<Fakes>,
    Json(body): Json<LoginOptionsRequest>,
) -> Answer<Json<LoginOptions>> {
    let world = fakes.world();
    let name = body.pending.expose().trim_start_matches("pending-sign-in-of-");
    let found = world.people.iter().find(|(person, _, _)| person == name);
    let (_, _, user) = found.ok_or_else(|| problem(401, codes::LOGIN_ENDED, "begin again"))?;
    let has_passkey = world.passkeys.of.contains_key(&user.user_id);
    let passkey = has_passkey.then(|| PasskeyOptions { options: json!({"challenge": "a-\"challenge\""}) });
    Ok(Json(LoginOptions { totp: world.second_factors.contains_key(&user.user_id), passkey }))
}

async fn begin_passkey(
    State(fakes): State<Fakes>,
    Json(body): Json<BeginPasskeyRequest>,
) -> Answer<Json<PasskeyOptions>> {
    let code = body.code.unwrap_or_else(|| Fakes::CODE.into());
    proven(&fakes, &body.session, &code, &body.current_password).map_err(|problem| *problem)?;
    Ok(Json(PasskeyOptions { options: json!({"challenge": "a-\"challenge\""}) }))
}

async fn add_passkey(
    State(fakes): State<Fakes>,
    Json(body): Json<AddPasskeyRequest>,
) -> Answer<Json<SecondFactorAnswer>> {
    if body.credential != "made" {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input");
        return Err(problem.field("credential", "is not believed"));
    }
    let user = fakes.world().sessions.get(body.session.expose()).ok_or_else(ended)?.user.clone();
    let is_first = !fakes.world().passkeys.of.contains_key(&user.user_id);
    fakes.passkey(&user, &body.name);
    Ok(Json(renewed(&fakes, &body.session, is_first)))
}

async fn remove_passkey(
    State(fakes): State<Fakes>,
    Json(body): Json<RemovePasskeyRequest>,
) -> Answer<Json<SecondFactorAnswer>> {
    let user =
        proven(&fakes, &body.session, &body.code, &body.current_password).map_err(|problem| *problem)?;
    fakes.world().passkeys.of.remove(&user.user_id);
    Ok(Json(renewed(&fakes, &body.session, false)))
}

async fn confirm(
    State(fakes): State<Fakes>,
    Json(body): Json<ConfirmTotpRequest>,
) -> Answer<Json<SecondFactorAnswer>> {
    let user =
        proven(&fakes, &body.session, &body.code, &body.current_password).map_err(|problem| *problem)?;
    fakes.guard(&user, 10);
    Ok(Json(renewed(&fakes, &body.session, true)))
}

async fn renew_codes(
    State(fakes): State<Fakes>,
    Json(body): Json<ChangeSecondFactorRequest>,
) -> Answer<Json<SecondFactorAnswer>> {
    let user =
        proven(&fakes, &body.session, &body.code, &body.current_password).map_err(|problem| *problem)?;
    fakes.guard(&user, 10);
    Ok(Json(renewed(&fakes, &body.session, true)))
}

async fn remove(
    State(fakes): State<Fakes>,
    Json(body): Json<ChangeSecondFactorRequest>,
) -> Answer<Json<SecondFactorAnswer>> {
    let user =
        proven(&fakes, &body.session, &body.code, &body.current_password).map_err(|problem| *problem)?;
    fakes.world().second_factors.remove(&user.user_id);
    Ok(Json(renewed(&fakes, &body.session, false)))
}

/// Whose it is, where both are right.
fn proven(
    fakes: &Fakes,
    session: &WireSecret,
    code: &WireSecret,
    password: &WireSecret,
) -> Result<UserView, Box<Problem>> {
    let refuse = |field, fault| {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_INPUT, "Bad input");
        Box::new(problem.field(field, fault))
    };
    let ended = || Box::new(ended());
    let world = fakes.world();
    let user = world.sessions.get(session.expose()).ok_or_else(ended)?.user.clone();
    let person = world.people.iter().find(|(_, _, person)| *person == user).ok_or_else(ended)?;
    if person.1 != password.expose() {
        return Err(refuse("current_password", "is not your password"));
    }
    if code.expose() != Fakes::CODE {
        return Err(refuse("code", "is wrong"));
    }
    Ok(user)
}

/// The session goes on as `renewed-...`.
fn renewed(fakes: &Fakes, session: &WireSecret, with_codes: bool) -> SecondFactorAnswer {
    let mut world = fakes.world();
    let mut view = world.sessions.remove(session.expose()).expect("a session");
    view.second_factor_needed = false;
    let session = format!("renewed-{}", session.expose());
    world.sessions.insert(session.clone(), view);
    let codes = if with_codes { RECOVERY_CODES } else { 0 };
    let recovery_codes = (0..codes).map(|n| WireSecret::new(format!("abcd-efgh-jkmn-pqr{n}"))).collect();
    SecondFactorAnswer { session: WireSecret::new(session), cookie_max_age_s: Some(1000), recovery_codes }
}

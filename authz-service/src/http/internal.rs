//! Routes of the operator's scripts and of deploy-control. Internal token; no throttle.

use axum::Json;
use axum::extract::State;
use control_api::authz::{
    CreateAccountAnswer, CreateAccountRequest, RegistrationTokenAnswer, RegistrationTokenRequest, Role,
    SetRoleRequest,
};
use control_api::ids::{InstanceId, UserId};
use control_api::mail::ResetLinkAnswer;
use control_api::names::Username;
use control_api::people::{Standing, SuspendRequest};
use control_api::wire::WireSecret;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::clock::from_millis;
use utoipa::ToSchema;

use super::Routes;
use super::extract::{Body, Id, Params};
use super::openapi::ProblemBody;
use crate::authz::Shared;
use crate::error::Error;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/internal/accounts", create_account)
        .get("/internal/accounts", accounts)
        .post("/internal/accounts/{id}/approve", approve)
        .post("/internal/accounts/{id}/role", set_role)
        .post("/internal/accounts/{id}/suspend", suspend)
        .post("/internal/accounts/{id}/lift", lift)
        .delete("/internal/accounts/{id}", delete_account)
        .post("/internal/accounts/{id}/reset-link", reset_link)
        .post("/internal/invites", invite)
        .post("/internal/registration-tokens", registration_token)
        .delete("/internal/instances/{id}", forget_instance)
}

/// Query of `GET /internal/accounts`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AccountsQuery {
    username: Option<String>,
    state: Option<Standing>,
}

/// Answer of `GET /internal/accounts`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountList {
    /// In the order of their ids; at most 500.
    accounts: Vec<AccountView>,
}

/// An account as the operator sees it.
#[derive(Debug, Serialize, ToSchema)]
struct AccountView {
    user_id: UserId,
    username: Username,
    email: String,
    state: Standing,
    role: Role,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Answer of `POST /internal/invites`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InviteAnswer {
    /// For the form's `invite` field; works once. Shown this once.
    code: WireSecret,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Makes an account, whatever the registration mode. No instance is ordered.
#[utoipa::path(post, path = "/internal/accounts", tag = "internal", security(("internal" = [])),
    request_body = CreateAccountRequest,
    responses(
        (status = 201, body = CreateAccountAnswer),
        (status = 401, body = ProblemBody),
        (status = 409, body = ProblemBody),
        (status = 422, body = ProblemBody),
        (status = 503, body = ProblemBody),
    ))]
pub(super) async fn create_account(
    State(authz): State<Shared>,
    Body(request): Body<CreateAccountRequest>,
) -> Result<(StatusCode, Json<CreateAccountAnswer>), Error> {
    authz.create_account(&request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// Accounts, filtered by name and state.
#[utoipa::path(get, path = "/internal/accounts", tag = "internal", security(("internal" = [])),
    params(
        ("username" = Option<String>, Query, description = "Only the account of this name"),
        ("state" = Option<String>, Query, description = "`active`, `pending_approval` or `suspended`"),
    ),
    responses((status = 200, body = AccountList), (status = 401, body = ProblemBody)))]
pub(super) async fn accounts(
    State(authz): State<Shared>,
    Params(query): Params<AccountsQuery>,
) -> Result<Json<AccountList>, Error> {
    let username = query.username.map(|name| name.trim().to_lowercase());
    let found = authz.store.accounts(username.as_deref(), query.state).await?;
    let accounts = found
        .into_iter()
        .map(|account| AccountView {
            user_id: account.user_id,
            username: account.username,
            email: account.email,
            state: account.state,
            role: account.role,
            created_at: from_millis(account.created_at),
        })
        .collect();
    Ok(Json(AccountList { accounts }))
}

/// Lets an account in that waits for approval, and orders its instance. 204 also for one that is active.
#[utoipa::path(post, path = "/internal/accounts/{id}/approve", tag = "internal", security(("internal" = [])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 204), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(super) async fn approve(State(authz): State<Shared>, Id(id): Id<UserId>) -> Result<StatusCode, Error> {
    authz.approve(id).await.map(|()| StatusCode::NO_CONTENT)
}

/// Sets what an account may do; it holds at the next request of its sessions. 204 also where it is so already.
#[utoipa::path(post, path = "/internal/accounts/{id}/role", tag = "internal", security(("internal" = [])),
    params(("id" = String, Path, description = "The account's id")),
    request_body = SetRoleRequest,
    responses(
        (status = 204),
        (status = 400, body = ProblemBody),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody),
    ))]
pub(super) async fn set_role(
    State(authz): State<Shared>,
    Id(id): Id<UserId>,
    Body(request): Body<SetRoleRequest>,
) -> Result<StatusCode, Error> {
    authz.set_role(id, request.role).await.map(|()| StatusCode::NO_CONTENT)
}

/// Shuts an account out: its sessions, keys, tokens and connections end at once. 204 also where it is so already.
#[utoipa::path(post, path = "/internal/accounts/{id}/suspend", tag = "internal", security(("internal" = [])),
    params(("id" = String, Path, description = "The account's id")),
    request_body = SuspendRequest,
    responses(
        (status = 204),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody),
        (status = 422, body = ProblemBody, description = "`reason` is missing or too long"),
    ))]
pub(super) async fn suspend(
    State(authz): State<Shared>,
    Id(id): Id<UserId>,
    Body(request): Body<SuspendRequest>,
) -> Result<StatusCode, Error> {
    authz.suspend(id, &request.reason).await.map(|()| StatusCode::NO_CONTENT)
}

/// Lets a suspended account in again. 204 also where it is so already.
#[utoipa::path(post, path = "/internal/accounts/{id}/lift", tag = "internal", security(("internal" = [])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 204), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(super) async fn lift(State(authz): State<Shared>, Id(id): Id<UserId>) -> Result<StatusCode, Error> {
    authz.lift(id).await.map(|()| StatusCode::NO_CONTENT)
}

/// Removes an account for good; its instance and the data follow as soon as deploy-control can be reached.
#[utoipa::path(delete, path = "/internal/accounts/{id}", tag = "internal", security(("internal" = [])),
    params(("id" = String, Path, description = "The account's id")),
    responses((status = 204), (status = 401, body = ProblemBody), (status = 404, body = ProblemBody)))]
pub(super) async fn delete_account(
    State(authz): State<Shared>,
    Id(id): Id<UserId>,
) -> Result<StatusCode, Error> {
    authz.delete_account(id).await.map(|()| StatusCode::NO_CONTENT)
}

/// A link to a new password, for whoever has no mail: once, for 30 minutes, in place of any before.
#[utoipa::path(post, path = "/internal/accounts/{id}/reset-link", tag = "internal", security(("internal" = [])),
    params(("id" = String, Path, description = "The account's id")),
    responses(
        (status = 201, body = ResetLinkAnswer),
        (status = 401, body = ProblemBody),
        (status = 404, body = ProblemBody),
    ))]
pub(super) async fn reset_link(
    State(authz): State<Shared>,
    Id(id): Id<UserId>,
) -> Result<(StatusCode, Json<ResetLinkAnswer>), Error> {
    authz.reset_link(id).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// Makes an invite: single use, 72 hours.
#[utoipa::path(post, path = "/internal/invites", tag = "internal", security(("internal" = [])),
    responses((status = 201, body = InviteAnswer), (status = 401, body = ProblemBody)))]
pub(super) async fn invite(State(authz): State<Shared>) -> Result<(StatusCode, Json<InviteAnswer>), Error> {
    let (code, expires_at) = authz.invite().await?;
    Ok((StatusCode::CREATED, Json(InviteAnswer { code, expires_at })))
}

/// A registration token for an instance, in place of any older one. Tells who owns the instance.
#[utoipa::path(post, path = "/internal/registration-tokens", tag = "internal", security(("internal" = [])),
    request_body = RegistrationTokenRequest,
    responses((status = 201, body = RegistrationTokenAnswer), (status = 401, body = ProblemBody)))]
pub(super) async fn registration_token(
    State(authz): State<Shared>,
    Body(request): Body<RegistrationTokenRequest>,
) -> Result<(StatusCode, Json<RegistrationTokenAnswer>), Error> {
    authz.registration_token(&request).await.map(|answer| (StatusCode::CREATED, Json(answer)))
}

/// Voids all tokens, clients and codes of an instance that is gone. 204 also for an unknown one.
#[utoipa::path(delete, path = "/internal/instances/{id}", tag = "internal", security(("internal" = [])),
    params(("id" = String, Path, description = "The instance's id")),
    responses((status = 204), (status = 401, body = ProblemBody)))]
pub(super) async fn forget_instance(
    State(authz): State<Shared>,
    Id(id): Id<InstanceId>,
) -> Result<StatusCode, Error> {
    authz.forget_instance(id).await.map(|()| StatusCode::NO_CONTENT)
}

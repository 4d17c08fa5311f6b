//! Making the first administrator: bodies of authz-service's routes, and the calls to them.

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authz::{RegisterAccountAnswer, RegisterAccountRequest};
use crate::authz_client::{AuthzClient, PASSWORD_TIMEOUT};
use crate::client::ApiError;
use crate::wire::WireSecret;

/// Body of `POST /portal/setup`: an account like any other, and the code that makes it an administrator's. Answers
/// 201 as `POST /portal/register` does; 403 `setup-closed` once there was an administrator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FirstAdminRequest {
    /// From the operator; works once.
    pub code: WireSecret,
    /// The account; an invite in it is not looked at.
    #[serde(flatten)]
    pub account: RegisterAccountRequest,
}

/// Answer of `POST /internal/setup-code`: 201. 403 `setup-closed` once there was an administrator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SetupCodeAnswer {
    /// Works once; shown this once. The one before is void.
    pub code: WireSecret,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// Answer of `GET /internal/setup-code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetupView {
    /// Whether there was no administrator yet.
    pub open: bool,
    /// Until when the code lives that was made last; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub code_expires_at: Option<Timestamp>,
}

impl AuthzClient {
    /// Makes the first administrator, a session and the order for an instance.
    pub async fn first_admin(&self, body: &FirstAdminRequest) -> Result<RegisterAccountAnswer, ApiError> {
        let request = self.api().request(Method::POST, "/portal/setup");
        self.api().json(request.timeout(PASSWORD_TIMEOUT).json(body)).await
    }
}

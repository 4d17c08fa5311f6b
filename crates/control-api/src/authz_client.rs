//! Typed client of authz-service: for the portal and deploy-control with the internal token, for the router
//! with the router's.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use reqwest::Client;
use service_kit::secret::Secret;
use url::Url;

use crate::api_keys::{
    ApiKeyIntrospection, ApiKeyList, CreateApiKeyAnswer, CreateApiKeyRequest, IntrospectApiKeyRequest,
    RevokeApiKeyRequest,
};
use crate::authz::{
    AppTokenRequest, HandoffAnswer, HandoffRequest, OrderInstanceRequest, PortalSettings, ProvisioningView,
    RedeemRequest, RegisterAccountAnswer, RegisterAccountRequest, RegistrationTokenAnswer,
    RegistrationTokenRequest, Revocations, RevocationsQuery, SessionRequest, SessionView, TokenSet,
};
use crate::client::{ApiClient, ApiError};
use crate::ids::InstanceId;
use crate::oauth::{
    OauthApproveRequest, OauthCheckRequest, OauthLogoutOutcome, OauthLogoutRequest, OauthOutcome,
};

/// Hashing a password queues behind others.
pub(crate) const PASSWORD_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls authz-service with a token.
#[derive(Clone, Debug)]
pub struct AuthzClient(pub(crate) ApiClient);

impl AuthzClient {
    /// A client for authz-service at `base`.
    pub fn new(http: Client, base: Url, token: Secret<String>) -> Self {
        Self(ApiClient::new(http, "authz-service", base, token))
    }

    /// For the calls that stand beside their bodies.
    pub(crate) fn api(&self) -> &ApiClient {
        &self.0
    }

    /// What the sign-up form has to say.
    pub async fn settings(&self) -> Result<PortalSettings, ApiError> {
        self.0.get("/portal/settings").await
    }

    /// Makes an account, a session and the order for an instance.
    pub async fn register(&self, body: &RegisterAccountRequest) -> Result<RegisterAccountAnswer, ApiError> {
        self.0
            .json(self.0.request(Method::POST, "/portal/register").timeout(PASSWORD_TIMEOUT).json(body))
            .await
    }

    /// Whose session it is.
    pub async fn session(&self, body: &SessionRequest) -> Result<SessionView, ApiError> {
        self.0.post("/portal/session", body).await
    }

    /// Ends a session.
    pub async fn logout(&self, body: &SessionRequest) -> Result<(), ApiError> {
        self.0.post_empty("/portal/logout", body).await
    }

    /// Orders the session's instance again.
    pub async fn order_instance(&self, body: &OrderInstanceRequest) -> Result<ProvisioningView, ApiError> {
        self.0.post("/portal/provisioning", body).await
    }

    /// A one-time code for the session's user at an instance.
    pub async fn handoff(&self, body: &HandoffRequest) -> Result<HandoffAnswer, ApiError> {
        self.0.post("/portal/handoff", body).await
    }

    /// What to do with an authorization request.
    pub async fn oauth_check(&self, body: &OauthCheckRequest) -> Result<OauthOutcome, ApiError> {
        self.0.post("/portal/oauth/check", body).await
    }

    /// What the person decided about an authorization request.
    pub async fn oauth_approve(&self, body: &OauthApproveRequest) -> Result<OauthOutcome, ApiError> {
        self.0.post("/portal/oauth/approve", body).await
    }

    /// A client asks that the person is signed out.
    pub async fn oauth_logout(&self, body: &OauthLogoutRequest) -> Result<OauthLogoutOutcome, ApiError> {
        self.0.post("/portal/oauth/logout", body).await
    }

    /// The keys of the session's user.
    pub async fn api_keys(&self, body: &SessionRequest) -> Result<ApiKeyList, ApiError> {
        self.0.post("/portal/api-keys/list", body).await
    }

    /// Makes an API key.
    pub async fn create_api_key(&self, body: &CreateApiKeyRequest) -> Result<CreateApiKeyAnswer, ApiError> {
        self.0.post("/portal/api-keys", body).await
    }

    /// Ends an API key for good.
    pub async fn revoke_api_key(&self, body: &RevokeApiKeyRequest) -> Result<(), ApiError> {
        self.0.post_empty("/portal/api-keys/revoke", body).await
    }

    /// A registration token for an instance; tells authz-service the owner.
    pub async fn registration_token(
        &self,
        body: &RegistrationTokenRequest,
    ) -> Result<RegistrationTokenAnswer, ApiError> {
        self.0.post("/internal/registration-tokens", body).await
    }

    /// Voids all tokens of an instance that is gone. No error when it is unknown.
    pub async fn forget_instance(&self, id: InstanceId) -> Result<(), ApiError> {
        self.0.send(self.0.request(Method::DELETE, &format!("/internal/instances/{id}"))).await.map(drop)
    }

    /// Redeems a code; with the router's token.
    pub async fn redeem(&self, body: &RedeemRequest) -> Result<TokenSet, ApiError> {
        self.0.post("/router/redeem", body).await
    }

    /// New tokens for a session that goes on; with the router's token.
    pub async fn renew(&self, body: &AppTokenRequest) -> Result<TokenSet, ApiError> {
        self.0.post("/router/renew", body).await
    }

    /// Ends the session behind an app token; with the router's token.
    pub async fn router_logout(&self, body: &AppTokenRequest) -> Result<(), ApiError> {
        self.0.post_empty("/router/logout", body).await
    }

    /// Whether a key opens an instance; with the router's token.
    pub async fn introspect_api_key(
        &self,
        body: &IntrospectApiKeyRequest,
    ) -> Result<ApiKeyIntrospection, ApiError> {
        self.0.post("/router/api-key", body).await
    }

    /// Waits for revocations; with the router's token.
    pub async fn revocations(&self, query: RevocationsQuery) -> Result<Revocations, ApiError> {
        let timeout = Duration::from_secs(u64::from(query.wait_s) + 10);
        self.0.json(self.0.request(Method::GET, "/router/revocations").query(&query).timeout(timeout)).await
    }

    /// The public keys as text (RFC 7517).
    pub async fn jwks(&self) -> Result<String, ApiError> {
        let response = self.0.send(self.0.request(Method::GET, "/.well-known/jwks.json")).await?;
        response.text().await.map_err(|error| ApiError::Unreachable {
            service: "authz-service",
            reason: error.without_url().to_string(),
        })
    }

    /// What time it is there, to the second; `None` where it does not say (RFC 9110, section 6.6.1).
    pub async fn server_time(&self) -> Result<Option<Timestamp>, ApiError> {
        let response = self.0.send(self.0.request(Method::GET, "/health/live")).await?;
        let date = response.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| {
            let parsed = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S GMT", date).ok()?;
            Some(parsed.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        }))
    }

    /// Whether it is ready.
    pub async fn ready(&self) -> Result<(), ApiError> {
        self.0
            .send(self.0.request(Method::GET, "/health/ready").timeout(Duration::from_secs(2)))
            .await
            .map(drop)
    }
}

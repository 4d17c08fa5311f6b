//! Typed client of deploy-control.

use std::time::Duration;

use http::Method;
use reqwest::{Client, Response};
use service_kit::secret::Secret;
use url::Url;

use crate::client::{ApiClient, ApiError};
use crate::deploy::{
    ActivityReport, ConfigureProviderRequest, EventList, InstanceList, InstanceView, ListQuery,
    OperationAnswer, OperationView, RegisterAnswer, RegisterRequest, ResolveRequest, StatsView, WakeAnswer,
};
use crate::ids::{InstanceId, OperationId};
use crate::names::Slug;

/// A restart until ready, with room for the deadline that deploy-control sets itself.
const CONFIGURE_TIMEOUT: Duration = Duration::from_secs(90);

/// No operation's deadline is longer than this.
const FOLLOW_TIMEOUT: Duration = Duration::from_mins(10);

/// Calls deploy-control with a token.
#[derive(Clone, Debug)]
pub struct DeployClient(ApiClient);

impl DeployClient {
    /// A client for deploy-control at `base`.
    pub fn new(http: Client, base: Url, token: Secret<String>) -> Self {
        Self(ApiClient::new(http, "deploy-control", base, token))
    }

    /// Orders an instance and returns at once (`Prefer: respond-async`).
    pub async fn register(&self, body: &RegisterRequest) -> Result<RegisterAnswer, ApiError> {
        let request =
            self.0.request(Method::POST, "/api/instances/register").header("prefer", "respond-async");
        self.0.json(request.json(body)).await
    }

    /// Finds an instance, and wakes it unless told otherwise.
    pub async fn resolve(&self, body: &ResolveRequest) -> Result<InstanceView, ApiError> {
        self.0.post("/api/instances/resolve", body).await
    }

    /// Sets the provider, restarts the instance and waits until it is ready again.
    pub async fn configure_provider(
        &self,
        body: &ConfigureProviderRequest,
    ) -> Result<InstanceView, ApiError> {
        let request =
            self.0.request(Method::POST, "/api/instances/configure-provider").timeout(CONFIGURE_TIMEOUT);
        self.0.json(request.json(body)).await
    }

    /// One page of instances.
    pub async fn list(&self, query: &ListQuery) -> Result<InstanceList, ApiError> {
        self.0.json(self.0.request(Method::GET, "/api/instances").query(query)).await
    }

    /// One instance.
    pub async fn instance(&self, id: InstanceId) -> Result<InstanceView, ApiError> {
        self.0.get(&format!("/api/instances/{id}")).await
    }

    /// `start`, `stop`, `restart`, `sleep`, `upgrade` or `rollback`.
    pub async fn act(&self, id: InstanceId, action: &str) -> Result<OperationAnswer, ApiError> {
        self.0.json(self.0.request(Method::POST, &format!("/api/instances/{id}/{action}"))).await
    }

    /// Removes an instance, with its data where `purge` is set.
    pub async fn delete(&self, id: InstanceId, purge: bool) -> Result<OperationAnswer, ApiError> {
        let request = self.0.request(Method::DELETE, &format!("/api/instances/{id}"));
        self.0.json(request.query(&[("purge", purge)])).await
    }

    /// What it uses now.
    pub async fn stats(&self, id: InstanceId) -> Result<StatsView, ApiError> {
        self.0.get(&format!("/api/instances/{id}/stats")).await
    }

    /// The newest entries of its reason ledger.
    pub async fn events(&self, id: InstanceId) -> Result<EventList, ApiError> {
        self.0.get(&format!("/api/instances/{id}/events")).await
    }

    /// One operation.
    pub async fn operation(&self, id: OperationId) -> Result<OperationView, ApiError> {
        self.0.get(&format!("/api/operations/{id}")).await
    }

    /// One operation as server-sent events: the response's body streams until the operation has ended.
    pub async fn follow_operation(&self, id: OperationId) -> Result<Response, ApiError> {
        let request = self.0.request(Method::GET, &format!("/api/operations/{id}"));
        self.0.send(request.header("accept", "text/event-stream").timeout(FOLLOW_TIMEOUT)).await
    }

    /// Wakes the instance of a slug; with the router's token.
    pub async fn wake(&self, slug: &Slug) -> Result<WakeAnswer, ApiError> {
        self.0.json(self.0.request(Method::POST, &format!("/api/routes/{slug}/wake"))).await
    }

    /// Reports use; with the router's token.
    pub async fn report_activity(&self, report: &ActivityReport) -> Result<(), ApiError> {
        self.0.post_empty("/api/routes/activity", report).await
    }

    /// Whether it is ready.
    pub async fn ready(&self) -> Result<(), ApiError> {
        self.0
            .send(self.0.request(Method::GET, "/health/ready").timeout(Duration::from_secs(2)))
            .await
            .map(drop)
    }
}

//! Typed client of deploy-control.

use std::time::Duration;

use http::Method;
use reqwest::{Client, Response};
use service_kit::secret::Secret;
use url::Url;

use crate::client::{ApiClient, ApiError};
use crate::deploy::{
    ActivityReport, Asker, ConfigureProviderRequest, EventList, EventsQuery, HealthView, InstanceList,
    InstanceView, KeepAwakeRequest, ListQuery, OnBehalf, OperationAnswer, OperationView, OverviewView,
    OwnerRemoval, ProbeAnswer, PullAnswer, PullRequest, RegisterAnswer, RegisterRequest, ResolveRequest,
    StatsView, WakeAnswer,
};
use crate::doctor::DoctorReport;
use crate::ids::{InstanceId, OperationId, RolloutId, UserId};
use crate::names::Slug;
use crate::rollout::{RolloutList, RolloutRequest, RolloutView};
use crate::snapshot::{RollbackRequest, SnapshotList};

/// A restart until ready, with room for the deadline that deploy-control sets itself.
const CONFIGURE_TIMEOUT: Duration = Duration::from_secs(90);

/// A look at everything, with containers for the proof of the isolation.
const DOCTOR_TIMEOUT: Duration = Duration::from_mins(2);

/// For much data and a slow reader.
const ARCHIVE_TIMEOUT: Duration = Duration::from_hours(6);

/// No operation's deadline is longer than this.
const FOLLOW_TIMEOUT: Duration = Duration::from_mins(10);

/// Two containers are started, and each address that must not answer is waited for.
const PROBE_TIMEOUT: Duration = Duration::from_secs(90);

/// More of a log is not read.
const MAX_LOG_BYTES: usize = 256 * 1024;

/// Calls deploy-control with a token.
#[derive(Clone, Debug)]
pub struct DeployClient(ApiClient);

impl DeployClient {
    /// A client for deploy-control at `base`.
    pub fn new(http: Client, base: Url, token: Secret<String>) -> Self {
        Self(ApiClient::new(http, "deploy-control", base, token))
    }

    /// For the calls that stand beside their bodies.
    pub(crate) fn api(&self) -> &ApiClient {
        &self.0
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

    /// The same because its owner asks for it; not for `rollback`.
    pub async fn act_for_owner(&self, id: InstanceId, action: &str) -> Result<OperationAnswer, ApiError> {
        let request = self.0.request(Method::POST, &format!("/api/instances/{id}/{action}"));
        self.0.json(request.query(&OnBehalf { actor: Asker::User })).await
    }

    /// Goes back to an image from before, with the data of then where that is asked for.
    pub async fn roll_back(
        &self,
        id: InstanceId,
        body: &RollbackRequest,
    ) -> Result<OperationAnswer, ApiError> {
        self.0.post(&format!("/api/instances/{id}/rollback"), body).await
    }

    /// The snapshots of an instance's data, newest first.
    pub async fn snapshots(&self, id: InstanceId) -> Result<SnapshotList, ApiError> {
        self.0.get(&format!("/api/instances/{id}/snapshots")).await
    }

    /// Removes an instance, with its data where `purge` is set.
    pub async fn delete(&self, id: InstanceId, purge: bool) -> Result<OperationAnswer, ApiError> {
        let request = self.0.request(Method::DELETE, &format!("/api/instances/{id}"));
        self.0.json(request.query(&[("purge", purge)])).await
    }

    /// The same because its owner asks for it.
    pub async fn delete_for_owner(&self, id: InstanceId, purge: bool) -> Result<OperationAnswer, ApiError> {
        let request = self.0.request(Method::DELETE, &format!("/api/instances/{id}"));
        let request = request.query(&[("purge", purge)]).query(&OnBehalf { actor: Asker::User });
        self.0.json(request).await
    }

    /// Removes all that an owner has, the data with it; to be asked until nothing is left.
    pub async fn remove_owner(&self, id: UserId) -> Result<OwnerRemoval, ApiError> {
        self.0.json(self.0.request(Method::DELETE, &format!("/api/owners/{id}"))).await
    }

    /// Pulls an image: the one of that name, or that of new instances.
    pub async fn pull_image(&self, body: &PullRequest) -> Result<PullAnswer, ApiError> {
        self.0.json(self.0.request(Method::POST, "/api/images/pull").json(body)).await
    }

    /// Keeps it awake for so many hours from now, 1 to 168.
    pub async fn keep_awake(&self, id: InstanceId, hours: u8) -> Result<InstanceView, ApiError> {
        let request = self.0.request(Method::PUT, &format!("/api/instances/{id}/keep-awake"));
        self.0.json(request.json(&KeepAwakeRequest { hours })).await
    }

    /// Keeps it awake no longer.
    pub async fn end_keep_awake(&self, id: InstanceId) -> Result<InstanceView, ApiError> {
        self.0.json(self.0.request(Method::DELETE, &format!("/api/instances/{id}/keep-awake"))).await
    }

    /// Keeps it awake for so many hours from now, or no longer, because its owner asks for it.
    pub async fn keep_awake_for_owner(
        &self,
        id: InstanceId,
        hours: Option<u8>,
    ) -> Result<InstanceView, ApiError> {
        let path = format!("/api/instances/{id}/keep-awake");
        let request = match hours {
            Some(hours) => self.0.request(Method::PUT, &path).json(&KeepAwakeRequest { hours }),
            None => self.0.request(Method::DELETE, &path),
        };
        self.0.json(request.query(&OnBehalf { actor: Asker::User })).await
    }

    /// What it uses now.
    pub async fn stats(&self, id: InstanceId) -> Result<StatsView, ApiError> {
        self.0.get(&format!("/api/instances/{id}/stats")).await
    }

    /// The newest entries of its reason ledger.
    pub async fn events(&self, id: InstanceId) -> Result<EventList, ApiError> {
        self.0.get(&format!("/api/instances/{id}/events")).await
    }

    /// A part of its reason ledger, newest first.
    pub async fn events_page(&self, id: InstanceId, query: EventsQuery) -> Result<EventList, ApiError> {
        self.0.json(self.0.request(Method::GET, &format!("/api/instances/{id}/events")).query(&query)).await
    }

    /// The last `tail` lines of its output. An app's output is a stranger's.
    pub async fn logs(&self, id: InstanceId, tail: u32) -> Result<String, ApiError> {
        let request = self.0.request(Method::GET, &format!("/api/instances/{id}/logs"));
        let response = self.0.send(request.query(&[("tail", tail)])).await?;
        self.0.text(response, MAX_LOG_BYTES).await
    }

    /// What lies in its `data/`, as a ZIP archive; the body streams.
    pub async fn data(&self, id: InstanceId) -> Result<Response, ApiError> {
        let request = self.0.request(Method::GET, &format!("/api/instances/{id}/data"));
        self.0.send(request.timeout(ARCHIVE_TIMEOUT)).await
    }

    /// How many instances there are, and what is at work.
    pub async fn overview(&self) -> Result<OverviewView, ApiError> {
        self.0.get("/api/overview").await
    }

    /// Its checks in words.
    pub async fn health(&self) -> Result<HealthView, ApiError> {
        self.0.get("/health").await
    }

    /// Proves the isolation again, now.
    pub async fn prove_isolation(&self) -> Result<ProbeAnswer, ApiError> {
        self.0.json(self.0.request(Method::POST, "/api/isolation/probe").timeout(PROBE_TIMEOUT)).await
    }

    /// Asks for an operation to be called off.
    pub async fn cancel(&self, id: OperationId) -> Result<OperationView, ApiError> {
        self.0.json(self.0.request(Method::DELETE, &format!("/api/operations/{id}"))).await
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

    /// What is wrong with the installation; with `probe` its isolation is proven anew first.
    pub async fn doctor(&self, probe: bool) -> Result<DoctorReport, ApiError> {
        let request = self.0.request(Method::GET, "/api/doctor").query(&[("probe", probe)]);
        self.0.json(request.timeout(DOCTOR_TIMEOUT)).await
    }

    /// Begins a rollout.
    pub async fn roll_out(&self, body: &RolloutRequest) -> Result<RolloutView, ApiError> {
        self.0.post("/api/rollouts", body).await
    }

    /// The newest rollouts, newest first.
    pub async fn rollouts(&self) -> Result<RolloutList, ApiError> {
        self.0.get("/api/rollouts").await
    }

    /// One rollout, with its instances.
    pub async fn rollout(&self, id: RolloutId) -> Result<RolloutView, ApiError> {
        self.0.get(&format!("/api/rollouts/{id}")).await
    }

    /// Calls a rollout off: what runs comes to its end, nothing new begins.
    pub async fn cancel_rollout(&self, id: RolloutId) -> Result<RolloutView, ApiError> {
        self.0.json(self.0.request(Method::DELETE, &format!("/api/rollouts/{id}"))).await
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

//! What administrators set in deploy-control while it runs: bodies of its routes, and the calls to them. Values are
//! written as in `.env`: `256m`, `0.5`, `30m`, `off`.

use http::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::client::ApiError;
use crate::deploy_client::DeployClient;
use crate::ids::UserId;
use crate::names::Username;

/// The values. An absent one is as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceSettings {
    /// Idle time until an instance is put to sleep: from `1m` to `720h`, or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_sleep: Option<String>,
    /// Idle time until it is frozen, a step before: shorter than `idle_sleep`, or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_pause: Option<String>,
    /// Memory of an instance: from `16m` to that of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Cores of an instance: from `0.01` to those of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<String>,
    /// Processes and threads of an instance: from `8` to `32768`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pids: Option<String>,
    /// Disk of an instance: from `16m` to `16384g`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
}

/// Who changes the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Administrator {
    /// The account.
    pub user_id: UserId,
    /// Its name now.
    pub name: Username,
}

/// Answer of `GET /api/settings` and of the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeploySettingsView {
    /// Grows with each change; give it back with yours.
    pub version: i64,
    /// What the environment says, all of it.
    pub configured: InstanceSettings,
    /// What was set in its place.
    pub chosen: InstanceSettings,
    /// When it was changed last; absent where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Timestamp>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<Administrator>,
}

/// Body of `PUT /api/settings`: all of it at once. 409 `changed-meanwhile` where the version is not the current one,
/// 422 with `errors` by field.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChangeDeploySettings {
    /// That of the settings which were looked at.
    pub version: i64,
    /// Who changes them.
    pub actor: Administrator,
    /// The values.
    pub chosen: InstanceSettings,
}

impl DeployClient {
    /// The settings of instances.
    pub async fn settings(&self) -> Result<DeploySettingsView, ApiError> {
        self.api().get("/api/settings").await
    }

    /// Changes them.
    pub async fn change_settings(&self, body: &ChangeDeploySettings) -> Result<DeploySettingsView, ApiError> {
        self.api().json(self.api().request(Method::PUT, "/api/settings").json(body)).await
    }
}

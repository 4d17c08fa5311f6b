//! How the machine is: a body of deploy-control's, and the call to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::client::ApiError;
use crate::deploy_client::DeployClient;

/// Answer of `GET /api/host`. What the machine does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostView {
    /// Processors that are online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Processes that run or wait, on average over 1, 5 and 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<[f64; 3]>,
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Bytes of it that a new process could have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_bytes: Option<u64>,
    /// Bytes of the file system that holds the instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Bytes of it that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// Operations that wait for their turn.
    pub queued: u64,
}

impl DeployClient {
    /// How the machine is.
    pub async fn host(&self) -> Result<HostView, ApiError> {
        self.api().get("/api/host").await
    }
}

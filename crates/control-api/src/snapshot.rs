//! Bodies about snapshots of an instance's data, and the way back to one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A copy of an instance's data, taken before its image was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SnapshotView {
    /// Its number: the generation that ran until then.
    pub generation: u64,
    /// The image id that ran until then.
    pub image: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    pub taken_at: Timestamp,
}

/// Answer of `GET /api/instances/{id}/snapshots`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SnapshotList {
    /// Newest first; at most three are kept.
    pub snapshots: Vec<SnapshotView>,
}

/// What becomes of the data in a rollback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RollbackData {
    /// It stays as it is.
    Keep,
    /// That of the snapshot comes back; the present data becomes a snapshot itself.
    Restore,
}

/// Body of `POST /api/instances/{id}/rollback`. No body: to the image before, with the data as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The snapshot whose image is gone back to; without it the image before, or where the data is to be restored
    /// the newest snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<u64>,
    /// `keep` (so without it) or `restore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RollbackData>,
}

//! Rows as they are in the file, and their way into the types of `model`.

use std::str::FromStr;

use control_api::deploy::{OperationKind, OperationState, ProviderSummary};

use super::StoreError;
use crate::engine::Limits;
use crate::model::{CpuSample, DiskUse, Instance, KINDS, OPERATION_STATES, Operation, Place, kind_str};

/// A row of `instances`.
pub(super) struct InstanceRow {
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) owner_id: String,
    pub(super) username: String,
    pub(super) email: String,
    #[expect(dead_code, reason = "kept for the pages; every column is selected")]
    pub(super) display_name: Option<String>,
    pub(super) desired: String,
    pub(super) change: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) generation: i64,
    pub(super) container_made: i64,
    pub(super) image_id: Option<String>,
    pub(super) previous_image_id: Option<String>,
    pub(super) target_image_id: Option<String>,
    #[expect(dead_code, reason = "for those who read the file; every column is selected")]
    pub(super) spec_hash: Option<String>,
    pub(super) shard: Option<i64>,
    pub(super) address: Option<String>,
    pub(super) uid: i64,
    pub(super) memory_bytes: i64,
    pub(super) milli_cpus: i64,
    pub(super) pids: i64,
    pub(super) disk_bytes: i64,
    pub(super) provider_kind: Option<String>,
    pub(super) provider_model: Option<String>,
    pub(super) provider_base_url: Option<String>,
    pub(super) owner_registered: i64,
    pub(super) ever_ready: i64,
    #[expect(dead_code, reason = "asked for by its own query; every column is selected")]
    pub(super) forget_pending: i64,
    pub(super) created_at: i64,
    pub(super) ready_at: Option<i64>,
    pub(super) last_activity_at: Option<i64>,
    pub(super) deleted_at: Option<i64>,
    pub(super) nap: i64,
    pub(super) keep_awake_until: Option<i64>,
    pub(super) cpu_total_ns: Option<i64>,
    pub(super) cpu_sampled_at: Option<i64>,
    pub(super) cpu_busy_at: Option<i64>,
    pub(super) disk_used_bytes: Option<i64>,
    pub(super) disk_measured_at: Option<i64>,
    pub(super) restore_generation: Option<i64>,
}

/// A row of `operations`.
pub(super) struct OperationRow {
    pub(super) id: String,
    pub(super) instance_id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) step: String,
    pub(super) actor: String,
    pub(super) undo: Option<String>,
    pub(super) cancel: i64,
    pub(super) waiting: Option<String>,
    pub(super) verdict: Option<String>,
    #[expect(dead_code, reason = "used inside SQL; every column is selected")]
    pub(super) allowance: i64,
    pub(super) created_at: i64,
    pub(super) started_at: Option<i64>,
    pub(super) deadline: i64,
    pub(super) finished_at: Option<i64>,
}

/// Parses a column.
pub(super) fn parsed<T: FromStr>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("{column} holds {text:?}")))
}

fn number<T: TryFrom<i64>>(column: &str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} holds {value}")))
}

impl TryFrom<InstanceRow> for Instance {
    type Error = StoreError;

    fn try_from(row: InstanceRow) -> Result<Self, StoreError> {
        let place = match (row.shard, &row.address) {
            (Some(shard), Some(address)) => {
                Some(Place { shard: number("shard", shard)?, address: parsed("address", address)? })
            }
            _ => None,
        };
        let provider = row.provider_kind.map(|kind| ProviderSummary {
            kind,
            model: row.provider_model,
            base_url: row.provider_base_url,
        });
        let cpu = match (row.cpu_total_ns, row.cpu_sampled_at) {
            (Some(total_ns), Some(at)) => Some(CpuSample { total_ns: number("cpu_total_ns", total_ns)?, at }),
            _ => None,
        };
        let disk = match (row.disk_used_bytes, row.disk_measured_at) {
            (Some(bytes), Some(at)) => Some(DiskUse { bytes: number("disk_used_bytes", bytes)?, at }),
            _ => None,
        };
        let restore = row.restore_generation.map(|n| number("restore_generation", n)).transpose()?;
        Ok(Self {
            id: parsed("id", &row.id)?,
            slug: parsed("slug", &row.slug)?,
            owner_id: parsed("owner_id", &row.owner_id)?,
            username: parsed("username", &row.username)?,
            email: row.email,
            goal: parsed("desired", &row.desired)?,
            change: parsed("change", &row.change)?,
            state: parsed("state", &row.state)?,
            reason: row.reason,
            generation: number("generation", row.generation)?,
            container_made: row.container_made != 0,
            image_id: row.image_id,
            previous_image_id: row.previous_image_id,
            target_image_id: row.target_image_id,
            place,
            uid: number("uid", row.uid)?,
            limits: Limits {
                memory_bytes: number("memory_bytes", row.memory_bytes)?,
                milli_cpus: number("milli_cpus", row.milli_cpus)?,
                pids: number("pids", row.pids)?,
                disk_bytes: number("disk_bytes", row.disk_bytes)?,
            },
            provider,
            owner_registered: row.owner_registered != 0,
            ever_ready: row.ever_ready != 0,
            created_at: row.created_at,
            ready_at: row.ready_at,
            last_activity_at: row.last_activity_at,
            deleted_at: row.deleted_at,
            nap: row.nap != 0,
            keep_awake_until: row.keep_awake_until,
            cpu,
            cpu_busy_at: row.cpu_busy_at,
            disk,
            restore_generation: restore,
        })
    }
}

impl TryFrom<OperationRow> for Operation {
    type Error = StoreError;

    fn try_from(row: OperationRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed("id", &row.id)?,
            instance_id: parsed("instance_id", &row.instance_id)?,
            kind: kind(&row.kind)?,
            state: operation_state(&row.state)?,
            stage: parsed("step", &row.step)?,
            actor: parsed("actor", &row.actor)?,
            undo: row.undo.as_deref().map(|text| parsed("undo", text)).transpose()?,
            cancel: row.cancel != 0,
            waiting: row.waiting,
            verdict: row.verdict,
            created_at: row.created_at,
            started_at: row.started_at,
            deadline: row.deadline,
            finished_at: row.finished_at,
        })
    }
}

fn kind(text: &str) -> Result<OperationKind, StoreError> {
    let found = KINDS.into_iter().find(|kind| kind_str(*kind) == text);
    found.ok_or_else(|| StoreError::Corrupt(format!("kind holds {text:?}")))
}

/// State of an operation.
pub(super) fn operation_state(text: &str) -> Result<OperationState, StoreError> {
    let found = OPERATION_STATES.into_iter().find(|(_, name)| *name == text);
    found.map(|(state, _)| state).ok_or_else(|| StoreError::Corrupt(format!("state holds {text:?}")))
}

//! What `GET /api/doctor` answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DoctorStatus {
    /// As it should be.
    Ok,
    /// It works, and should be looked at.
    Warning,
    /// It does not work.
    Failing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorCheck {
    /// What: `docker`, `networks`, `orphans`, ...
    pub name: String,
    /// How it is.
    pub status: DoctorStatus,
    /// What was found, in words for people; no secrets.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoctorReport {
    /// Whether nothing is failing.
    pub ok: bool,
    /// The checks, always all of them and in the same order.
    pub checks: Vec<DoctorCheck>,
}

impl DoctorReport {
    /// A report of these checks.
    pub fn new(checks: Vec<DoctorCheck>) -> Self {
        Self { ok: checks.iter().all(|check| check.status != DoctorStatus::Failing), checks }
    }

    /// The worst that was found.
    pub fn worst(&self) -> DoctorStatus {
        self.checks.iter().map(|check| check.status).max().unwrap_or(DoctorStatus::Ok)
    }
}

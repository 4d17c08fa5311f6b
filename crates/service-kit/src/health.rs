//! Health answers: `/health` (all checks in words), `/health/live` (the process runs) and `/health/ready`
//! (200 when every check holds, else 503 with the reasons).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;

/// What one check says. `Ok` and `Warning` count as ready, `Failing` does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "lowercase")]
pub enum Check {
    /// All is well.
    Ok,
    /// Works, but an operator should look: the reason.
    Warning(String),
    /// Does not work: the reason, and what to do.
    Failing(String),
}

/// The checks of one process, set by whoever knows and read by the health routes. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    checks: BTreeMap<&'static str, Check>,
}

impl Health {
    /// No checks yet: ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what a check says now.
    pub fn set(&self, name: &'static str, check: Check) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        if checks.get(name) == Some(&check) {
            return;
        }
        tracing::info!(check = name, state = ?check, "health changed");
        checks.insert(name, check);
    }

    /// What a check says now.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Check> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Whether every check holds.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.report().ready
    }

    fn report(&self) -> Report {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Report { ready: !checks.values().any(|c| matches!(c, Check::Failing(_))), checks }
    }

    /// The three routes.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/health", get(summary))
            .route("/health/live", get(|| async { "ok\n" }))
            .route("/health/ready", get(ready))
            .with_state(self.clone())
    }
}

async fn summary(State(health): State<Health>) -> Response {
    Json(health.report()).into_response()
}

async fn ready(State(health): State<Health>) -> Response {
    let report = health.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_says_503_and_the_reason_while_a_check_fails() {
        let health = Health::new();
        health.set("docker", Check::Failing("cannot be reached".into()));
        health.set("disk", Check::Warning("85 % full".into()));
        let response = ready(State(health.clone())).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        health.set("docker", Check::Ok);
        assert_eq!(ready(State(health)).await.status(), StatusCode::OK);
    }
}

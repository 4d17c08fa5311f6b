//! deploy-control as the router sees it: it wakes and takes reports.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use control_api::deploy::{ActivityReport, InstanceState, WakeAnswer};

#[derive(Default)]
pub(crate) struct DeployState {
    pub(crate) woken: Mutex<Vec<String>>,
    pub(crate) reports: Mutex<Vec<ActivityReport>>,
    pub(crate) down: AtomicBool,
    /// Leaves every instance asleep, for this reason.
    pub(crate) leaves_asleep: Mutex<Option<String>>,
}

pub(crate) struct FakeDeploy {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<DeployState>,
}

impl FakeDeploy {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(DeployState::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new()
            .route("/api/routes/{slug}/wake", post(wake))
            .route("/api/routes/activity", post(activity))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, state }
    }
}

async fn wake(State(state): State<Arc<DeployState>>, Path(slug): Path<String>) -> Response {
    state.woken.lock().unwrap().push(slug);
    if state.down.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, "down").into_response();
    }
    let reason = state.leaves_asleep.lock().unwrap().clone();
    let now = if reason.is_some() { InstanceState::Asleep } else { InstanceState::Starting };
    Json(WakeAnswer { state: now, reason }).into_response()
}

async fn activity(State(state): State<Arc<DeployState>>, Json(report): Json<ActivityReport>) -> StatusCode {
    state.reports.lock().unwrap().push(report);
    StatusCode::NO_CONTENT
}

//! The app in a container of the fake engine: it says how it is, and takes its owner.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use control_api::ids::InstanceId;
use control_api::instance::{AppConfig, RegisterOwner};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// What the app in an image does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Serves, and takes its owner.
    Good,
    /// Serves, and knows nothing of owners.
    NoAuth,
    /// Runs and never answers well.
    NeverReady,
    /// Ends at once with code 7.
    Exits,
}

/// A model of this name makes an app that never answers well.
pub(crate) const BROKEN_MODEL: &str = "broken";

/// The owners that apps were told of.
pub(crate) type Registered = Arc<Mutex<HashMap<InstanceId, RegisterOwner>>>;

#[derive(Clone)]
pub(crate) struct App {
    registered: Registered,
    id: Option<InstanceId>,
    is_healthy: bool,
    knows_owners: bool,
}

impl App {
    /// The app of an image that behaves so, with the folder of its configuration.
    pub(crate) fn new(
        behaviour: Behaviour,
        config: &Path,
        id: Option<InstanceId>,
        registered: Registered,
    ) -> Self {
        let text = std::fs::read(config.join("config.json")).expect("a configuration");
        let config: AppConfig = serde_json::from_slice(&text).expect("a configuration");
        let is_broken = config.provider.is_some_and(|p| p.model.as_deref() == Some(BROKEN_MODEL));
        Self {
            registered,
            id,
            is_healthy: behaviour != Behaviour::NeverReady && !is_broken,
            knows_owners: behaviour == Behaviour::Good,
        }
    }

    /// Serves until it is aborted.
    pub(crate) fn serve(self, listener: TcpListener) -> AbortHandle {
        let router = Router::new().route("/api/health", get(health));
        let router =
            if self.knows_owners { router.route("/api/auth/register", post(register)) } else { router };
        let server = axum::serve(listener, router.with_state(self));
        let task = tokio::spawn(async move {
            let _ = server.await;
        });
        task.abort_handle()
    }
}

async fn health(State(app): State<App>) -> StatusCode {
    if app.is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn register(State(app): State<App>, Json(body): Json<RegisterOwner>) -> StatusCode {
    let Some(id) = app.id else { return StatusCode::NOT_FOUND };
    let mut registered = app.registered.lock().expect("not poisoned");
    if registered.contains_key(&id) {
        return StatusCode::CONFLICT;
    }
    registered.insert(id, body);
    StatusCode::CREATED
}

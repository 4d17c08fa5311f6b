//! What stands on every page beside its own: the administrators' banner, whether the first administrator is still to be
//! made, and what people know the issuer by at which they may sign in, too. authz-service is asked at every page, so that a change shows at once; where it does not answer in
//! time, what it said last stands, and no page fails for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use control_api::authz::PortalSettings;

use crate::app::Portal;

/// A page waits no longer for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// What it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Plain text; empty for none.
    pub(crate) banner: String,
    pub(crate) setup_open: bool,
    /// Absent where there is no other issuer.
    pub(crate) upstream: Option<String>,
}

/// What authz-service said last.
#[derive(Debug, Default)]
pub(crate) struct LastFrame(Mutex<Frame>);

tokio::task_local! {
    static FRAME: Frame;
}

impl Frame {
    /// That of the request which is answered.
    pub(crate) fn current() -> Self {
        FRAME.try_with(Clone::clone).unwrap_or_default()
    }

    async fn load(portal: &Portal) -> Self {
        let said = tokio::time::timeout(PATIENCE, portal.authz.settings()).await;
        let mut last = portal.frame.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Ok(settings)) = said {
            let PortalSettings { banner, setup_open, upstream, .. } = settings;
            *last = Self { banner, setup_open, upstream };
        }
        last.clone()
    }
}

/// Middleware: every page within has the frame of now.
pub(crate) async fn put(State(portal): State<Portal>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path.starts_with("/assets/") || path.starts_with("/health") {
        return next.run(request).await;
    }
    let frame = Frame::load(&portal).await;
    FRAME.scope(frame, next.run(request)).await
}

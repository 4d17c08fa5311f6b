//! Holding a request while its instance comes up: asks deploy-control to wake a sleeping one (once for all
//! who wait) and follows the route table until the instance is ready, has failed, or the time is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use control_api::client::ApiError;
use control_api::deploy::{InstanceState, WakeAnswer};
use control_api::deploy_client::DeployClient;
use tokio::time::Instant;

use crate::error::Refusal;
use crate::limits::Timeouts;
use crate::request::kind::Kind;
use crate::routes::{Route, RouteTable};

/// deploy-control is asked at most once in this time for one instance.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// When deploy-control was last asked to wake an instance.
#[derive(Debug, Default)]
pub(crate) struct WakeOnce(Mutex<Option<Instant>>);

impl WakeOnce {
    /// Whether it is this caller's turn to ask.
    fn claim(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|at| at.elapsed() >= ASK_AGAIN);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

/// Whether waiting may help.
fn comes_up(state: InstanceState) -> bool {
    use InstanceState::{Asleep, Creating, Pending, Starting};
    matches!(state, Asleep | Pending | Creating | Starting)
}

/// The route once it is ready. A navigation is not held for long: it gets a page that reloads.
pub(crate) async fn until_ready(
    table: &RouteTable,
    deploy: &DeployClient,
    times: &Timeouts,
    mut route: Arc<Route>,
    kind: Kind,
) -> Result<Arc<Route>, Refusal> {
    let mut versions = table.versions();
    let hold = if kind == Kind::Navigation { times.waiting_page.min(times.hold) } else { times.hold };
    let deadline = Instant::now() + hold;
    loop {
        let state = route.file.state;
        if state == InstanceState::Ready && route.upstream.is_some() {
            return Ok(route);
        }
        // Ready without an address is a route file of tomorrow: it will be completed.
        let waits = comes_up(state) || state == InstanceState::Ready;
        if !waits {
            return Err(refusal(&route));
        }
        if state == InstanceState::Asleep && route.wake.claim() {
            // deploy-control goes on with it, should this caller not wait for the answer.
            match tokio::time::timeout_at(deadline, ask(deploy, &route)).await {
                Ok(outcome) => outcome?,
                Err(_) => return Err(refusal(&route)),
            }
        }
        let again = Instant::now() + ASK_AGAIN;
        tokio::select! {
            changed = versions.changed() => changed.map_err(|_| Refusal::Stopping)?,
            () = tokio::time::sleep_until(deadline.min(again)) => (),
        }
        route = table.get(route.file.slug.as_str()).ok_or(Refusal::UnknownHost)?;
        let is_up = route.file.state == InstanceState::Ready && route.upstream.is_some();
        if !is_up && Instant::now() >= deadline {
            return Err(refusal(&route));
        }
    }
}

fn refusal(route: &Route) -> Refusal {
    let state = match route.file.state {
        InstanceState::Ready => InstanceState::Starting,
        other => other,
    };
    Refusal::NotReady { state, reason: route.file.reason.clone() }
}

async fn ask(deploy: &DeployClient, route: &Route) -> Result<(), Refusal> {
    let slug = &route.file.slug;
    match deploy.wake(slug).await {
        Ok(answer) if answer.state == InstanceState::Failed || answer.state == InstanceState::Stopped => {
            Err(Refusal::NotReady { state: answer.state, reason: answer.reason })
        }
        // It is left asleep, for the reason that is told.
        Ok(WakeAnswer { state: InstanceState::Asleep, reason: reason @ Some(_) }) => {
            Err(Refusal::StaysAsleep { reason })
        }
        Ok(answer) => {
            tracing::info!(%slug, state = answer.state.as_str(), "woken");
            Ok(())
        }
        Err(ApiError::Problem(problem)) if problem.status < 500 => {
            tracing::warn!(%slug, %problem, "deploy-control would not wake an instance");
            Err(Refusal::NotReady { state: InstanceState::Failed, reason: problem.detail.clone() })
        }
        Err(error) => {
            tracing::error!(%slug, %error, "an instance could not be woken");
            Err(Refusal::CannotWake)
        }
    }
}

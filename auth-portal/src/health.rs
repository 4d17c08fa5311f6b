//! Readiness: can the portal talk to authz-service and deploy-control, with tokens that match? Asked every
//! few seconds, so that the health routes answer at once.

use std::time::Duration;

use control_api::client::ApiError;
use control_api::deploy::ListQuery;
use service_kit::health::{Check, Health};
use service_kit::lifecycle::Lifecycle;

use crate::app::Portal;

/// Time between two rounds.
const INTERVAL: Duration = Duration::from_secs(5);

/// Starts the task that keeps the checks up to date.
pub(crate) fn watch(lifecycle: &Lifecycle, portal: Portal, health: Health) {
    health.set("authz-service", Check::Failing("not asked yet".to_owned()));
    health.set("deploy-control", Check::Failing("not asked yet".to_owned()));
    let stopping = lifecycle.stopping();
    lifecycle.spawn_critical("health", async move {
        loop {
            let (authz, deploy) = tokio::join!(check_authz(&portal), check_deploy(&portal));
            health.set("authz-service", authz);
            health.set("deploy-control", deploy);
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = stopping.cancelled() => return Ok(()),
            }
        }
    });
}

/// A call with the token tells a mismatch; readiness tells the rest.
async fn check_authz(portal: &Portal) -> Check {
    if let Err(error) = portal.authz.settings().await {
        return failing(&error);
    }
    portal.authz.ready().await.map_or_else(|error| failing(&error), |()| Check::Ok)
}

/// deploy-control that answers but is not ready (Docker is down, say) is a warning: sign-in and account go
/// on, and orders wait.
async fn check_deploy(portal: &Portal) -> Check {
    let query = ListQuery { limit: Some(1), ..ListQuery::default() };
    if let Err(error) = portal.deploy.list(&query).await {
        return failing(&error);
    }
    let warning = |error| Check::Warning(format!("is not ready, see its /health/ready: {error}"));
    portal.deploy.ready().await.map_or_else(warning, |()| Check::Ok)
}

fn failing(error: &ApiError) -> Check {
    Check::Failing(error.to_string())
}

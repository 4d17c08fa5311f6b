//! The worker that has deploy-control remove what an account leaves behind: its instance and the data. It never gives
//! up, and asks again until nothing is left. Asking is idempotent, so that a crash at any moment only repeats it.

use std::time::Duration;

use control_api::deploy::OwnerRemoval;
use control_api::deploy_client::DeployClient;
use service_kit::health::Check;
use service_kit::request_id;

use crate::authz::{Authz, Shared};
use crate::outbox::{LOOK_EVERY, REST, pause_ms};
use crate::store::departures::Departure;

const BATCH: i64 = 16;
/// An order that was under way when its account left has been answered by then: a batch of the outbox takes
/// 64 / 8 calls of at most 10 s each.
const SETTLED_MS: i64 = 3 * 60 * 1000;
const CHECK: &str = "departures";

/// Runs until the process stops.
pub(crate) async fn run(authz: Shared, deploy: DeployClient) -> Result<(), String> {
    while !authz.stopping.is_cancelled() {
        tokio::select! {
            outcome = carry_due(&authz, &deploy) => if let Err(error) = outcome {
                tracing::error!(%error, "the departures cannot be read or written");
            },
            () = authz.stopping.cancelled() => break,
        }
        let pause: Duration =
            if authz.store.has_departures().await.unwrap_or(true) { LOOK_EVERY } else { REST };
        tokio::select! {
            () = authz.left.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = authz.stopping.cancelled() => {}
        }
    }
    Ok(())
}

async fn carry_due(authz: &Authz, deploy: &DeployClient) -> Result<(), sqlx::Error> {
    for departure in authz.store.due_departures(authz.now(), BATCH).await? {
        // A request id of its own, so that both logs tell the same story.
        request_id::scope(request_id::choose(None), carry(authz, deploy, departure)).await?;
    }
    Ok(())
}

async fn carry(authz: &Authz, deploy: &DeployClient, departure: Departure) -> Result<(), sqlx::Error> {
    let user_id = departure.user_id;
    let answer = deploy.remove_owner(user_id).await;
    let now = authz.now();
    match answer {
        Ok(OwnerRemoval { left }) => {
            authz.health.set(CHECK, Check::Ok);
            if !left && now - departure.left_at >= SETTLED_MS {
                tracing::info!(%user_id, "nothing is left of an account");
                return authz.store.departed(departure).await;
            }
        }
        Err(error) => {
            tracing::warn!(%user_id, %error, "what an account left behind has to wait");
            authz.health.set(CHECK, Check::Warning(format!("instances of deleted accounts wait: {error}")));
        }
    }
    authz.store.departure_postponed(departure, now + pause_ms(departure.attempts)).await
}

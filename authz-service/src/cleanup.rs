//! Removes expired rows now and then. Readers check the time themselves, so this only saves space.

use std::time::Duration;

use crate::authz::Shared;

const EVERY: Duration = Duration::from_mins(1);

/// Runs until the process stops.
pub(crate) async fn run(authz: Shared) -> Result<(), String> {
    loop {
        match authz.store.sweep(authz.now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "expired rows were removed"),
            Err(error) => tracing::warn!(%error, "expired rows could not be removed"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = authz.stopping.cancelled() => return Ok(()),
        }
    }
}

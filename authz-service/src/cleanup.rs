//! Removes expired rows now and then, and has the owners of keys told before theirs are among them. Readers check the
//! time themselves, so the removal only saves space.

use std::time::Duration;

use crate::authz::Shared;
use crate::store::sweep::Swept;

const EVERY: Duration = Duration::from_mins(1);
/// So that other writes get their turn.
const BETWEEN_BATCHES: Duration = Duration::from_millis(50);

/// Runs until the process stops.
pub(crate) async fn run(authz: Shared) -> Result<(), String> {
    loop {
        // What was used just now has not expired.
        let swept = match authz.write_touches().await {
            Ok(()) => authz.store.sweep(authz.now()).await,
            Err(error) => Err(error),
        };
        let pause = match swept {
            Ok(Swept { more: true, .. }) => BETWEEN_BATCHES,
            Ok(_) => EVERY,
            Err(ref error) => {
                tracing::warn!(%error, "expired rows could not be removed");
                EVERY
            }
        };
        if let Ok(Swept { rows: 1.., .. }) = swept {
            tracing::debug!(?swept, "expired rows were removed");
        }
        // A batch at a time, with room for others in between.
        match authz.trim_audit().await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "entries of the audit log were older than they are kept"),
            Err(error) => tracing::warn!(%error, "the audit log could not be trimmed"),
        }
        if let Err(error) = authz.warn_of_ending_keys().await {
            tracing::warn!(%error, "owners of API keys could not be told that they end");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = authz.stopping.cancelled() => return Ok(()),
        }
    }
}

//! Waiting for a state instead of sleeping: ask again until it holds or the time is over.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Failure, Outcome};

const PAUSE: Duration = Duration::from_millis(50);

/// Asks until `check` answers `Some`, at most `limit`. `what` goes into the failure.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut check: impl AsyncFnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let end = Instant::now() + limit;
    loop {
        let last = match check().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => String::new(),
            Err(failure) => format!(" (last: {failure})"),
        };
        if Instant::now() >= end {
            return Err(Failure(format!("waited {} s in vain for {what}{last}", limit.as_secs())));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

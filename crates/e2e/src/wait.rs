//! Waiting for a state instead of sleeping: ask again until it holds or the time is over.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Failure, Outcome};

const PAUSE: Duration = Duration::from_millis(50);

/// Asks until `check` answers `Some`, at most `limit`. `what` goes into the failure.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut check: F) -> Outcome<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Outcome<Option<T>>>,
{
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

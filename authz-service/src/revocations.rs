//! The feed of revocations for the router: it asks with the last number that it knows and is answered when
//! there is more, or when its patience ends.

use std::time::Duration;

use control_api::authz::{Revocations, RevocationsQuery};

use crate::authz::Authz;
use crate::error::Error;

/// Longest wait of one request, in seconds.
const MAX_WAIT_S: u32 = 30;

impl Authz {
    /// `GET /router/revocations`.
    pub(crate) async fn revocations(&self, query: RevocationsQuery) -> Result<Revocations, Error> {
        // Subscribed before the first look: what comes in between is not missed.
        let mut news = self.revoked.subscribe();
        let deadline =
            tokio::time::Instant::now() + Duration::from_secs(u64::from(query.wait_s.min(MAX_WAIT_S)));
        loop {
            let last = *news.borrow_and_update();
            // A number from the future: the database was put back. The caller starts over.
            let after = if query.after > last { 0 } else { query.after };
            let revocations = self.store.revocations_after(after).await?;
            if !revocations.is_empty() || after != query.after {
                let last = revocations.last().map_or(last, |newest| newest.seq.max(last));
                return Ok(Revocations { last, revocations });
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() {
                    return Ok(Revocations { last, revocations });
                },
                () = tokio::time::sleep_until(deadline) => return Ok(Revocations { last, revocations }),
                () = self.stopping.cancelled() => return Ok(Revocations { last, revocations }),
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use service_kit::clock::Clock;
    use service_kit::env::EnvReader;
    use service_kit::health::Health;
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn a_stop_answers_those_who_wait() {
        let folder = tempfile::tempdir().expect("a folder");
        let (token, data_dir) = ("0123456789abcdef0123456789abcdef", folder.path().display().to_string());
        let config = Config::from_env(EnvReader::from_pairs([
            ("AUTHZ_INTERNAL_TOKEN", token),
            ("BEAVER_ROUTER_TOKEN", token),
            ("DEPLOY_API_TOKEN", token),
            ("AUTHZ_DATA_DIR", &data_dir),
        ]))
        .expect("a configuration");
        let stopping = CancellationToken::new();
        let authz =
            crate::app::open(config, Clock::system(), Health::new(), stopping.clone()).await.expect("opened");
        let waiting = {
            let authz = Arc::clone(&authz);
            tokio::spawn(async move { authz.revocations(RevocationsQuery { after: 0, wait_s: 30 }).await })
        };
        while authz.revoked.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        stopping.cancel();
        let answer = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("in time");
        assert!(answer.expect("no panic").expect("an answer").revocations.is_empty());
    }
}

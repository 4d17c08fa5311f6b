//! What may not be believed any more. authz-service is asked by long poll; a revocation is in force at once
//! and closes the streams and tunnels that hang on it. Nothing is kept over a restart: authz-service tells
//! everything that still matters to whoever asks from the beginning.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use control_api::authz::{Revocation, RevocationsQuery, Revoked};
use control_api::authz_client::AuthzClient;
use control_api::claims::{LEEWAY_SECS, TOKEN_LIFETIME_SECS};
use control_api::ids::{ApiKeyId, InstanceId, SessionId, UserId};
use service_kit::clock::Clock;
use service_kit::health::{Check, Health};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::credential::{Credential, Root};
use crate::limits::Timeouts;

const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LAST: Duration = Duration::from_secs(5);
/// A revocation matters for as long as a token that was issued before it may live; doubled, to be sure.
const KEEP_SECS: i64 = 2 * (TOKEN_LIFETIME_SECS + LEEWAY_SECS.cast_signed());

/// When each was revoked, seconds since 1970.
#[derive(Default)]
struct Known {
    sessions: HashMap<SessionId, i64>,
    api_keys: HashMap<ApiKeyId, i64>,
    users: HashMap<UserId, i64>,
    instances: HashMap<InstanceId, i64>,
}

impl Known {
    /// Whether the session or key is over for good.
    fn is_ended(&self, root: &Root) -> bool {
        match root {
            Root::Session(id) => self.sessions.contains_key(id),
            Root::ApiKey(id) => self.api_keys.contains_key(id),
        }
    }

    fn is_revoked(&self, credential: &Credential) -> bool {
        let is_older = |at: &i64| credential.issued_at <= *at;
        self.is_ended(&credential.root)
            || self.users.get(&credential.user).is_some_and(is_older)
            || self.instances.get(&credential.instance).is_some_and(is_older)
    }
}

struct Stream {
    credential: Credential,
    close: CancellationToken,
}

/// The revocations in force and the streams that one of them may close.
pub(crate) struct Revocations {
    known: RwLock<Known>,
    streams: Mutex<HashMap<u64, Stream>>,
    next_stream: AtomicU64,
    start: Instant,
    /// Milliseconds after the start. Asked with every request, so there is no lock to wait for.
    last_news_ms: AtomicU64,
    stale_after: Duration,
    clock: Clock,
    health: Health,
}

impl Revocations {
    pub(crate) fn new(stale_after: Duration, clock: Clock, health: Health) -> Self {
        health.set("revocations", Check::Warning("no news from authz-service yet".to_owned()));
        Self {
            known: RwLock::default(),
            streams: Mutex::default(),
            next_stream: AtomicU64::new(0),
            start: Instant::now(),
            last_news_ms: AtomicU64::new(0),
            stale_after,
            clock,
            health,
        }
    }

    /// Whether what authz-service said of a credential is void.
    pub(crate) fn is_revoked(&self, credential: impl Into<Credential>) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_revoked(&credential.into())
    }

    /// Whether a session or key is over for good, whenever it was last asked about.
    pub(crate) fn is_ended(&self, root: &Root) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).is_ended(root)
    }

    /// Whether news have been missing for so long that nobody can be let in.
    pub(crate) fn is_stale(&self) -> bool {
        let last_news = Duration::from_millis(self.last_news_ms.load(Ordering::Acquire));
        self.start.elapsed().saturating_sub(last_news) > self.stale_after
    }

    /// Ends a session here, before authz-service's own word of it comes round.
    pub(crate) fn end_session(&self, sid: SessionId) {
        let at = self.clock.now_secs();
        self.apply(&[Revocation { seq: 0, revoked: Revoked::Session(sid), at }]);
    }

    /// A stream that is open in the name of `credential`; it must end when the guard's token is cancelled.
    pub(crate) fn watch(self: &Arc<Self>, credential: impl Into<Credential>) -> StreamGuard {
        let credential = credential.into();
        let close = CancellationToken::new();
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let stream = Stream { credential, close: close.clone() };
        self.streams().insert(id, stream);
        // A revocation may have come between the gate and here.
        if self.is_revoked(credential) {
            close.cancel();
        }
        StreamGuard { revocations: Arc::clone(self), id, close }
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, news: &[Revocation]) {
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            for revocation in news {
                match revocation.revoked {
                    Revoked::Session(id) => latest(&mut known.sessions, id, revocation.at),
                    Revoked::User(id) => latest(&mut known.users, id, revocation.at),
                    Revoked::Instance(id) => latest(&mut known.instances, id, revocation.at),
                    Revoked::ApiKey(id) => latest(&mut known.api_keys, id, revocation.at),
                }
            }
        }
        if !news.is_empty() {
            self.close_streams(|credential| self.is_revoked(*credential));
        }
    }

    fn close_streams(&self, concerns: impl Fn(&Credential) -> bool) {
        for stream in self.streams().values().filter(|stream| concerns(&stream.credential)) {
            stream.close.cancel();
        }
    }

    /// Closes the streams of what has ended by itself, and forgets what no living token can be concerned by.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now_secs();
        self.close_streams(|credential| credential.ends_at.is_some_and(|at| at <= now));
        let oldest = now - KEEP_SECS;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.sessions.retain(|_, at| *at > oldest);
        known.api_keys.retain(|_, at| *at > oldest);
        known.users.retain(|_, at| *at > oldest);
        known.instances.retain(|_, at| *at > oldest);
    }

    /// Asks for news until `stopping`.
    pub(crate) async fn follow(
        self: Arc<Self>,
        authz: AuthzClient,
        times: Timeouts,
        stopping: CancellationToken,
    ) -> Result<(), String> {
        let wait_s = u32::try_from(times.news_wait.as_secs()).unwrap_or(0);
        let (mut after, mut pause, mut was_failing) = (0, RETRY_FIRST, false);
        loop {
            // The first question is answered at once, so that the gate soon knows where it stands.
            let query = RevocationsQuery {
                after,
                wait_s: if after == 0 && pause == RETRY_FIRST { 0 } else { wait_s },
            };
            let answer = tokio::select! {
                answer = authz.revocations(query) => answer,
                () = stopping.cancelled() => return Ok(()),
            };
            let wait = match answer {
                Ok(news) => {
                    let now_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
                    self.last_news_ms.store(now_ms, Ordering::Release);
                    self.health.set("revocations", Check::Ok);
                    self.apply(&news.revocations);
                    // An authz-service that does not hold the question must not be asked without pause.
                    let is_idle = news.last == after && news.revocations.is_empty();
                    (after, was_failing) = (news.last, false);
                    pause = if is_idle { RETRY_FIRST * 2 } else { RETRY_FIRST };
                    if is_idle { RETRY_FIRST } else { Duration::ZERO }
                }
                Err(error) => {
                    if !was_failing {
                        tracing::warn!(%error, "no news of revocations");
                    }
                    was_failing = true;
                    self.note_silence();
                    pause = (pause * 2).min(RETRY_LAST);
                    pause
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => (),
                () = stopping.cancelled() => return Ok(()),
            }
        }
    }

    fn note_silence(&self) {
        if self.is_stale() {
            self.close_streams(|_| true);
            self.health.set(
                "revocations",
                Check::Failing(
                    "authz-service has not been heard of for too long; nobody is let in".to_owned(),
                ),
            );
        } else {
            self.health.set("revocations", Check::Warning("authz-service does not answer".to_owned()));
        }
    }
}

fn latest<K: Eq + Hash>(map: &mut HashMap<K, i64>, id: K, at: i64) {
    let entry = map.entry(id).or_insert(at);
    *entry = (*entry).max(at);
}

/// An open stream; dropping it ends the watch.
pub(crate) struct StreamGuard {
    revocations: Arc<Revocations>,
    id: u64,
    close: CancellationToken,
}

impl StreamGuard {
    /// Cancelled when the stream may not go on.
    pub(crate) fn closed(&self) -> CancellationToken {
        self.close.clone()
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.revocations.streams().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::claims::AppTokenClaims;
    use service_kit::clock::from_millis;

    fn claims(iat: i64) -> AppTokenClaims {
        AppTokenClaims {
            iss: String::new(),
            aud: InstanceId::generate(),
            sub: UserId::generate(),
            sid: SessionId::generate(),
            iat,
            exp: iat + 600,
        }
    }

    #[tokio::test]
    async fn a_revocation_voids_what_came_before_it_and_closes_its_streams() {
        let clock = Clock::manual(from_millis(1_000_000));
        let revocations = Arc::new(Revocations::new(Duration::from_mins(5), clock.clone(), Health::new()));
        let (old, other) = (claims(990), claims(990));
        let stream = revocations.watch(&old);
        let apart = revocations.watch(&other);
        revocations.apply(&[Revocation { seq: 1, revoked: Revoked::User(old.sub), at: 1_000 }]);
        assert!(revocations.is_revoked(&old) && stream.closed().is_cancelled());
        assert!(!revocations.is_revoked(&other) && !apart.closed().is_cancelled());
        let newer = AppTokenClaims { iat: 1_001, ..old.clone() };
        assert!(!revocations.is_revoked(&newer), "signed in again afterwards");
        revocations.apply(&[Revocation { seq: 2, revoked: Revoked::Instance(other.aud), at: 989 }]);
        assert!(!revocations.is_revoked(&other), "issued after it");
        revocations.end_session(other.sid);
        assert!(revocations.is_revoked(&other) && apart.closed().is_cancelled());
        assert!(revocations.watch(&other).closed().is_cancelled(), "too late");
        drop((stream, apart));
        assert!(revocations.streams().is_empty());
        clock.advance(Duration::from_hours(1));
        revocations.sweep();
        assert!(!revocations.is_revoked(&other), "no such token can be alive");
    }
    #[tokio::test]
    async fn a_key_ends_when_it_is_revoked_and_its_streams_when_its_time_is_over() {
        let clock = Clock::manual(from_millis(1_000_000));
        let revocations = Arc::new(Revocations::new(Duration::from_mins(5), clock.clone(), Health::new()));
        let key = |ends_at| Credential {
            root: Root::ApiKey(ApiKeyId::generate()),
            user: UserId::generate(),
            instance: InstanceId::generate(),
            issued_at: 1_000,
            ends_at,
        };
        let (revoked, short, of_user) = (key(None), key(Some(1_060)), key(None));
        let streams = [revoked, short, of_user].map(|key| revocations.watch(key));
        let closed = || streams.each_ref().map(|stream| stream.closed().is_cancelled());
        let Root::ApiKey(id) = revoked.root else { panic!("a key") };
        revocations.apply(&[Revocation { seq: 1, revoked: Revoked::ApiKey(id), at: 900 }]);
        assert!(revocations.is_ended(&revoked.root) && revocations.is_revoked(revoked), "whenever it was");
        assert_eq!(closed(), [true, false, false]);
        // The user's revocation voids what was said of the key, not the key.
        revocations.apply(&[Revocation { seq: 2, revoked: Revoked::User(of_user.user), at: 1_000 }]);
        assert!(revocations.is_revoked(of_user) && !revocations.is_ended(&of_user.root));
        assert!(!revocations.is_revoked(Credential { issued_at: 1_001, ..of_user }));
        assert_eq!(closed(), [true, false, true]);
        clock.advance(Duration::from_secs(59));
        revocations.sweep();
        assert_eq!(closed(), [true, false, true]);
        clock.advance(Duration::from_secs(1));
        revocations.sweep();
        assert_eq!(closed(), [true, true, true]);
    }
}

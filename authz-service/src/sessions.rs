//! Portal sessions: 256 random bits in a cookie, their hash in the store. A session ends an hour after its
//! last use and twelve hours after sign-in whatever happens; where the person asked to stay signed in, both are
//! 30 days. Its public id is what tokens carry as `sid`. Whoever has a session may see the others of the same
//! account and end them; each that ends is published, so that the router closes what hangs on it.

use std::net::IpAddr;

use control_api::authz::{Role, SessionView, UserView};
use control_api::ids::{SessionId, UserId};
use control_api::sessions::{RevokeOthersRequest, RevokeSessionRequest, SessionItem, SessionList};
use control_api::wire::WireSecret;
use service_kit::clock::from_millis;
use service_kit::secret::{Secret, random_token, sha256};

use crate::audit;
use crate::authz::Authz;
use crate::error::Error;
use crate::store::sessions::{ListedSession, NewSession, StoredSession};
use crate::touches::Touch;

const HOUR_MS: i64 = 60 * 60 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The longest that any session can live: nothing older than this can hang on one.
pub(crate) const LONGEST_MS: i64 = 30 * DAY_MS;
/// Use is written down at most this often.
const TOUCH_EVERY_MS: i64 = 30 * 1000;

/// How long a sign-in stands for a password that is not there.
const FRESH_MS: i64 = 15 * 60 * 1000;

/// How long a session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// Without use.
    idle_ms: i64,
    /// At most.
    absolute_ms: i64,
}

impl Lifetime {
    /// Of a session whose person asked to stay signed in, or did not.
    pub(crate) fn of(remember: bool) -> Self {
        if remember {
            Self { idle_ms: LONGEST_MS, absolute_ms: LONGEST_MS }
        } else {
            Self { idle_ms: HOUR_MS, absolute_ms: 12 * HOUR_MS }
        }
    }

    /// When it ends if it is not used after `now`.
    fn idle_end(self, now: i64, ends_at: i64) -> i64 {
        (now + self.idle_ms).min(ends_at)
    }
}

/// Where a session is begun, with what, and for how long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub(crate) address: Option<IpAddr>,
    /// Capped and escaped.
    pub(crate) agent: Option<String>,
    /// Whether the person asked to stay signed in.
    pub(crate) remember: bool,
}

impl Origin {
    /// `agent` as the browser sent it.
    pub(crate) fn new(address: Option<IpAddr>, agent: Option<&str>, remember: bool) -> Self {
        let agent = agent.map(str::trim).filter(|agent| !agent.is_empty()).map(audit::agent);
        Self { address, agent, remember }
    }
}

/// A new session and the secret that proves it, which is not kept.
pub(crate) fn start(user_id: UserId, origin: Origin, now: i64) -> (NewSession, Secret<String>) {
    let secret = random_token();
    let lifetime = Lifetime::of(origin.remember);
    let ends_at = now + lifetime.absolute_ms;
    let session = NewSession {
        sid: SessionId::generate(),
        secret_hash: sha256(secret.expose().as_bytes()),
        user_id,
        created_at: now,
        last_used_at: now,
        idle_ends_at: lifetime.idle_end(now, ends_at),
        ends_at,
        address: origin.address.map(|address| address.to_string()),
        agent: origin.agent,
        remember: origin.remember,
    };
    (session, secret)
}

/// The same session under another id and another secret: nothing else about it changes, its end least of all.
pub(crate) fn renew(session: &StoredSession, now: i64) -> (NewSession, Secret<String>) {
    let (fresh, secret) = start(session.user_id, Origin::default(), now);
    let idle_ends_at = Lifetime::of(session.remember).idle_end(now, session.ends_at);
    let renewed = NewSession {
        created_at: session.created_at,
        idle_ends_at,
        ends_at: session.ends_at,
        address: session.address.clone(),
        agent: session.agent.clone(),
        remember: session.remember,
        ..fresh
    };
    (renewed, secret)
}

/// Whether somebody showed who they are just now: enough where an account has no password that could be asked for.
pub(crate) fn is_fresh(session: &StoredSession, now: i64) -> bool {
    now - session.created_at < FRESH_MS
}

/// For how many seconds a browser may keep the cookie of a session that outlives it.
pub(crate) fn cookie_secs(remember: bool, ends_at: i64, now: i64) -> Option<u64> {
    remember.then(|| u64::try_from((ends_at - now).div_euclid(1000)).unwrap_or(0))
}

impl StoredSession {
    /// When it ends if it is not used.
    fn expires_at(&self) -> i64 {
        self.idle_ends_at.min(self.ends_at)
    }

    fn touch(&mut self, touch: Touch) {
        (self.last_used_at, self.idle_ends_at) = (touch.used_at, touch.idle_ends_at);
    }

    /// Whose it is.
    pub(crate) fn user(&self) -> UserView {
        UserView { user_id: self.user_id, username: self.username.clone(), email: self.email.clone() }
    }
}

impl Authz {
    /// The living session of a secret; asking counts as use.
    pub(crate) async fn session(&self, secret: &WireSecret) -> Result<StoredSession, Error> {
        let hash = sha256(secret.expose().as_bytes());
        self.living_session(|| self.store.session_by_secret(&hash)).await
    }

    /// The living session of a public id, as signed tokens name it; asking counts as use.
    pub(crate) async fn session_of_token(&self, sid: SessionId) -> Result<StoredSession, Error> {
        self.living_session(|| self.store.session_by_sid(sid)).await
    }

    /// Reads twice where the first row has ended: its last use may have been written down after it was read and
    /// before it was looked for among those that wait, and is in the row by now.
    async fn living_session<F>(&self, read: impl Fn() -> F) -> Result<StoredSession, Error>
    where
        F: Future<Output = Result<Option<StoredSession>, sqlx::Error>>,
    {
        let session = read().await?.ok_or(Error::SessionEnded)?;
        if let Some(session) = self.used(session) {
            return Ok(session);
        }
        let session = read().await?.ok_or(Error::SessionEnded)?;
        self.used(session).ok_or(Error::SessionEnded)
    }

    /// Nothing where the session has ended.
    fn used(&self, mut session: StoredSession) -> Option<StoredSession> {
        let now = self.now();
        if let Some(waiting) = self.touches.of(session.sid) {
            session.touch(waiting);
        }
        if now >= session.expires_at() {
            return None;
        }
        if now - session.last_used_at >= TOUCH_EVERY_MS {
            let idle_ends_at = Lifetime::of(session.remember).idle_end(now, session.ends_at);
            let touch = Touch { used_at: now, idle_ends_at };
            self.touches.add(session.sid, touch);
            session.touch(touch);
        }
        Some(session)
    }

    /// `POST /portal/session`.
    pub(crate) async fn session_view(&self, secret: &WireSecret) -> Result<SessionView, Error> {
        let session = self.session(secret).await?;
        let second_factor_needed = self.lacks_second_factor(&session).await?;
        Ok(SessionView {
            sid: session.sid,
            user: session.user(),
            role: if second_factor_needed { Role::User } else { session.role },
            second_factor_needed,
            expires_at: from_millis(session.expires_at()),
            provisioning: self.provisioning(session.user_id).await?,
        })
    }

    /// Ends a session; one that has ended already is no error.
    pub(crate) async fn end_session(&self, session: &StoredSession) -> Result<(), Error> {
        let entry = audit::entry(self.now(), &session.user_id, "logout", &session.sid, None);
        if let Some(seq) = self.store.end_session(session.sid, &entry).await? {
            self.announce_revocation(seq);
        }
        Ok(())
    }

    /// `POST /portal/logout`.
    pub(crate) async fn logout(&self, secret: &WireSecret) -> Result<(), Error> {
        let hash = sha256(secret.expose().as_bytes());
        match self.store.session_by_secret(&hash).await? {
            Some(session) => self.end_session(&session).await,
            None => Ok(()),
        }
    }

    /// `POST /portal/sessions/list`.
    pub(crate) async fn sessions(&self, secret: &WireSecret) -> Result<SessionList, Error> {
        let own = self.session(secret).await?;
        self.write_touches().await?;
        let sessions = self.store.sessions_of(own.user_id, self.now()).await?;
        let item = |session: &ListedSession| SessionItem {
            sid: session.sid,
            current: session.sid == own.sid,
            created_at: from_millis(session.created_at),
            last_used_at: from_millis(session.last_used_at),
            expires_at: from_millis(session.expires_at),
            address: session.address.clone(),
            agent: session.agent.clone(),
            remember: session.remember,
        };
        Ok(SessionList { sessions: sessions.iter().map(item).collect() })
    }

    /// `POST /portal/sessions/revoke`. One that has ended, or that is somebody else's, is no error: nothing is
    /// done, and nothing is learnt.
    pub(crate) async fn revoke_session(&self, request: &RevokeSessionRequest) -> Result<(), Error> {
        let own = self.session(&request.session).await?;
        let entry =
            audit::entry(self.now(), &own.user_id, "session-revoke", &request.sid, request.client_addr);
        if let Some(seq) = self.store.end_session_of(own.user_id, request.sid, &entry).await? {
            self.announce_revocation(seq);
        }
        Ok(())
    }

    /// `POST /portal/sessions/revoke-others`.
    pub(crate) async fn revoke_other_sessions(&self, request: &RevokeOthersRequest) -> Result<(), Error> {
        let own = self.session(&request.session).await?;
        let (user, address) = (own.user_id, request.client_addr);
        let entry = audit::entry(self.now(), &user, "sessions-revoke-others", &user, address);
        if let Some(seq) = self.store.end_other_sessions(user, own.sid, &entry).await? {
            self.announce_revocation(seq);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_slides_and_the_whole_life_does_not() {
        let (usual, ends_at) = (Lifetime::of(false), 12 * HOUR_MS);
        assert_eq!(usual.idle_end(0, ends_at), HOUR_MS);
        assert_eq!(usual.idle_end(1000, ends_at), HOUR_MS + 1000);
        assert_eq!(usual.idle_end(ends_at - 1, ends_at), ends_at);
    }

    #[test]
    fn only_who_asked_for_it_stays_signed_in_for_thirty_days() {
        let of = |remember| start(UserId::generate(), Origin { remember, ..Origin::default() }, 0).0;
        assert_eq!((of(false).idle_ends_at, of(false).ends_at), (HOUR_MS, 12 * HOUR_MS));
        assert_eq!((of(true).idle_ends_at, of(true).ends_at), (LONGEST_MS, LONGEST_MS));
        assert_eq!(cookie_secs(false, 12 * HOUR_MS, 0), None);
        assert_eq!(cookie_secs(true, LONGEST_MS, 0), Some(30 * 86_400));
        assert_eq!(cookie_secs(true, LONGEST_MS, LONGEST_MS + 1), Some(0));
    }

    #[test]
    fn what_a_browser_calls_itself_is_capped_and_escaped() {
        let agent = |text: &str| Origin::new(None, Some(text), false).agent;
        assert_eq!(agent(" Mozilla/5.0 "), Some("Mozilla/5.0".to_owned()));
        assert_eq!(agent(" "), None);
        assert_eq!(agent("a\nb"), Some("a\\nb".to_owned()));
        assert!(agent(&"x".repeat(10_000)).is_some_and(|agent| agent.len() < 250));
    }
}

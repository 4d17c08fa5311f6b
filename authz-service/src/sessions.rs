//! Portal sessions: 256 random bits in a cookie, their hash in the store. A session ends an hour after its
//! last use and twelve hours after sign-in whatever happens; its public id is what tokens carry as `sid`.

use control_api::authz::{SessionView, UserView};
use control_api::ids::{SessionId, UserId};
use control_api::wire::WireSecret;
use service_kit::clock::from_millis;
use service_kit::secret::{Secret, random_token, sha256};

use crate::audit;
use crate::authz::Authz;
use crate::error::Error;
use crate::store::sessions::{NewSession, StoredSession};

/// Idle time after which a session ends.
pub(crate) const IDLE_MS: i64 = 60 * 60 * 1000;
/// Longest life of a session.
pub(crate) const ABSOLUTE_MS: i64 = 12 * 60 * 60 * 1000;
/// Use is written down at most this often: a write a request would be a disk sync a request.
const TOUCH_EVERY_MS: i64 = 30 * 1000;

/// A new session and the secret that proves it, which is not kept.
pub(crate) fn start(user_id: UserId, now: i64) -> (NewSession, Secret<String>) {
    let secret = random_token();
    let session = NewSession {
        sid: SessionId::generate(),
        secret_hash: sha256(secret.expose().as_bytes()),
        user_id,
        created_at: now,
        ends_at: now + ABSOLUTE_MS,
    };
    (session, secret)
}

/// When it ends if it is not used.
fn expires_at(session: &StoredSession) -> i64 {
    (session.last_used_at + IDLE_MS).min(session.ends_at)
}

impl StoredSession {
    /// Whose it is.
    pub(crate) fn user(&self) -> UserView {
        UserView { user_id: self.user_id, username: self.username.clone(), email: self.email.clone() }
    }
}

impl Authz {
    /// The living session of a secret; asking counts as use.
    pub(crate) async fn session(&self, secret: &WireSecret) -> Result<StoredSession, Error> {
        let hash = sha256(secret.expose().as_bytes());
        let session = self.store.session_by_secret(&hash).await?;
        self.use_session(session).await
    }

    /// The living session of a public id, as signed tokens name it; asking counts as use.
    pub(crate) async fn session_of_token(&self, sid: SessionId) -> Result<StoredSession, Error> {
        let session = self.store.session_by_sid(sid).await?;
        self.use_session(session).await
    }

    async fn use_session(&self, session: Option<StoredSession>) -> Result<StoredSession, Error> {
        let now = self.now();
        let mut session = session.filter(|session| now < expires_at(session)).ok_or(Error::SessionEnded)?;
        if now - session.last_used_at >= TOUCH_EVERY_MS {
            self.store.touch_session(session.sid, now).await?;
            session.last_used_at = now;
        }
        Ok(session)
    }

    /// `POST /portal/session`.
    pub(crate) async fn session_view(&self, secret: &WireSecret) -> Result<SessionView, Error> {
        let session = self.session(secret).await?;
        Ok(SessionView {
            sid: session.sid,
            user: session.user(),
            role: session.role,
            expires_at: from_millis(expires_at(&session)),
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::authz::Role;

    #[test]
    fn idle_time_slides_and_the_whole_life_does_not() {
        let session = |last_used_at| StoredSession {
            sid: SessionId::generate(),
            user_id: UserId::generate(),
            username: "alice".parse().expect("a name"),
            email: String::new(),
            role: Role::User,
            last_used_at,
            ends_at: ABSOLUTE_MS,
        };
        assert_eq!(expires_at(&session(0)), IDLE_MS);
        assert_eq!(expires_at(&session(1000)), IDLE_MS + 1000);
        assert_eq!(expires_at(&session(ABSOLUTE_MS - 1)), ABSOLUTE_MS);
    }
}

//! A new password for somebody who is signed in. The one until now is asked for, through the same queue of
//! hashes as at sign-in and with a delay that grows with each failure, so that a stolen session cannot be used
//! to guess it. Afterwards every session of the account has ended but this one, and this one has a new id and a
//! new secret: a copy of its cookie, or of a token that hung on it, is worth nothing. An account
//! without a password may set its first one for some minutes after a sign-in.

use control_api::sessions::{ChangePasswordAnswer, ChangePasswordRequest};

use crate::accounts::{secret, too_soon};
use crate::authz::Authz;
use crate::delays::{self, Try};
use crate::error::{Error, Faults};
use crate::mail::letter::{Letter, Notice};
use crate::password::hashing::{NO_PASSWORD, Verdict};
use crate::password::policy;
use crate::sessions::is_fresh;
use crate::store::passwords::NewPassword;
use crate::store::sessions::StoredSession;
use crate::{audit, sessions};

const CURRENT: &str = "current_password";
const NEW: &str = "new_password";

impl Authz {
    /// `POST /portal/password`.
    pub(crate) async fn change_password(
        &self,
        request: &ChangePasswordRequest,
    ) -> Result<ChangePasswordAnswer, Error> {
        let session = self.session(&request.session).await?;
        self.judge_new_password(&session, request).await?;
        let stored = self.store.password_of(session.user_id).await?.ok_or(Error::SessionEnded)?;
        let (user, address) = (session.user_id, request.client_addr);
        if stored.hash == NO_PASSWORD && !is_fresh(&session, self.now()) {
            return Err(Error::SignInAgain);
        }
        // Counted apart from sign-ins, so that whoever fails here slows nobody's sign-in, and the other way round.
        let key = delays::key(&format!("password of {user}"), None);
        let bucket = self.bucket(Try::Login, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), self.now()).await?)?;
        let hashed = self.verified(request, stored.hash).await;
        let hash = match hashed {
            Ok(Some(hash)) => hash,
            Ok(None) => {
                let entry = audit::entry(self.now(), &user, "password-change-failed", &user, address);
                self.store.append_audit(&entry).await?;
                return Err(wrong());
            }
            Err(error) => {
                self.store.release_try(&key).await?;
                return Err(error);
            }
        };
        let now = self.now();
        let (renewed, session_secret) = sessions::renew(&session, now);
        let (remember, ends_at) = (renewed.remember, renewed.ends_at);
        let audit = audit::entry(now, &user, "password-change", &renewed.sid, address);
        let notice = Letter::Notice { user_id: user, to: None, what: Notice::PasswordChanged };
        let notice = self.mail(notice, request.language)?;
        let (version, before) = (stored.version, session.sid);
        let change = NewPassword { hash, version, before, renewed, bucket, key, notice, audit };
        // Nothing was written where another change, or the end of the session, came first.
        let seq = self.store.change_password(change).await?.ok_or(Error::SessionEnded)?;
        self.announce_revocation(seq);
        self.mailed();
        let cookie_max_age_s = sessions::cookie_secs(remember, ends_at, now);
        Ok(ChangePasswordAnswer { session: session_secret.into(), cookie_max_age_s })
    }

    /// What can be said without asking for the current password: it costs nothing and counts as no try.
    async fn judge_new_password(
        &self,
        session: &StoredSession,
        request: &ChangePasswordRequest,
    ) -> Result<(), Error> {
        let new = request.new_password.expose();
        let (name, email) = (session.username.as_str(), session.email.as_str());
        let least = self.password_min(session.user_id).await?;
        let fault = match policy::fault(new, least, name, email) {
            None if new == request.current_password.expose() => {
                Some("must be another one than the current password".to_owned())
            }
            fault => fault,
        };
        fault.map_or(Ok(()), |fault| Err(Error::Fields(Faults::one(NEW, fault))))
    }

    /// The hash of the new password where the current one is right, or there is none.
    async fn verified(
        &self,
        request: &ChangePasswordRequest,
        stored: String,
    ) -> Result<Option<String>, Error> {
        if stored == NO_PASSWORD {
            return self.hasher.hash(secret(&request.new_password)).await.map(Some);
        }
        match self.hasher.verify(secret(&request.current_password), Some(stored)).await? {
            Verdict::Wrong => Ok(None),
            Verdict::Right | Verdict::RightRehashed(_) => {
                self.hasher.hash(secret(&request.new_password)).await.map(Some)
            }
        }
    }
}

fn wrong() -> Error {
    Error::Fields(Faults::one(CURRENT, "is not the current password"))
}

//! The second factor: one-time passwords of an authenticator app (RFC 6238), passkeys (`crate::passkeys`) and, for
//! who has lost both, recovery codes. `login` asks for it at sign-in, `change` sets it up, renews it and takes it away, `code` reads and checks
//! what somebody typed.
//!
//! What must stay true: a one-time password and a recovery code work once, also when many ask at the same moment;
//! whoever knows the password alone gets no session, learns nothing else, and cannot guess faster with many
//! sign-ins than with one; a stolen session cannot change the factor without the password and a code.

mod change;
mod code;
mod login;
mod recovery;

use control_api::authz::{Role, SessionRequest};
use control_api::ids::UserId;
use control_api::passkeys::PasskeyView;
use control_api::second_factor::SecondFactorView;
use control_api::wire::WireSecret;
use service_kit::clock::from_millis;

use crate::authz::Authz;
use crate::config::AdminSecondFactor;
use crate::error::Error;
use crate::mail::letter::{Letter, Notice};
use crate::passkeys::RelyingParty;
use crate::password::policy;
use crate::store::passkeys::StoredPasskey;
use crate::store::sessions::StoredSession;
use crate::{audit, sessions};

pub(crate) use change::{Confirmation, Wanted};
pub(crate) use login::Pending;

impl Authz {
    /// `POST /portal/second-factor`.
    pub(crate) async fn second_factor(&self, request: &SessionRequest) -> Result<SecondFactorView, Error> {
        let session = self.session(&request.session).await?;
        let factors = self.store.factors_of(session.user_id).await?;
        Ok(SecondFactorView {
            totp_since: factors.totp_since.map(from_millis),
            passkeys: self.store.passkeys_of(session.user_id).await?.into_iter().map(passkey_view).collect(),
            passkeys_possible: RelyingParty::at(&self.config.portal_url).is_some(),
            recovery_codes: factors.recovery_codes,
            needed: self.lacks_second_factor(&session).await?,
            password_min: self.password_min(session.user_id).await?,
        })
    }

    /// The living session of an administrator who has the second factor that administrators need.
    pub(crate) async fn administrator(&self, secret: &WireSecret) -> Result<StoredSession, Error> {
        let session = self.session(secret).await?;
        if session.role != Role::Admin {
            return Err(Error::NotYours("Only administrators may do this."));
        }
        if self.lacks_second_factor(&session).await? {
            return Err(Error::SecondFactorNeeded);
        }
        Ok(session)
    }

    /// Whether a session's administrator may administer nothing for want of a second factor.
    pub(crate) async fn lacks_second_factor(&self, session: &StoredSession) -> Result<bool, Error> {
        let asked =
            session.role == Role::Admin && self.config.admin_second_factor == AdminSecondFactor::Required;
        Ok(asked && !self.store.has_second_factor(session.user_id).await?)
    }

    /// The shortest password that an account may take: with a second factor a password carries less.
    pub(crate) async fn password_min(&self, user: UserId) -> Result<usize, Error> {
        let usual = self.config.password_min;
        if self.store.has_second_factor(user).await? {
            return Ok(usual.min(policy::MIN_WITH_SECOND_FACTOR));
        }
        Ok(usual)
    }

    /// `DELETE /internal/accounts/{id}/second-factor`: takes it away from who has lost it, and ends the sessions of
    /// the account, whoever has them.
    pub(crate) async fn reset_second_factor(&self, user: UserId) -> Result<(), Error> {
        let entry = audit::entry(self.now(), &"operator", "second-factor-reset", &user, None);
        let language = self.store.language_of(user).await?;
        let notice = self.mail(second_factor_notice(user), language)?;
        match self.store.reset_second_factor(user, &entry, notice).await? {
            None => return Err(Error::NotFound("There is no account with this id.")),
            Some(Some(seq)) => self.announce_revocation(seq),
            Some(None) => {}
        }
        self.mailed();
        tracing::info!(user_id = %user, "the operator took the second factor of an account away");
        Ok(())
    }
}

/// Tells the account's own address, if it is proved.
fn second_factor_notice(user_id: UserId) -> Letter {
    Letter::Notice { user_id, to: None, what: Notice::SecondFactorChanged }
}

fn passkey_view(passkey: StoredPasskey) -> PasskeyView {
    PasskeyView {
        passkey_id: passkey.passkey_id,
        name: passkey.name,
        created_at: from_millis(passkey.created_at),
        last_used_at: passkey.last_used_at.map(from_millis),
    }
}

/// When a renewed session's cookie ends, for the answer.
fn cookie_max_age(session: &crate::store::sessions::NewSession, now: i64) -> Option<u64> {
    sessions::cookie_secs(session.remember, session.ends_at, now)
}

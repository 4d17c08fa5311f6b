//! What somebody typed as their second factor, and whether it is right. Being right is not being used up: that is
//! written together with what the code lets happen, by the one that wins.

use control_api::ids::UserId;
use control_api::wire::WireSecret;
use service_kit::secret::Secret;
use service_kit::totp;

use super::recovery;
use crate::authz::Authz;
use crate::error::Error;
use crate::store::second_factor::Used;

/// What a text can be.
enum Typed {
    OneTime(String),
    Recovery(String),
    Neither,
}

fn parse(code: &WireSecret) -> Typed {
    let text = recovery::typed(code.expose());
    if text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Typed::OneTime(text)
    } else if recovery::is_code(&text) {
        Typed::Recovery(text)
    } else {
        Typed::Neither
    }
}

/// What the secret of an account is sealed for.
fn seal_label(user: UserId) -> String {
    format!("one-time passwords of {user}")
}

impl Authz {
    /// Seals the secret of an account's one-time passwords.
    pub(super) fn seal_totp(&self, user: UserId, secret: &[u8]) -> Result<Vec<u8>, Error> {
        self.keys.seal(&seal_label(user), secret).map_err(Error::Internal)
    }

    /// What [`Self::seal_totp`] made for the same account.
    pub(super) fn unseal_totp(&self, user: UserId, sealed: &[u8]) -> Result<Secret<Vec<u8>>, Error> {
        let failed = || Error::Internal(format!("the one-time passwords of {user} cannot be unsealed"));
        self.keys.unseal(&seal_label(user), sealed).ok_or_else(failed)
    }

    /// What must be used up for the code to count; `None` where it is wrong, used or too old.
    pub(super) async fn judge_code(&self, user: UserId, code: &WireSecret) -> Result<Option<Used>, Error> {
        match parse(code) {
            Typed::OneTime(digits) => {
                let Some(stored) = self.store.totp_of(user).await? else { return Ok(None) };
                let secret = self.unseal_totp(user, &stored.secret_sealed)?;
                let secs = self.clock.now_secs();
                let step = totp::matching_step(secret.expose(), &digits, secs, stored.last_step);
                Ok(step.map(Used::Step))
            }
            Typed::Recovery(text) => {
                let mac = recovery::mac(&self.keys, user, &text);
                let known = self.store.is_recovery_code(user, &mac).await?;
                Ok(known.then_some(Used::Recovery(mac)))
            }
            Typed::Neither => Ok(None),
        }
    }

    /// The step of a first code, made with a secret that nobody has confirmed yet.
    pub(super) fn judge_first_code(&self, secret: &[u8], code: &WireSecret) -> Option<i64> {
        match parse(code) {
            Typed::OneTime(digits) => totp::matching_step(secret, &digits, self.clock.now_secs(), 0),
            Typed::Recovery(_) | Typed::Neither => None,
        }
    }
}

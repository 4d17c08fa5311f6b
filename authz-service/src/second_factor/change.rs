//! Setting up, renewing and taking away the second factor, for somebody who is signed in. The password is asked
//! for each time, and a code of the factor that is on, with a delay of its own that grows with each failure.
//! Afterwards every session of the account has ended but this one, and this one has a new id and a new secret.

use std::net::IpAddr;

use control_api::authz::SessionRequest;
use control_api::mail::Language;
use control_api::second_factor::{
    ChangeSecondFactorRequest, ConfirmTotpRequest, SecondFactorAnswer, TotpSetup,
};
use control_api::wire::WireSecret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use service_kit::secret::{Secret, random_bytes};
use service_kit::totp;

use super::{cookie_max_age, recovery, second_factor_notice};
use crate::accounts::{secret, too_soon};
use crate::authz::Authz;
use crate::delays::{self, Bucket, Try};
use crate::error::{Error, Faults};
use crate::password::hashing::Verdict;
use crate::store::second_factor::{Change, Changed, FactorChange, Used};
use crate::store::sessions::StoredSession;
use crate::store::totp::NewSetup;
use crate::{audit, sessions};

/// How long a secret waits for its first code.
const SETUP_LIFETIME_MS: i64 = 30 * 60 * 1000;
const PASSWORD: &str = "current_password";
const CODE: &str = "code";
const EXISTING_CODE: &str = "existing_code";
const CODE_WRONG: &str = "is wrong, was used already, or is too old; enter the next one";

/// What somebody gives to show that they may change the factor.
pub(crate) struct Confirmation<'a> {
    pub(crate) password: &'a WireSecret,
    /// A one-time password or a recovery code.
    pub(crate) code: Option<&'a WireSecret>,
    pub(crate) address: Option<IpAddr>,
}

/// A try that was counted and whose password is right.
struct Proven {
    password_version: i64,
    key: [u8; 32],
    bucket: Option<Bucket>,
}

/// What is changed, with what shows that it may be.
pub(crate) struct Wanted {
    pub(crate) change: Change,
    pub(crate) used: Option<Used>,
    /// Whether a new set of recovery codes is made.
    pub(crate) new_codes: bool,
    pub(crate) action: &'static str,
    /// To whom or what, for the log.
    pub(crate) target: String,
    /// Of the mail that tells of it.
    pub(crate) language: Language,
}

impl<'a> Confirmation<'a> {
    fn of(request: &'a ChangeSecondFactorRequest) -> Self {
        Self { password: &request.current_password, code: Some(&request.code), address: request.client_addr }
    }
}

impl Authz {
    /// `POST /portal/second-factor/totp`. The secret of a set-up under way comes again, so that a page can be
    /// shown twice; another session of the same account begins anew and never sees it.
    pub(crate) async fn begin_totp(&self, request: &SessionRequest) -> Result<TotpSetup, Error> {
        let session = self.session(&request.session).await?;
        let (user, now) = (session.user_id, self.now());
        if self.store.totp_of(user).await?.is_some() {
            return Err(Error::SecondFactorOn);
        }
        let plain = if let Some(sealed) = self.store.totp_setup(user, session.sid, now).await? {
            self.unseal_totp(user, &sealed)?
        } else {
            let plain = Secret::new(random_bytes::<{ totp::SECRET_LEN }>().to_vec());
            let secret_sealed = self.seal_totp(user, plain.expose())?;
            let expires_at = now + SETUP_LIFETIME_MS;
            let setup = NewSetup { user_id: user, sid: session.sid, secret_sealed, expires_at };
            self.store.put_totp_setup(&setup).await?;
            plain
        };
        let secret = Secret::new(totp::base32(plain.expose()));
        let issuer = format!("Beaver {}", self.config.portal_url.host_str().unwrap_or_default());
        let uri = uri(&issuer, session.username.as_str(), secret.expose());
        Ok(TotpSetup { secret: secret.into(), uri: Secret::new(uri).into() })
    }

    /// `POST /portal/second-factor/totp/confirm`.
    pub(crate) async fn confirm_totp(
        &self,
        request: &ConfirmTotpRequest,
    ) -> Result<SecondFactorAnswer, Error> {
        let session = self.session(&request.session).await?;
        let (user, address) = (session.user_id, request.client_addr);
        let setup = self.store.totp_setup(user, session.sid, self.now()).await?;
        let sealed = setup.ok_or(Error::NotFound("No secret waits for its first code; begin anew."))?;
        let plain = self.unseal_totp(user, &sealed)?;
        let confirmation = Confirmation {
            password: &request.current_password,
            code: request.existing_code.as_ref(),
            address,
        };
        let proven = self.password_proven(&session, &confirmation).await?;
        let is_first = !self.store.has_second_factor(user).await?;
        let proof = if is_first {
            None
        } else {
            Some(self.code_proven(&session, &confirmation, EXISTING_CODE).await?)
        };
        let Some(step) = self.judge_first_code(plain.expose(), &request.code) else {
            return Err(self.change_refused(&session, address, CODE, CODE_WRONG).await?);
        };
        let change = Change::ConfirmTotp { secret_sealed: sealed, step };
        let target = user.to_string();
        let wanted = Wanted {
            change,
            used: proof,
            new_codes: is_first,
            action: "second-factor-on",
            target,
            language: request.language,
        };
        self.change_factor(&session, proven, wanted, address).await
    }

    /// `POST /portal/second-factor/totp/remove`.
    pub(crate) async fn remove_totp(
        &self,
        request: &ChangeSecondFactorRequest,
    ) -> Result<SecondFactorAnswer, Error> {
        let session = self.session(&request.session).await?;
        let is_last = self.store.passkeys_of(session.user_id).await?.is_empty();
        let wanted = |used| Wanted {
            change: Change::RemoveTotp,
            used: Some(used),
            new_codes: false,
            action: "second-factor-off",
            target: session.user_id.to_string(),
            language: request.language,
        };
        self.take_factor_away(&session, &Confirmation::of(request), is_last, wanted).await
    }

    /// `POST /portal/second-factor/recovery-codes`.
    pub(crate) async fn renew_recovery_codes(
        &self,
        request: &ChangeSecondFactorRequest,
    ) -> Result<SecondFactorAnswer, Error> {
        let session = self.session(&request.session).await?;
        let confirmation = Confirmation::of(request);
        let proven = self.password_proven(&session, &confirmation).await?;
        let wanted = Wanted {
            change: Change::NewCodes,
            used: Some(self.code_proven(&session, &confirmation, CODE).await?),
            new_codes: true,
            action: "recovery-codes-new",
            target: session.user_id.to_string(),
            language: request.language,
        };
        self.change_factor(&session, proven, wanted, request.client_addr).await
    }

    /// Takes one factor away. Who has a password that is too short without any is asked for a longer one first.
    pub(crate) async fn take_factor_away(
        &self,
        session: &StoredSession,
        confirmation: &Confirmation<'_>,
        is_last: bool,
        wanted: impl FnOnce(Used) -> Wanted + Send,
    ) -> Result<SecondFactorAnswer, Error> {
        let proven = self.password_proven(session, confirmation).await?;
        let used = self.code_proven(session, confirmation, CODE).await?;
        let (chars, least) = (confirmation.password.expose().chars().count(), self.config.password_min);
        if is_last && chars < least {
            // All of it was right: no try is counted.
            self.store.release_try(&proven.key).await?;
            let fault = format!(
                "has fewer than {least} characters, which is too short without a second factor; change it first"
            );
            return Err(Error::Fields(Faults::one("password", fault)));
        }
        self.change_factor(session, proven, wanted(used), confirmation.address).await
    }

    /// Whether somebody may begin to add a factor: the password is right, and the code of one that is on, which is
    /// used up.
    pub(crate) async fn confirmed(
        &self,
        session: &StoredSession,
        confirmation: &Confirmation<'_>,
    ) -> Result<(), Error> {
        let user = session.user_id;
        let proven = self.password_proven(session, confirmation).await?;
        let proof = if self.store.has_second_factor(user).await? {
            Some(self.code_proven(session, confirmation, CODE).await?)
        } else {
            None
        };
        let (key, bucket) = (&proven.key, proven.bucket.as_ref());
        if !self.store.accept_confirmation(user, proof.as_ref(), key, bucket).await? {
            return Err(self.change_refused(session, confirmation.address, CODE, CODE_WRONG).await?);
        }
        Ok(())
    }

    /// The code of a factor that is on.
    async fn code_proven(
        &self,
        session: &StoredSession,
        confirmation: &Confirmation<'_>,
        field: &'static str,
    ) -> Result<Used, Error> {
        let used = match confirmation.code {
            Some(code) => self.judge_code(session.user_id, code).await?,
            None => None,
        };
        match used {
            Some(used) => Ok(used),
            None => Err(self.change_refused(session, confirmation.address, field, CODE_WRONG).await?),
        }
    }

    /// Counts a try and checks the password.
    async fn password_proven(
        &self,
        session: &StoredSession,
        confirmation: &Confirmation<'_>,
    ) -> Result<Proven, Error> {
        let (user, address) = (session.user_id, confirmation.address);
        let stored = self.store.password_of(user).await?.ok_or(Error::SessionEnded)?;
        // Counted apart from sign-ins, so that whoever fails here slows nobody's sign-in, and the other way round.
        let key = delays::key(&format!("change of the second factor of {user}"), None);
        let bucket = self.bucket(Try::Login, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), self.now()).await?)?;
        match self.hasher.verify(secret(confirmation.password), Some(stored.hash)).await {
            Ok(Verdict::Right | Verdict::RightRehashed(_)) => {
                Ok(Proven { password_version: stored.version, key, bucket })
            }
            Ok(Verdict::Wrong) => {
                Err(self.change_refused(session, address, PASSWORD, "is not your password").await?)
            }
            Err(error) => {
                self.store.release_try(&key).await?;
                Err(error)
            }
        }
    }

    /// Writes down that somebody could not show that they may change the factor.
    async fn change_refused(
        &self,
        session: &StoredSession,
        address: Option<IpAddr>,
        field: &'static str,
        fault: &str,
    ) -> Result<Error, Error> {
        let user = session.user_id;
        let entry = audit::entry(self.now(), &user, "second-factor-failed", &"change", address);
        self.store.append_audit(&entry).await?;
        Ok(Error::Fields(Faults::one(field, fault)))
    }

    /// A change that [`Self::confirmed`] let begin.
    pub(crate) async fn change_factor_now(
        &self,
        session: &StoredSession,
        password_version: i64,
        wanted: Wanted,
        address: Option<IpAddr>,
    ) -> Result<SecondFactorAnswer, Error> {
        self.write_change(session, (password_version, None, None), wanted, address).await
    }

    async fn change_factor(
        &self,
        session: &StoredSession,
        proven: Proven,
        wanted: Wanted,
        address: Option<IpAddr>,
    ) -> Result<SecondFactorAnswer, Error> {
        let proven = (proven.password_version, Some(proven.key), proven.bucket);
        self.write_change(session, proven, wanted, address).await
    }

    async fn write_change(
        &self,
        session: &StoredSession,
        (password_version, key, bucket): (i64, Option<[u8; 32]>, Option<Bucket>),
        wanted: Wanted,
        address: Option<IpAddr>,
    ) -> Result<SecondFactorAnswer, Error> {
        let (user, now) = (session.user_id, self.now());
        let (codes, macs) = if wanted.new_codes {
            let (codes, macs) = recovery::new_set(&self.keys, user);
            (codes, Some(macs))
        } else {
            (Vec::new(), None)
        };
        let (renewed, secret) = sessions::renew(session, now);
        let cookie_max_age_s = cookie_max_age(&renewed, now);
        let mut entries = vec![audit::entry(now, &user, wanted.action, &wanted.target, address)];
        if matches!(wanted.used, Some(Used::Recovery(_))) {
            entries.insert(0, audit::entry(now, &user, "recovery-code-use", &user, address));
        }
        let change = FactorChange {
            change: wanted.change,
            used: wanted.used,
            recovery: macs,
            password_version,
            before: session.sid,
            renewed,
            bucket,
            key,
            entries,
            notice: self.mail(second_factor_notice(user), wanted.language)?,
        };
        match self.store.change_factor(change).await? {
            Changed::Done(seq) => {
                self.announce_revocation(seq);
                self.mailed();
            }
            Changed::CodeUsed => {
                return Err(self.change_refused(session, address, CODE, CODE_WRONG).await?);
            }
            Changed::Ended => return Err(Error::SessionEnded),
        }
        let recovery_codes = codes.into_iter().map(WireSecret::from).collect();
        Ok(SecondFactorAnswer { session: secret.into(), cookie_max_age_s, recovery_codes })
    }
}

/// Key URI format (<https://github.com/google/google-authenticator/wiki/Key-Uri-Format>), with every parameter, as
/// not all apps have the same defaults.
fn uri(issuer: &str, account: &str, secret: &str) -> String {
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (issuer, account) = (encoded(issuer), encoded(account));
    let period = totp::STEP_SECS;
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period={period}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_can_read_the_address() {
        let expected = "otpauth://totp/Beaver%20apps%2Eexample%2Ecom:alice?secret=MZXW6&\
                        issuer=Beaver%20apps%2Eexample%2Ecom&algorithm=SHA1&digits=6&period=30";
        assert_eq!(uri("Beaver apps.example.com", "alice", "MZXW6"), expected);
    }
}

//! The e-mail address of somebody who is signed in: whether it is proved, a link that proves it, and having another
//! one. Another one needs the password, becomes the account's when the link that goes there is used, and the one until
//! now is told at once, while whoever reads it can still stop it.

use control_api::authz::SessionRequest;
use control_api::mail::{ChangeEmailRequest, EmailState, VerifyEmailRequest};

use crate::accounts::{secret, too_soon};
use crate::authz::Authz;
use crate::delays::{self, Try};
use crate::error::{Error, Faults};
use crate::mail::VERIFY_MS;
use crate::mail::letter::{Letter, Notice};
use crate::password::hashing::Verdict;
use crate::store::sessions::StoredSession;
use crate::{audit, email};

/// Links of one account that work at a time.
const MOST_LINKS: i64 = 5;

impl Authz {
    /// `POST /portal/email/state`.
    pub(crate) async fn email_state(&self, request: &SessionRequest) -> Result<EmailState, Error> {
        let session = self.session(&request.session).await?;
        let contact = self.store.contact(session.user_id).await?.ok_or(Error::SessionEnded)?;
        Ok(EmailState { email: contact.email, verified: contact.verified, sends: self.sends_mail() })
    }

    /// `POST /portal/email/verify`.
    pub(crate) async fn verify_email(&self, request: &VerifyEmailRequest) -> Result<(), Error> {
        let session = self.session(&request.session).await?;
        self.need_mail()?;
        if let Some(bucket) = self.bucket(Try::Mail, request.client_addr) {
            too_soon(self.store.take_try(&bucket, self.now()).await?)?;
        }
        let (user, address) = (session.user_id, request.client_addr);
        let (link, mail) = self.verification_link(user, &session.email, request.language)?;
        let entry = audit::entry(self.now(), &user, "email-change-asked", &user, address);
        let mails = mail.into_iter().collect();
        if !self.store.post_link(link, mails, &entry, MOST_LINKS).await? {
            return Err(too_many());
        }
        self.mailed();
        Ok(())
    }

    /// `POST /portal/email`.
    pub(crate) async fn change_email(&self, request: &ChangeEmailRequest) -> Result<(), Error> {
        let session = self.session(&request.session).await?;
        self.need_mail()?;
        let new = email::parse(&request.email).map_err(|fault| Error::Fields(Faults::one("email", fault)))?;
        if new.to_lowercase() == session.email.to_lowercase() {
            return Err(Error::Fields(Faults::one("email", "is your address already")));
        }
        self.prove_password(&session, request).await?;
        let (user, language) = (session.user_id, request.language);
        let (link, mail) = self.verification_link(user, &new, language)?;
        let what = Notice::AddressAsked { new: new.clone() };
        let notice = self.mail(Letter::Notice { user_id: user, to: None, what }, language)?;
        let entry = audit::entry(self.now(), &user, "email-change-asked", &user, request.client_addr);
        let mails = mail.into_iter().chain(notice).collect();
        if !self.store.post_link(link, mails, &entry, MOST_LINKS).await? {
            return Err(too_many());
        }
        self.mailed();
        Ok(())
    }

    /// The password of whoever is signed in, with the delay that a change of the password has too.
    async fn prove_password(
        &self,
        session: &StoredSession,
        request: &ChangeEmailRequest,
    ) -> Result<(), Error> {
        let (user, address) = (session.user_id, request.client_addr);
        let stored = self.store.password_of(user).await?.ok_or(Error::SessionEnded)?;
        let key = delays::key(&format!("password of {user}"), None);
        let bucket = self.bucket(Try::Login, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), self.now()).await?)?;
        match self.hasher.verify(secret(&request.current_password), Some(stored.hash)).await {
            Ok(Verdict::Right | Verdict::RightRehashed(_)) => {
                Ok(self.store.right_try(&key, bucket.as_ref()).await?)
            }
            Ok(Verdict::Wrong) => {
                let entry = audit::entry(self.now(), &user, "email-change-failed", &user, address);
                self.store.append_audit(&entry).await?;
                Err(Error::Fields(Faults::one("current_password", "is not the current password")))
            }
            Err(error) => {
                self.store.release_try(&key).await?;
                Err(error)
            }
        }
    }
}

fn too_many() -> Error {
    Error::TooManyTries(std::time::Duration::from_millis(VERIFY_MS.unsigned_abs()))
}

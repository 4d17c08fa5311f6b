//! A new password for somebody who has forgotten theirs: by a link that is mailed to their proved address, or that the
//! operator hands over. Asking says nothing of whether there is such an account: it is looked for when the mail is
//! sent. A link works once, and with it every session ends.

use control_api::ids::UserId;
use control_api::mail::{ForgotRequest, ResetLinkAnswer, ResetPasswordRequest};
use service_kit::clock::from_millis;

use crate::accounts::{secret, too_soon};
use crate::authz::Authz;
use crate::delays::{self, Try};
use crate::error::{Error, Faults};
use crate::mail::letter::{Letter, Notice};
use crate::mail::{RESET_MS, link_hash, link_token};
use crate::password::policy;
use crate::store::mail_links::{Kind, NewLink};
use crate::store::mails::Post;
use crate::store::resets::Reset;
use crate::{audit, email};

const NEW: &str = "new_password";

impl Authz {
    /// `POST /portal/forgot`.
    pub(crate) async fn forgot(&self, request: &ForgotRequest) -> Result<(), Error> {
        self.need_mail()?;
        let login = request.login.trim().to_lowercase();
        if login.is_empty() || login.len() > email::MAX_LEN {
            return Err(Error::Fields(Faults::one("login", "must be a user name or an e-mail address")));
        }
        let (address, now) = (request.client_addr, self.now());
        // Counted by what was typed, whether or not it is an account's.
        let key = delays::key(&format!("reset of {login}"), None);
        let bucket = self.bucket(Try::Mail, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), now).await?)?;
        let who = audit::stranger(&login);
        let entry = audit::entry(now, &"anonymous", "password-reset-asked", &who, address);
        self.store.append_audit(&entry).await?;
        let mail = self.mail(Letter::Forgot { login }, request.language)?;
        self.store.post(&Post { link: None, mails: mail.into_iter().collect() }).await?;
        self.mailed();
        Ok(())
    }

    /// `POST /portal/reset`.
    pub(crate) async fn reset_password(&self, request: &ResetPasswordRequest) -> Result<(), Error> {
        let token_hash = link_hash(request.token.expose());
        let living = self.store.living_link(&token_hash, Kind::Reset, self.now()).await?;
        let living = living.ok_or(Error::CodeInvalid)?;
        let (new, contact) = (request.new_password.expose(), &living.contact);
        if let Some(fault) = policy::fault(new, self.config.password_min, &contact.username, &contact.email) {
            return Err(Error::Fields(Faults::one(NEW, fault)));
        }
        let password_hash = self.hasher.hash(secret(&request.new_password)).await?;
        let user_id = living.user_id;
        let letter = Letter::Notice { user_id, to: None, what: Notice::PasswordReset };
        let mails = self.mail(letter, request.language)?.into_iter().collect();
        let audit = audit::entry(self.now(), &user_id, "password-reset", &user_id, request.client_addr);
        let reset = Reset { token_hash, user_id, password_hash, mails, audit };
        let seq = self.store.reset_password(reset).await?.ok_or(Error::CodeInvalid)?;
        self.announce_revocation(seq);
        self.mailed();
        Ok(())
    }

    /// `POST /internal/accounts/{id}/reset-link`: the operator's, for whoever has no mail.
    pub(crate) async fn reset_link(&self, user_id: UserId) -> Result<ResetLinkAnswer, Error> {
        if self.store.contact(user_id).await?.is_none() {
            return Err(Error::NotFound("There is no account with this id."));
        }
        let (token, token_hash) = link_token();
        let expires_at = self.now() + RESET_MS;
        // It goes to no address, so it proves none.
        let link = NewLink { token_hash, kind: Kind::Reset, user_id, email: String::new(), expires_at };
        let entry = audit::entry(self.now(), &"operator", "password-reset-link", &user_id, None);
        self.store.hand_over_link(link, &entry).await?;
        let url = self.link("/reset", token.expose());
        Ok(ResetLinkAnswer { url: url.into(), expires_at: from_millis(expires_at) })
    }
}

//! Proving an e-mail address by a link that was sent there. Where that is required there is no account until the link
//! is used, so that a sign-up says nothing of whether its address has one: the answer, what is written and how long it
//! takes are the same, and the owner of the address is told by mail.

use control_api::authz::{RegisterAccountRequest, RegistrationMode, Role};
use control_api::ids::UserId;
use control_api::mail::{ConfirmLinkAnswer, ConfirmLinkRequest, Confirmed, Language};

use crate::accounts::{NewUser, USERNAME_TAKEN, created};
use crate::audit;
use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::mail::letter::{Letter, Notice};
use crate::mail::{VERIFY_MS, link_hash, link_token};
use crate::store::accounts::{Account, AccountState, Alongside, Creation};
use crate::store::mail_links::{Kind, NewLink, Proved};
use crate::store::mails::{NewMail, Post};
use crate::store::registrations::Registration;

impl Authz {
    /// Stores a sign-up until its link is used. Always an error: the one that says so, where all went well.
    pub(crate) async fn register_later(
        &self,
        user: NewUser,
        password_hash: String,
        request: &RegisterAccountRequest,
    ) -> Error {
        match self.store_registration(user, password_hash, request).await {
            Ok(()) => Error::VerificationPending,
            Err(error) => error,
        }
    }

    async fn store_registration(
        &self,
        user: NewUser,
        password_hash: String,
        request: &RegisterAccountRequest,
    ) -> Result<(), Error> {
        let (token, token_hash) = link_token();
        let language = request.language;
        let letter = Letter::Register {
            to: user.email.clone(),
            username: user.username.to_string(),
            token: token.into(),
        };
        let post = Post { link: None, mails: self.mail(letter, language)?.into_iter().collect() };
        let waiting = Registration {
            username: user.username,
            email: user.email,
            password_hash,
            invite_hash: user.invite_hash,
            language,
            expires_at: self.now() + VERIFY_MS,
        };
        if !self.store.register_later(&token_hash, &waiting, &post).await? {
            return Err(Error::Taken(Faults::one("username", USERNAME_TAKEN)));
        }
        self.mailed();
        Ok(())
    }

    /// The link and the mail of a new account that works at once; nothing where nobody is asked.
    pub(crate) fn verification_post(
        &self,
        user_id: UserId,
        email: &str,
        language: Language,
    ) -> Result<Post, Error> {
        if self.verification() == control_api::mail::EmailVerification::Off {
            return Ok(Post::default());
        }
        let (link, mail) = self.verification_link(user_id, email, language)?;
        Ok(Post { link: Some(link), mails: mail.into_iter().collect() })
    }

    /// A link that makes an address an account's, and the mail with it.
    pub(crate) fn verification_link(
        &self,
        user_id: UserId,
        email: &str,
        language: Language,
    ) -> Result<(NewLink, Option<NewMail>), Error> {
        let (token, token_hash) = link_token();
        let letter = Letter::Verify { to: email.to_owned(), user_id, token: token.into() };
        let mail = self.mail(letter, language)?;
        let expires_at = self.now() + VERIFY_MS;
        let link = NewLink { token_hash, kind: Kind::Verify, user_id, email: email.to_owned(), expires_at };
        Ok((link, mail))
    }

    /// `POST /portal/mail/confirm`.
    pub(crate) async fn confirm_link(
        &self,
        request: &ConfirmLinkRequest,
    ) -> Result<ConfirmLinkAnswer, Error> {
        let token_hash = link_hash(request.token.expose());
        let outcome = match self.store.registration(&token_hash, self.now()).await? {
            Some(waiting) => self.finish_registration(&token_hash, waiting, request).await?,
            None => self.prove_address(&token_hash, request).await?,
        };
        Ok(ConfirmLinkAnswer { outcome })
    }

    async fn finish_registration(
        &self,
        token_hash: &[u8; 32],
        waiting: Registration,
        request: &ConfirmLinkRequest,
    ) -> Result<Confirmed, Error> {
        let mode = self.registration();
        if mode == RegistrationMode::Closed {
            return Err(Error::RegistrationClosed);
        }
        if mode == RegistrationMode::Invite && waiting.invite_hash.is_none() {
            return created(&Creation::InviteGone).map(|()| Confirmed::Registered);
        }
        let pending = mode == RegistrationMode::Approval;
        let (user_id, now) = (UserId::generate(), self.now());
        let account = Account {
            user_id,
            username: waiting.username,
            email: waiting.email,
            password_hash: waiting.password_hash,
            state: if pending { AccountState::PendingApproval } else { AccountState::Active },
            role: Role::User,
            created_at: now,
            password_version: 0,
        };
        let alongside = Alongside {
            order: !pending,
            invite_hash: waiting.invite_hash,
            proved: true,
            language: waiting.language,
            ..Alongside::default()
        };
        let entry = audit::entry(now, &user_id, "register", &account.username, request.client_addr);
        let creation = self.store.finish_registration(token_hash, &account, &alongside, &entry).await?;
        match creation.ok_or(Error::CodeInvalid)? {
            // The name is public; of the address nothing is said.
            Creation::Taken { username: false, .. } => Err(Error::CodeInvalid),
            Creation::Taken { .. } => Err(Error::Taken(Faults::one("username", USERNAME_TAKEN))),
            other => created(&other),
        }?;
        if pending {
            return Ok(Confirmed::ApprovalPending);
        }
        self.ordered.notify_one();
        Ok(Confirmed::Registered)
    }

    async fn prove_address(
        &self,
        token_hash: &[u8; 32],
        request: &ConfirmLinkRequest,
    ) -> Result<Confirmed, Error> {
        let now = self.now();
        let living =
            self.store.living_link(token_hash, Kind::Verify, now).await?.ok_or(Error::CodeInvalid)?;
        let language = self.store.language_of(living.user_id).await?;
        let then = |proved: &Proved| {
            let action = if proved.left.is_some() { "email-change" } else { "email-verify" };
            let entry = audit::entry(now, &proved.user_id, action, &proved.user_id, request.client_addr);
            let what = Notice::AddressChanged { new: proved.email.clone() };
            let notice =
                proved.left.clone().map(|to| Letter::Notice { user_id: proved.user_id, to: Some(to), what });
            let mail = notice.and_then(|letter| self.mail(letter, language).ok().flatten());
            (entry, mail.into_iter().collect())
        };
        self.store.prove_address(token_hash, now, then).await?.ok_or(Error::CodeInvalid)?;
        self.mailed();
        Ok(Confirmed::Address)
    }
}

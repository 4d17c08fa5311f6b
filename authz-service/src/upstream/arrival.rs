//! Somebody whom the upstream knows and nobody here does: an account is made once the person has chosen a name, by
//! the rules of registration. It has no password; one can be set later.

use control_api::authz::{RegisterAccountAnswer, RegistrationMode, Role};
use control_api::ids::UserId;
use control_api::mail::EmailVerification;
use control_api::upstream::{UpstreamArrival, UpstreamArrivalRequest, UpstreamRegisterRequest};

use super::hash;
use crate::accounts::{created, parse_email, parse_username, too_soon};
use crate::audit;
use crate::authz::Authz;
use crate::delays::Try;
use crate::error::{Error, Faults};
use crate::password::hashing::NO_PASSWORD;
use crate::sessions::{self, Origin};
use crate::store::accounts::{Account, AccountState, Alongside};
use crate::store::mails::Post;
use crate::store::upstream::NewIdentity;

impl Authz {
    /// `POST /portal/upstream/arrival`.
    pub(crate) async fn upstream_arrival(
        &self,
        request: &UpstreamArrivalRequest,
    ) -> Result<UpstreamArrival, Error> {
        self.upstream()?;
        let arrival = self.store.arrival(&hash(request.browser.expose()), self.now()).await?;
        let arrival = arrival.ok_or(Error::CodeInvalid)?;
        Ok(UpstreamArrival {
            username: arrival.username,
            email: arrival.email,
            registration: self.registration(),
        })
    }

    /// `POST /portal/upstream/register`.
    pub(crate) async fn register_upstream(
        &self,
        request: &UpstreamRegisterRequest,
    ) -> Result<RegisterAccountAnswer, Error> {
        self.upstream()?;
        let mode = self.registration();
        if mode == RegistrationMode::Closed {
            return Err(Error::RegistrationClosed);
        }
        let browser_hash = hash(request.browser.expose());
        let arrival = self.store.arrival(&browser_hash, self.now()).await?.ok_or(Error::CodeInvalid)?;
        let mut faults = Faults::default();
        let username = parse_username(&request.username, &mut faults);
        let email = parse_email(&request.email, &mut faults);
        // The issuer has verified one address, and no other.
        let proved = email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(&arrival.email));
        if self.verification() == EmailVerification::Required && !proved {
            faults.add("email", "must be the one that is verified where you signed in");
        }
        let invite_hash = self.open_invite(request.invite.as_ref(), mode, &mut faults).await?;
        let (Some(username), Some(email), true) = (username, email, faults.is_empty()) else {
            return Err(Error::Fields(faults));
        };
        let address = request.client_addr;
        if let Some(bucket) = self.bucket(Try::Register, address) {
            too_soon(self.store.take_try(&bucket, self.now()).await?)?;
        }
        let (now, user_id) = (self.now(), UserId::generate());
        let origin = Origin::new(address, request.agent.as_deref(), false);
        let (session, session_secret) = sessions::start(user_id, origin, now);
        let post =
            if proved { Post::default() } else { self.verification_post(user_id, &email, request.language)? };
        let pending = mode == RegistrationMode::Approval;
        let account = Account {
            user_id,
            username: username.clone(),
            email,
            password_hash: NO_PASSWORD.to_owned(),
            state: if pending { AccountState::PendingApproval } else { AccountState::Active },
            role: Role::User,
            created_at: now,
            password_version: 0,
        };
        let subject = audit::stranger(&arrival.identity.subject);
        let linked = audit::entry(now, &user_id, "upstream-link", &subject, address);
        let alongside = Alongside {
            session: (!pending).then_some(session),
            order: !pending,
            invite_hash,
            post,
            language: request.language,
            proved,
            identity: Some(NewIdentity { browser_hash, identity: arrival.identity, audit: linked }),
        };
        let entry = audit::entry(now, &user_id, "register", &username, address);
        created(&self.store.create_account(&account, alongside, &entry).await?)?;
        self.mailed();
        if pending {
            tracing::info!(%user_id, %username, "an account waits for approval");
            return Err(Error::ApprovalPending);
        }
        self.ordered.notify_one();
        Ok(RegisterAccountAnswer { user_id, session: session_secret.into(), operation: None })
    }
}

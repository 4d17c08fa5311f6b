//! Making accounts and signing in. Everything that can be wrong with a form is said at once. Signing in
//! answers the same, in the same time, whether or not there is such an account.

use std::net::IpAddr;

use control_api::authz::{
    CreateAccountAnswer, CreateAccountRequest, LoginAccountAnswer, LoginAccountRequest,
    RegisterAccountAnswer, RegisterAccountRequest, RegistrationMode, Role,
};
use control_api::ids::UserId;
use control_api::mail::EmailVerification;
use control_api::names::Username;
use control_api::second_factor::LoginOutcome;
use control_api::wire::WireSecret;
use service_kit::secret::{Secret, sha256};

use crate::authz::Authz;
use crate::delays::{self, Bucket, Try};
use crate::error::{Error, Faults};
use crate::password::hashing::Verdict;
use crate::password::policy;
use crate::second_factor::Pending;
use crate::sessions::Origin;
use crate::store::accounts::{Account, AccountState, Alongside, Creation};
use crate::store::sessions::SignIn;
use crate::{audit, email, sessions, typeable};

pub(crate) const USERNAME_TAKEN: &str = "is taken; choose another";
const EMAIL_TAKEN: &str = "has an account already; sign in instead";
const INVITE_BAD: &str = "is unknown, used or expired; ask for a new one";

/// A form whose fields hold.
pub(crate) struct NewUser {
    pub(crate) username: Username,
    pub(crate) email: String,
    pub(crate) invite_hash: Option<[u8; 32]>,
}

impl Authz {
    /// `POST /portal/register`.
    pub(crate) async fn register(
        &self,
        request: &RegisterAccountRequest,
    ) -> Result<RegisterAccountAnswer, Error> {
        let mode = self.registration();
        if mode == RegistrationMode::Closed {
            return Err(Error::RegistrationClosed);
        }
        let user = self.parse_registration(request, mode).await?;
        if let Some(bucket) = self.bucket(Try::Register, request.client_addr) {
            too_soon(self.store.take_try(&bucket, self.now()).await?)?;
        }
        let password_hash = self.hasher.hash(secret(&request.password)).await?;
        if self.verification() == EmailVerification::Required {
            return Err(self.register_later(user, password_hash, request).await);
        }
        let now = self.now();
        let user_id = UserId::generate();
        let post = self.verification_post(user_id, &user.email, request.language)?;
        let (session, session_secret) =
            sessions::start(user_id, Origin::new(request.client_addr, request.agent.as_deref(), false), now);
        let pending = mode == RegistrationMode::Approval;
        let state = if pending { AccountState::PendingApproval } else { AccountState::Active };
        let username = user.username.clone();
        let account = Account {
            user_id,
            username: user.username,
            email: user.email,
            password_hash,
            state,
            role: Role::User,
            created_at: now,
            password_version: 0,
        };
        let alongside = Alongside {
            session: (!pending).then_some(session),
            order: !pending,
            invite_hash: user.invite_hash,
            post,
            language: request.language,
            proved: false,
            identity: None,
        };
        let entry = audit::entry(now, &user_id, "register", &username, request.client_addr);
        created(&self.store.create_account(&account, alongside, &entry).await?)?;
        self.mailed();
        if pending {
            tracing::info!(%user_id, %username, "an account waits for approval");
            return Err(Error::ApprovalPending);
        }
        self.ordered.notify_one();
        Ok(RegisterAccountAnswer { user_id, session: session_secret.into(), operation: None })
    }

    pub(crate) async fn parse_registration(
        &self,
        request: &RegisterAccountRequest,
        mode: RegistrationMode,
    ) -> Result<NewUser, Error> {
        let mut faults = Faults::default();
        let username = parse_username(&request.username, &mut faults);
        let email = parse_email(&request.email, &mut faults);
        self.check_password(&request.password, &request.username, &request.email, &mut faults);
        let invite_hash = self.open_invite(request.invite.as_ref(), mode, &mut faults).await?;
        match (username, email) {
            (Some(username), Some(email)) if faults.is_empty() => {
                Ok(NewUser { username, email, invite_hash })
            }
            _ => Err(Error::Fields(faults)),
        }
    }

    /// The hash of an invite that can be used now, where registration asks for one.
    pub(crate) async fn open_invite(
        &self,
        invite: Option<&WireSecret>,
        mode: RegistrationMode,
        faults: &mut Faults,
    ) -> Result<Option<[u8; 32]>, Error> {
        if mode != RegistrationMode::Invite {
            return Ok(None);
        }
        let Some(code) = invite.map(|code| code.expose().trim()).filter(|code| !code.is_empty()) else {
            faults.add("invite", "is needed to register here; ask the operator for one");
            return Ok(None);
        };
        let hash = sha256(code.as_bytes());
        if self.store.is_invite_open(&hash, self.now()).await? {
            return Ok(Some(hash));
        }
        faults.add("invite", INVITE_BAD);
        Ok(None)
    }

    fn check_password(&self, password: &WireSecret, username: &str, email: &str, faults: &mut Faults) {
        if let Some(fault) = policy::fault(password.expose(), self.config.password_min, username, email) {
            faults.add("password", fault);
        }
    }

    /// The tries of a caller's network; of none where the caller named no address.
    pub(crate) fn bucket(&self, what: Try, address: Option<IpAddr>) -> Option<Bucket> {
        address.map(|address| Bucket::of(what, address, self.config.login_burst))
    }

    /// `POST /portal/login`.
    pub(crate) async fn login(&self, request: &LoginAccountRequest) -> Result<LoginOutcome, Error> {
        let address = request.client_addr;
        let network = address.map(delays::network);
        let login = request.login.trim().to_lowercase();
        let account = self.store.account_by_login(&login).await?;
        let key = self.delay_key(account.as_ref(), &login, network.as_deref()).await?;
        let bucket = self.bucket(Try::Login, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), self.now()).await?)?;
        let stored = account.as_ref().map(|account| account.password_hash.clone());
        let verdict = match self.hasher.verify(secret(&request.password), stored).await {
            Ok(verdict) => verdict,
            Err(error) => {
                self.store.release_try(&key).await?;
                return Err(error);
            }
        };
        match (account, verdict) {
            (Some(account), Verdict::Right) => self.signed_in(account, None, &login, request).await,
            (Some(account), Verdict::RightRehashed(hash)) => {
                self.signed_in(account, Some(hash), &login, request).await
            }
            _ => {
                let who = audit::stranger(&login);
                let entry = audit::entry(self.now(), &"anonymous", "login-failed", &who, address);
                self.store.append_audit(&entry).await?;
                Err(Error::BadCredentials)
            }
        }
    }

    async fn delay_key(
        &self,
        account: Option<&Account>,
        login: &str,
        network: Option<&str>,
    ) -> Result<[u8; 32], Error> {
        let known = match (account, network) {
            (Some(account), Some(network)) => self.store.is_known_network(account.user_id, network).await?,
            _ => false,
        };
        Ok(delays::key(login, network.filter(|_| known)))
    }

    async fn signed_in(
        &self,
        account: Account,
        rehashed: Option<String>,
        login: &str,
        request: &LoginAccountRequest,
    ) -> Result<LoginOutcome, Error> {
        let address = request.client_addr;
        let network = address.map(delays::network);
        let bucket = self.bucket(Try::Login, address);
        if account.state != AccountState::Active {
            if let Some(bucket) = &bucket {
                self.store.give_back_try(bucket).await?;
            }
            return Err(self.shut_out(account.user_id, account.state).await?);
        }
        let clear_delays = vec![delays::key(login, None), delays::key(login, network.as_deref())];
        if self.store.has_second_factor(account.user_id).await? {
            let pending = Pending { rehashed, clear_delays, bucket, remember: request.remember };
            return self.ask_for_second_factor(&account, pending).await.map(LoginOutcome::SecondFactor);
        }
        let now = self.now();
        let origin = Origin::new(address, request.agent.as_deref(), request.remember);
        let (session, session_secret) = sessions::start(account.user_id, origin, now);
        let cookie_max_age_s = sessions::cookie_secs(session.remember, session.ends_at, now);
        let audit = audit::entry(now, &account.user_id, "login", &session.sid, address);
        let password_version = account.password_version;
        let sign_in = SignIn { session, password_version, rehashed, bucket, clear_delays, network, audit };
        if !self.store.sign_in(sign_in).await? {
            // The password was changed, or the account shut out, while this one was checked.
            return Err(Error::BadCredentials);
        }
        let (user_id, session) = (account.user_id, session_secret.into());
        Ok(LoginOutcome::SignedIn(LoginAccountAnswer { user_id, session, cookie_max_age_s }))
    }

    /// `POST /internal/accounts`: the operator's, so no mode and no throttle stand in its way.
    pub(crate) async fn create_account(
        &self,
        request: &CreateAccountRequest,
    ) -> Result<CreateAccountAnswer, Error> {
        let mut faults = Faults::default();
        let username = parse_username(&request.username, &mut faults);
        let email = match (&username, request.email.trim()) {
            (Some(username), "") => Some(format!("{username}@{}", email::STAND_IN_DOMAIN)),
            (_, "") => None,
            (_, given) => parse_email(given, &mut faults),
        };
        let password = match &request.password {
            Some(given) => {
                self.check_password(given, &request.username, &request.email, &mut faults);
                secret(given)
            }
            None => made_password(),
        };
        let (Some(username), Some(email), true) = (username, email, faults.is_empty()) else {
            return Err(Error::Fields(faults));
        };
        let password_hash = self.hasher.hash(password.clone()).await?;
        let (now, user_id) = (self.now(), UserId::generate());
        let account = Account {
            user_id,
            username: username.clone(),
            email,
            password_hash,
            state: AccountState::Active,
            role: Role::User,
            created_at: now,
            password_version: 0,
        };
        let entry = audit::entry(now, &"operator", "create-account", &user_id, None);
        created(&self.store.create_account(&account, Alongside::default(), &entry).await?)?;
        let password = request.password.is_none().then(|| password.into());
        Ok(CreateAccountAnswer { user_id, username, password })
    }
}

/// The refusal of a try that has to wait so many milliseconds.
pub(crate) fn too_soon(wait_ms: Option<i64>) -> Result<(), Error> {
    wait_ms.map_or(Ok(()), |wait| {
        Err(Error::TooManyTries(std::time::Duration::from_millis(u64::try_from(wait).unwrap_or(0))))
    })
}

/// A refusal of the store's as the caller sees it.
pub(crate) fn created(creation: &Creation) -> Result<(), Error> {
    match *creation {
        Creation::Done => Ok(()),
        Creation::IdentityGone => Err(Error::CodeInvalid),
        Creation::InviteGone => Err(Error::Fields(Faults::one("invite", INVITE_BAD))),
        Creation::Taken { username, email } => {
            let mut faults = Faults::default();
            if username {
                faults.add("username", USERNAME_TAKEN);
            }
            if email {
                faults.add("email", EMAIL_TAKEN);
            }
            Err(Error::Taken(faults))
        }
    }
}

pub(crate) fn parse_username(text: &str, faults: &mut Faults) -> Option<Username> {
    text.parse()
        .map_err(|error: control_api::names::InvalidName| faults.add("username", error.to_string()))
        .ok()
}

pub(crate) fn parse_email(text: &str, faults: &mut Faults) -> Option<String> {
    email::parse(text).map_err(|error| faults.add("email", error)).ok()
}

pub(crate) fn secret(wire: &WireSecret) -> Secret<String> {
    Secret::from(wire.expose())
}

/// Five groups of four characters: 100 bits, and still possible to type.
fn made_password() -> Secret<String> {
    typeable::secret(5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_meets_the_policy() {
        let password = made_password();
        assert_eq!(password.expose().len(), 24);
        assert_eq!(policy::fault(password.expose(), 15, "alice", "alice@example.com"), None);
        assert_ne!(made_password().expose(), password.expose());
    }
}

//! The first administrator. Until there was one, the operator has a code made (256 random bits, single use, 72 hours;
//! the hash alone is kept) and whoever enters it at the portal gets an account with the role, whatever the
//! registration mode. From the first administrator on, however made, this is closed for good: triggers of the
//! database see to that, so it stays so when that account is gone.

use control_api::authz::{RegisterAccountAnswer, RegistrationMode, Role};
use control_api::ids::UserId;
use control_api::setup::{FirstAdminRequest, SetupCodeAnswer, SetupView};
use service_kit::clock::from_millis;
use service_kit::secret::{random_token, sha256};

use crate::accounts::{created, secret, too_soon};
use crate::authz::Authz;
use crate::delays::Try;
use crate::error::{Error, Faults};
use crate::sessions::Origin;
use crate::store::accounts::{Account, AccountState};
use crate::{audit, sessions};

const LIFETIME_MS: i64 = 72 * 60 * 60 * 1000;
const CODE_BAD: &str = "is unknown, used, replaced or expired; the operator has a new one made with \
                        scripts/first-admin.sh";

impl Authz {
    /// `GET /internal/setup-code`.
    pub(crate) async fn setup(&self) -> Result<SetupView, Error> {
        let (stored, now) = (self.store.setup().await?, self.now());
        let code_expires_at = stored.expires_at.filter(|at| *at > now).map(from_millis);
        Ok(SetupView { open: !stored.closed, code_expires_at })
    }

    /// `POST /internal/setup-code`: the code, shown this once. The one before is void.
    pub(crate) async fn make_setup_code(&self) -> Result<SetupCodeAnswer, Error> {
        let (code, now) = (random_token(), self.now());
        let expires_at = now + LIFETIME_MS;
        let entry = audit::entry(now, &"operator", "setup-code", &"", None);
        if !self.store.put_setup_code(&sha256(code.expose().as_bytes()), expires_at, &entry).await? {
            return Err(Error::SetupClosed);
        }
        Ok(SetupCodeAnswer { code: code.into(), expires_at: from_millis(expires_at) })
    }

    /// `POST /portal/setup`.
    pub(crate) async fn first_admin(
        &self,
        request: &FirstAdminRequest,
    ) -> Result<RegisterAccountAnswer, Error> {
        let code_hash = self.prove_setup_code(request).await?;
        let form = &request.account;
        // Nobody needs an invite here.
        let user = self.parse_registration(form, RegistrationMode::Open).await?;
        let password_hash = self.hasher.hash(secret(&form.password)).await?;
        let (now, user_id) = (self.now(), UserId::generate());
        let origin = Origin::new(form.client_addr, form.agent.as_deref(), false);
        let (session, session_secret) = sessions::start(user_id, origin, now);
        let entry = audit::entry(now, &user_id, "first-admin", &user.username, form.client_addr);
        let account = Account {
            user_id,
            username: user.username,
            email: user.email,
            password_hash,
            state: AccountState::Active,
            role: Role::Admin,
            created_at: now,
            password_version: 0,
        };
        match self.store.create_first_admin(&account, &session, &code_hash, &entry).await? {
            Some(creation) => created(&creation)?,
            None if self.setup().await?.open => return Err(bad_code()),
            None => return Err(Error::SetupClosed),
        }
        tracing::info!(%user_id, "the first administrator was made; the set-up is closed");
        self.ordered.notify_one();
        Ok(RegisterAccountAnswer { user_id, session: session_secret.into(), operation: None })
    }

    /// The hash of the code, which would do now. Each try counts for the caller's network; one with the right code
    /// is given back, so that a slip in another field costs nothing.
    async fn prove_setup_code(&self, request: &FirstAdminRequest) -> Result<[u8; 32], Error> {
        let (now, address) = (self.now(), request.account.client_addr);
        if !self.setup().await?.open {
            return Err(Error::SetupClosed);
        }
        let bucket = self.bucket(Try::Setup, address);
        if let Some(bucket) = &bucket {
            too_soon(self.store.take_try(bucket, now).await?)?;
        }
        let hash = sha256(request.code.expose().trim().as_bytes());
        if !self.store.is_setup_code(&hash, now).await? {
            if !self.setup().await?.open {
                // Somebody was quicker.
                return Err(Error::SetupClosed);
            }
            let entry = audit::entry(now, &"anonymous", "setup-refused", &"", address);
            self.store.append_audit(&entry).await?;
            return Err(bad_code());
        }
        if let Some(bucket) = &bucket {
            self.store.give_back_try(bucket).await?;
        }
        Ok(hash)
    }
}

fn bad_code() -> Error {
    Error::Fields(Faults::one("code", CODE_BAD))
}

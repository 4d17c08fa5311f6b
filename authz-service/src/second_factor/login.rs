//! Signing in with a second factor: the right password gives a token that lives five minutes and opens one thing,
//! the second step. Failures there are counted by account, apart from those of passwords, and starting over with
//! the password takes none of them back.

use control_api::authz::LoginAccountAnswer;
use control_api::ids::UserId;
use control_api::second_factor::{FinishLoginRequest, PendingLogin};
use service_kit::secret::{random_token, sha256};

use crate::accounts::too_soon;
use crate::authz::Authz;
use crate::delays::{self, Bucket, Try};
use crate::error::Error;
use crate::sessions::{self, Origin};
use crate::store::accounts::Account;
use crate::store::pending_logins::{Finish, Finished, NewPending, StoredPending};
use crate::store::second_factor::Used;
use crate::store::sessions::SignIn;
use crate::{audit, second_factor};

/// How long the second step may take.
const LIFETIME_MS: i64 = 5 * 60 * 1000;
/// Codes that one sign-in may try; then the password is asked for again.
const TRIES: i64 = 5;

/// A sign-in whose password, or identity at another issuer, was right.
pub(crate) struct Pending {
    pub(crate) rehashed: Option<String>,
    /// Failures of passwords that are cleared.
    pub(crate) clear_delays: Vec<[u8; 32]>,
    /// The network's tries, of which one is given back.
    pub(crate) bucket: Option<Bucket>,
    /// Whether the person asked to stay signed in.
    pub(crate) remember: bool,
}

impl Authz {
    /// Writes down that the password was right, and asks for the second factor.
    pub(crate) async fn ask_for_second_factor(
        &self,
        account: &Account,
        pending: Pending,
    ) -> Result<PendingLogin, Error> {
        let (token, now) = (random_token(), self.now());
        let new = NewPending {
            token_hash: sha256(token.expose().as_bytes()),
            user_id: account.user_id,
            password_version: account.password_version,
            remember: pending.remember,
            expires_at: now + LIFETIME_MS,
            rehashed: pending.rehashed,
            bucket: pending.bucket,
            clear_delays: pending.clear_delays,
        };
        if !self.store.put_pending_login(new).await? {
            // The password was changed while this one was checked.
            return Err(Error::BadCredentials);
        }
        let expires_in_s = LIFETIME_MS.unsigned_abs() / 1000;
        Ok(PendingLogin { pending: token.into(), expires_in_s })
    }

    /// `POST /portal/login/second`.
    pub(crate) async fn finish_login(
        &self,
        request: &FinishLoginRequest,
    ) -> Result<LoginAccountAnswer, Error> {
        let token_hash = sha256(request.pending.expose().as_bytes());
        let pending = self.waiting(&token_hash).await?;
        let user = pending.user_id;
        let address = request.client_addr;
        let network = address.map(delays::network);
        let key = self.second_delay_key(user, network.as_deref()).await?;
        let bucket = self.bucket(Try::Login, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), self.now()).await?)?;
        if !self.store.count_pending_try(&token_hash, TRIES).await? {
            self.store.release_try(&key).await?;
            return Err(Error::LoginEnded);
        }
        let Some(proof) = self.judge_proof(user, token_hash, request).await? else {
            return Err(self.second_factor_failed(user, request).await?);
        };
        let now = self.now();
        let origin = Origin::new(address, request.agent.as_deref(), pending.remember);
        let (session, secret) = sessions::start(user, origin, now);
        let cookie_max_age_s = second_factor::cookie_max_age(&session, now);
        let recovery = matches!(proof, Used::Recovery(_))
            .then(|| audit::entry(now, &user, "recovery-code-use", &user, address));
        let audit = audit::entry(now, &user, "login", &session.sid, address);
        let password_version = pending.password_version;
        let clear_delays = vec![second_key(user, None), second_key(user, network.as_deref())];
        let sign_in =
            SignIn { session, password_version, rehashed: None, bucket, clear_delays, network, audit };
        match self.store.finish_login(Finish { token_hash, used: proof, recovery, sign_in }).await? {
            Finished::Done => {}
            Finished::CodeUsed => return Err(self.second_factor_failed(user, request).await?),
            Finished::Ended => return Err(Error::LoginEnded),
        }
        Ok(LoginAccountAnswer { user_id: user, session: secret.into(), cookie_max_age_s })
    }

    /// The sign-in that a token proves, where it is alive.
    pub(crate) async fn waiting(&self, token_hash: &[u8; 32]) -> Result<StoredPending, Error> {
        let pending = self.store.pending_login(token_hash).await?;
        let now = self.now();
        pending.filter(|pending| now < pending.expires_at && pending.tries < TRIES).ok_or(Error::LoginEnded)
    }

    /// What must be used up for the code, or the passkey's answer, to count.
    async fn judge_proof(
        &self,
        user: UserId,
        pending: [u8; 32],
        request: &FinishLoginRequest,
    ) -> Result<Option<Used>, Error> {
        match (&request.passkey, &request.code) {
            (Some(credential), _) => self.judge_passkey(user, pending, credential).await,
            (None, Some(code)) => self.judge_code(user, code).await,
            (None, None) => Ok(None),
        }
    }

    async fn second_delay_key(&self, user: UserId, network: Option<&str>) -> Result<[u8; 32], Error> {
        let known = match network {
            Some(network) => self.store.is_known_network(user, network).await?,
            None => false,
        };
        Ok(second_key(user, network.filter(|_| known)))
    }

    /// Writes down that a code was wrong.
    async fn second_factor_failed(&self, user: UserId, request: &FinishLoginRequest) -> Result<Error, Error> {
        let entry = audit::entry(self.now(), &user, "second-factor-failed", &"sign-in", request.client_addr);
        self.store.append_audit(&entry).await?;
        Ok(Error::SecondFactorWrong)
    }
}

/// Under which failures of the second step are counted; no name that somebody typed has capitals in it.
fn second_key(user: UserId, known_network: Option<&str>) -> [u8; 32] {
    delays::key(&format!("second factor of {user}"), known_network)
}

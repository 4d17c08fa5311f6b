//! A person removes their own account: the name typed and the password asked for again, so that neither a slip nor a
//! stolen session does it. Failures are counted apart from sign-ins, as those of a new password are.

use control_api::people::DeleteAccountRequest;

use crate::accounts::{secret, too_soon};
use crate::audit;
use crate::authz::Authz;
use crate::delays::{self, Try};
use crate::error::{Error, Faults};
use crate::password::hashing::Verdict;
use crate::store::people::Outcome;

impl Authz {
    /// `POST /portal/account/delete`.
    pub(crate) async fn leave(&self, request: &DeleteAccountRequest) -> Result<(), Error> {
        let session = self.session(&request.session).await?;
        if request.username.trim().to_lowercase() != session.username.as_str() {
            return Err(Error::Fields(Faults::one("username", "is not the name of this account")));
        }
        let (user, address) = (session.user_id, request.client_addr);
        let stored = self.store.password_of(user).await?.ok_or(Error::SessionEnded)?;
        // The same as for a new password: neither is a way to more guesses.
        let key = delays::key(&format!("password of {user}"), None);
        let bucket = self.bucket(Try::Login, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), self.now()).await?)?;
        match self.hasher.verify(secret(&request.password), Some(stored.hash)).await {
            Ok(Verdict::Right | Verdict::RightRehashed(_)) => {}
            Ok(Verdict::Wrong) => {
                let entry = audit::entry(self.now(), &user, "delete-account-failed", &user, address);
                self.store.append_audit(&entry).await?;
                return Err(Error::Fields(Faults::one("password", "is not your password")));
            }
            Err(error) => {
                self.store.release_try(&key).await?;
                return Err(error);
            }
        }
        let entry = audit::entry(self.now(), &user, "delete-account", &session.username, address);
        match self.store.leave(user, session.sid, stored.version, &entry).await? {
            // The password was changed, or the session ended, while this one was checked.
            Outcome::Unknown => Err(Error::SessionEnded),
            outcome => {
                self.store.release_try(&key).await?;
                self.settle(outcome)
            }
        }
    }
}

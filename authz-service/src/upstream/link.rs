//! The identity of somebody who is signed in: whether there is one, and taking it away. Both linking and unlinking
//! ask for the password, with the same delays as a change of it, so that a stolen session can do neither.

use std::net::IpAddr;

use control_api::authz::SessionRequest;
use control_api::upstream::{UpstreamIdentity, UpstreamStanding, UpstreamUnlinkRequest};
use control_api::wire::WireSecret;
use service_kit::clock::from_millis;

use crate::accounts::{secret, too_soon};
use crate::audit;
use crate::authz::Authz;
use crate::delays::{self, Try};
use crate::error::{Error, Faults};
use crate::password::hashing::{NO_PASSWORD, Verdict};
use crate::sessions::is_fresh;
use crate::store::sessions::StoredSession;

const PASSWORD: &str = "current_password";

impl Authz {
    /// `POST /portal/upstream/identity`.
    pub(crate) async fn upstream_standing(
        &self,
        request: &SessionRequest,
    ) -> Result<UpstreamStanding, Error> {
        let session = self.session(&request.session).await?;
        let stored = self.store.password_of(session.user_id).await?.ok_or(Error::SessionEnded)?;
        let identity = match &self.upstream {
            Some(upstream) => self.store.identity_of(session.user_id, &upstream.settings.issuer).await?,
            None => None,
        };
        Ok(UpstreamStanding {
            has_password: stored.hash != NO_PASSWORD,
            fresh: is_fresh(&session, self.now()),
            identity: identity.map(|identity| UpstreamIdentity {
                label: identity.label,
                linked_at: from_millis(identity.linked_at),
                last_used_at: identity.last_used_at.map(from_millis),
            }),
        })
    }

    /// `POST /portal/upstream/unlink`.
    pub(crate) async fn unlink_upstream(&self, request: &UpstreamUnlinkRequest) -> Result<(), Error> {
        let upstream = self.upstream()?;
        let session = self.session(&request.session).await?;
        let address = request.client_addr;
        let Some(version) = self.prove_ownership(&session, &request.password, address).await? else {
            let fault = "must be set first: without it nothing would be left to sign in with";
            return Err(Error::Fields(Faults::one(PASSWORD, fault)));
        };
        let user = session.user_id;
        let entry = audit::entry(self.now(), &user, "upstream-unlink", &user, address);
        if self.store.unlink_identity(user, &upstream.settings.issuer, version, &entry).await? {
            Ok(())
        } else {
            // The password was changed while it was checked.
            Err(Error::SessionEnded)
        }
    }

    /// The version of the password that was given and is right. Of an account without one nothing is asked but
    /// that somebody signed in just now.
    pub(super) async fn prove_ownership(
        &self,
        session: &StoredSession,
        password: &WireSecret,
        address: Option<IpAddr>,
    ) -> Result<Option<i64>, Error> {
        let stored = self.store.password_of(session.user_id).await?.ok_or(Error::SessionEnded)?;
        if stored.hash == NO_PASSWORD {
            return if is_fresh(session, self.now()) { Ok(None) } else { Err(Error::SignInAgain) };
        }
        let user = session.user_id;
        // Counted apart from sign-ins, so that whoever fails here slows nobody's sign-in, and the other way round.
        let key = delays::key(&format!("upstream of {user}"), None);
        let bucket = self.bucket(Try::Login, address);
        too_soon(self.store.reserve_try(&key, bucket.as_ref(), self.now()).await?)?;
        let verdict = self.hasher.verify(secret(password), Some(stored.hash)).await;
        if let Ok(Verdict::Wrong) = verdict {
            let entry = audit::entry(self.now(), &user, "upstream-refused", &"wrong-password", address);
            self.store.append_audit(&entry).await?;
            return Err(Error::Fields(Faults::one(PASSWORD, "is not your password")));
        }
        self.store.release_try(&key).await?;
        if let Some(bucket) = &bucket {
            self.store.give_back_try(bucket).await?;
        }
        verdict.map(|_| Some(stored.version))
    }
}

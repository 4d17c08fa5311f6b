//! Invites: 256 random bits, single use, 72 hours.

use control_api::wire::WireSecret;
use service_kit::clock::from_millis;
use service_kit::secret::{random_token, sha256};

use crate::audit;
use crate::authz::Authz;
use crate::error::Error;

const LIFETIME_MS: i64 = 72 * 60 * 60 * 1000;

impl Authz {
    /// `POST /internal/invites`: the code, shown this once, and when it expires.
    pub(crate) async fn invite(&self) -> Result<(WireSecret, jiff::Timestamp), Error> {
        let (code, now) = (random_token(), self.now());
        let expires_at = now + LIFETIME_MS;
        let entry = audit::entry(now, &"operator", "invite", &"", None);
        self.store.put_invite(&sha256(code.expose().as_bytes()), expires_at, &entry).await?;
        Ok((code.into(), from_millis(expires_at)))
    }
}

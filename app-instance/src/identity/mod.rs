//! Who is calling: the assertion that the router sends with each request, and the issuer's keys.

mod assertion;
mod keys;

pub(crate) use assertion::Denied;
use assertion::Expected;
use control_api::claims::AssertionClaims;
use control_api::ids::UserId;
use keys::Keys;
use service_kit::clock::Clock;
use service_kit::lifecycle::Lifecycle;

use crate::config::Config;
use crate::issuer_client::IssuerClient;

/// Verifies assertions for this instance. Clones share the keys.
#[derive(Clone)]
pub(crate) struct Verifier {
    expected: Expected,
    keys: Keys,
    clock: Clock,
}

impl Verifier {
    /// A verifier with the keys that were kept on disk; asks nobody.
    pub(crate) fn new(config: &Config, http: IssuerClient, clock: Clock, lifecycle: Lifecycle) -> Self {
        let expected =
            Expected { issuer: config.issuer.as_str().to_owned(), instance_id: config.instance_id };
        let keys = Keys::load(config.issuer.as_str(), config.data.join("jwks.json"), http, lifecycle);
        Self { expected, keys, clock }
    }

    /// Fetches the keys ahead of the first request.
    pub(crate) fn prefetch(&self) {
        self.keys.refresh_in_background();
    }

    /// The claims of a token that is meant for this instance and speaks of its owner.
    pub(crate) async fn verify(&self, token: &str, owner: UserId) -> Result<AssertionClaims, Denied> {
        let kid = assertion::key_id(token)?;
        let key = self.keys.find(&kid).await?;
        let claims = assertion::check(token, &key, &self.expected, self.clock.now_secs())?;
        if claims.sub == owner { Ok(claims) } else { Err(Denied::Invalid("sub")) }
    }
}

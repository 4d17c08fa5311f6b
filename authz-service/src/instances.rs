//! What deploy-control tells about instances: who owns one, that one is about to register, that one is gone.

use control_api::authz::{RegistrationTokenAnswer, RegistrationTokenRequest};
use control_api::ids::InstanceId;
use service_kit::secret::{random_token, sha256};

use crate::audit;
use crate::authz::Authz;
use crate::error::Error;
use crate::store::instances::Instance;

/// How long a registration token can be used.
const TOKEN_SECS: i64 = 600;

impl Authz {
    /// `POST /internal/registration-tokens`.
    pub(crate) async fn registration_token(
        &self,
        request: &RegistrationTokenRequest,
    ) -> Result<RegistrationTokenAnswer, Error> {
        let (token, now) = (random_token(), self.now());
        let instance =
            Instance { id: request.instance_id, owner_id: request.owner_id, slug: request.slug.clone() };
        let entry = audit::entry(now, &"deploy-control", "registration-token", &request.instance_id, None);
        let hash = sha256(token.expose().as_bytes());
        self.store.put_registration_token(&instance, &hash, now + TOKEN_SECS * 1000, &entry).await?;
        Ok(RegistrationTokenAnswer { registration_token: token.into(), expires_in: TOKEN_SECS })
    }

    /// `DELETE /internal/instances/{id}`: also for an unknown one, so that a repeated call is no error.
    pub(crate) async fn forget_instance(&self, id: InstanceId) -> Result<(), Error> {
        let entry = audit::entry(self.now(), &"deploy-control", "forget-instance", &id, None);
        let seq = self.store.forget_instance(id, &entry).await?;
        self.announce_revocation(seq);
        Ok(())
    }
}

//! Signing in with a passkey once the password was right.

use control_api::ids::UserId;
use control_api::passkeys::{LoginOptions, LoginOptionsRequest, PasskeyOptions};
use service_kit::secret::sha256;

use super::verify::{self, Signed};
use super::{CHALLENGE_LIFETIME_MS, Refusal, RelyingParty, client_data, new_challenge, options};
use crate::audit;
use crate::authz::Authz;
use crate::error::Error;
use crate::store::passkeys::Holder;
use crate::store::second_factor::Used;

impl Authz {
    /// `POST /portal/login/second/options`. A new challenge each time; the one before is void.
    pub(crate) async fn login_options(&self, request: &LoginOptionsRequest) -> Result<LoginOptions, Error> {
        let token_hash = sha256(request.pending.expose().as_bytes());
        let user = self.waiting(&token_hash).await?.user_id;
        let totp = self.store.totp_of(user).await?.is_some();
        let known = self.store.passkeys_of(user).await?;
        let passkey = match RelyingParty::at(&self.config.portal_url).filter(|_| !known.is_empty()) {
            None => None,
            Some(party) => {
                let challenge = new_challenge();
                let hash = sha256(challenge.as_bytes());
                let expires_at = self.now() + CHALLENGE_LIFETIME_MS;
                self.store.put_challenge(&hash, user, Holder::Pending(token_hash), expires_at).await?;
                Some(PasskeyOptions { options: options::get(&party, &challenge, &known) })
            }
        };
        Ok(LoginOptions { totp, passkey })
    }

    /// What must be used up for a passkey's answer to count; `None` where it is not believed.
    pub(crate) async fn judge_passkey(
        &self,
        user: UserId,
        pending: [u8; 32],
        credential: &str,
    ) -> Result<Option<Used>, Error> {
        let Some(party) = RelyingParty::at(&self.config.portal_url) else { return Ok(None) };
        let Ok(answer) = options::read_signed(credential) else { return Ok(None) };
        let Some(challenge) = client_data::challenge(&answer.client_data) else { return Ok(None) };
        let (hash, now) = (sha256(challenge.as_bytes()), self.now());
        if !self.store.take_challenge(&hash, user, Holder::Pending(pending), now).await? {
            return Ok(None);
        }
        let known = self.store.passkeys_of(user).await?;
        let Some(passkey) = known.iter().find(|known| known.credential_id == answer.credential_id) else {
            return Ok(None);
        };
        let signed = Signed {
            client_data: &answer.client_data,
            authenticator_data: &answer.authenticator_data,
            signature: &answer.signature,
        };
        match verify::signed(&signed, &challenge, &party, &passkey.public_key, passkey.sign_count) {
            Ok(count) => Ok(Some(Used::Passkey { passkey_id: passkey.passkey_id, count, at: now })),
            Err(refusal) => {
                tracing::warn!(user_id = %user, passkey = %passkey.passkey_id, %refusal, "a passkey is not believed");
                if refusal == Refusal::OldCounter {
                    let entry =
                        audit::entry(now, &user, "passkey-counter-refused", &passkey.passkey_id, None);
                    self.store.append_audit(&entry).await?;
                }
                Ok(None)
            }
        }
    }
}

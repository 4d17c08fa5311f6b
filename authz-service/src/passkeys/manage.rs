//! Adding a passkey and taking it away, for somebody who is signed in. Password and, where a factor is on, a code are
//! asked for before the browser is; the challenge that it then answers belongs to that session alone.

use control_api::ids::PasskeyId;
use control_api::passkeys::{
    AddPasskeyRequest, BeginPasskeyRequest, MAX_PASSKEY_NAME, MAX_PASSKEYS, PasskeyOptions,
    RemovePasskeyRequest,
};
use control_api::second_factor::SecondFactorAnswer;
use service_kit::secret::sha256;

use super::options::Owner;
use super::verify::{self, Created};
use super::{CHALLENGE_LIFETIME_MS, RelyingParty, client_data, new_challenge, options};
use crate::authz::Authz;
use crate::error::{Error, Faults};
use crate::second_factor::{Confirmation, Wanted};
use crate::store::passkeys::{Holder, NewPasskey};
use crate::store::second_factor::Change;

const NAME: &str = "name";
const CREDENTIAL: &str = "credential";
const NONE_HERE: &str = "The portal's address is none that browsers have passkeys for.";

impl Authz {
    /// `POST /portal/passkeys/begin`.
    pub(crate) async fn begin_passkey(&self, request: &BeginPasskeyRequest) -> Result<PasskeyOptions, Error> {
        let party = RelyingParty::at(&self.config.portal_url).ok_or(Error::NotFound(NONE_HERE))?;
        let session = self.session(&request.session).await?;
        let user = session.user_id;
        let known = self.store.passkeys_of(user).await?;
        if known.len() >= MAX_PASSKEYS {
            return Err(Error::TooManyPasskeys);
        }
        let confirmation = Confirmation {
            password: &request.current_password,
            code: request.code.as_ref(),
            address: request.client_addr,
        };
        self.confirmed(&session, &confirmation).await?;
        let challenge = new_challenge();
        let hash = sha256(challenge.as_bytes());
        let expires_at = self.now() + CHALLENGE_LIFETIME_MS;
        self.store.put_challenge(&hash, user, Holder::Session(session.sid), expires_at).await?;
        let owner = Owner { user_id: user, name: session.username.as_str() };
        Ok(PasskeyOptions { options: options::create(&party, &owner, &challenge, &known) })
    }

    /// `POST /portal/passkeys`.
    pub(crate) async fn add_passkey(&self, request: &AddPasskeyRequest) -> Result<SecondFactorAnswer, Error> {
        let party = RelyingParty::at(&self.config.portal_url).ok_or(Error::NotFound(NONE_HERE))?;
        let session = self.session(&request.session).await?;
        let name = parse_name(&request.name).map_err(|fault| Error::Fields(Faults::one(NAME, fault)))?;
        let refused = |fault: &str| Error::Fields(Faults::one(CREDENTIAL, fault));
        let malformed = || refused("is no answer of a browser");
        let answer = options::read_created(&request.credential).map_err(|_| malformed())?;
        let challenge = client_data::challenge(&answer.client_data).ok_or_else(malformed)?;
        let (hash, now) = (sha256(challenge.as_bytes()), self.now());
        if !self.store.take_challenge(&hash, session.user_id, Holder::Session(session.sid), now).await? {
            return Err(refused("came too late; begin anew"));
        }
        let answer =
            Created { client_data: &answer.client_data, attestation_object: &answer.attestation_object };
        let (credential, sign_count) = verify::created(&answer, &challenge, &party)
            .map_err(|refusal| refused(&format!("is not believed: {refusal}")))?;
        let passkey = NewPasskey {
            passkey_id: PasskeyId::generate(),
            credential_id: credential.id,
            public_key: credential.public_key,
            name,
            sign_count,
        };
        let stored = self.store.password_of(session.user_id).await?.ok_or(Error::SessionEnded)?;
        let target = passkey.passkey_id.to_string();
        let wanted = Wanted {
            // The first factor of an account brings its recovery codes.
            new_codes: !self.store.has_second_factor(session.user_id).await?,
            change: Change::AddPasskey(passkey),
            used: None,
            action: "passkey-add",
            target,
            language: request.language,
        };
        self.change_factor_now(&session, stored.version, wanted, request.client_addr).await
    }

    /// `POST /portal/passkeys/remove`.
    pub(crate) async fn remove_passkey(
        &self,
        request: &RemovePasskeyRequest,
    ) -> Result<SecondFactorAnswer, Error> {
        let session = self.session(&request.session).await?;
        let known = self.store.passkeys_of(session.user_id).await?;
        if !known.iter().any(|passkey| passkey.passkey_id == request.passkey_id) {
            return Err(Error::NotFound("There is no such passkey."));
        }
        let confirmation = Confirmation {
            password: &request.current_password,
            code: Some(&request.code),
            address: request.client_addr,
        };
        let is_last = known.len() == 1 && self.store.totp_of(session.user_id).await?.is_none();
        let wanted = |used| Wanted {
            change: Change::RemovePasskey(request.passkey_id),
            used: Some(used),
            new_codes: false,
            action: "passkey-remove",
            target: request.passkey_id.to_string(),
            language: request.language,
        };
        self.take_factor_away(&session, &confirmation, is_last, wanted).await
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match name.chars().count() {
        0 => Err("is needed".to_owned()),
        length if length > MAX_PASSKEY_NAME => {
            Err(format!("must have at most {MAX_PASSKEY_NAME} characters"))
        }
        _ if name.chars().any(char::is_control) => Err("must not have control characters".to_owned()),
        _ => Ok(name.to_owned()),
    }
}

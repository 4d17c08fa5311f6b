//! Authenticator data: what the authenticator says and signs (`WebAuthn` level 3, section 6.1). Pure.

use service_kit::secret::sha256;

use super::cose::PublicKey;
use super::verify::Refusal;
use super::{MAX_CREDENTIAL_ID, RelyingParty};

const PRESENT: u8 = 0x01;
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;
const AAGUID_LEN: usize = 16;

/// What is used of it.
pub(super) struct AuthenticatorData<'a> {
    /// Of signatures made; 0 where the authenticator does not count.
    pub(super) count: u32,
    /// The flags and what they say is there.
    flags: u8,
    rest: &'a [u8],
}

/// A new credential.
pub(super) struct NewCredential {
    pub(super) id: Vec<u8>,
    /// COSE, as it came.
    pub(super) public_key: Vec<u8>,
}

impl<'a> AuthenticatorData<'a> {
    /// Reads it, where it is for us and the person was there.
    pub(super) fn parse(bytes: &'a [u8], party: &RelyingParty) -> Result<Self, Refusal> {
        let (hash, bytes) = bytes.split_at_checked(32).ok_or(Refusal::Malformed)?;
        let (&flags, bytes) = bytes.split_first().ok_or(Refusal::Malformed)?;
        let (count, rest) = bytes.split_first_chunk::<4>().ok_or(Refusal::Malformed)?;
        if hash != sha256(party.id.as_bytes()) {
            return Err(Refusal::OtherHost);
        }
        if flags & PRESENT == 0 {
            return Err(Refusal::NobodyThere);
        }
        // Section 6.1.3: what cannot be backed up is not backed up.
        if flags & BACKED_UP != 0 && flags & BACKUP_ELIGIBLE == 0 {
            return Err(Refusal::Malformed);
        }
        Ok(Self { count: u32::from_be_bytes(*count), flags, rest })
    }

    /// The credential that was made, with a key that we can verify with.
    pub(super) fn credential(&self) -> Result<NewCredential, Refusal> {
        if self.flags & HAS_CREDENTIAL == 0 {
            return Err(Refusal::Malformed);
        }
        let (_, rest) = self.rest.split_at_checked(AAGUID_LEN).ok_or(Refusal::Malformed)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(Refusal::Malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (id, rest) = rest.split_at_checked(length).ok_or(Refusal::Malformed)?;
        if id.is_empty() || id.len() > MAX_CREDENTIAL_ID {
            return Err(Refusal::Malformed);
        }
        // The key is one CBOR value; extensions may follow.
        let (_, used) = PublicKey::read(rest)?;
        Ok(NewCredential { id: id.to_vec(), public_key: rest[..used].to_vec() })
    }
}

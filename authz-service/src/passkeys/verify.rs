//! The two ceremonies, judged (`WebAuthn` level 3, sections 7.1 and 7.2). Pure: which challenge was given to whom, and
//! that it is used once, is the caller's to know.

use ciborium::Value;
use service_kit::secret::sha256;

use super::RelyingParty;
use super::authenticator_data::{AuthenticatorData, NewCredential};
use super::client_data::{self, Ceremony};
use super::cose::PublicKey;

/// Why an answer is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("malformed")]
    Malformed,
    #[error("for another ceremony")]
    OtherCeremony,
    #[error("for another challenge")]
    OtherChallenge,
    #[error("from a page of another origin")]
    OtherOrigin,
    #[error("for another host")]
    OtherHost,
    #[error("nobody was there")]
    NobodyThere,
    #[error("by an algorithm that was not asked for")]
    OtherAlgorithm,
    #[error("the signature is wrong")]
    BadSignature,
    #[error("the counter did not grow: there may be a copy of the passkey")]
    OldCounter,
}

/// What a browser answers to `navigator.credentials.create`.
pub(super) struct Created<'a> {
    pub(super) client_data: &'a [u8],
    pub(super) attestation_object: &'a [u8],
}

/// What a browser answers to `navigator.credentials.get`.
pub(super) struct Signed<'a> {
    pub(super) client_data: &'a [u8],
    pub(super) authenticator_data: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// The new credential and its counter.
pub(super) fn created(
    answer: &Created<'_>,
    challenge: &str,
    party: &RelyingParty,
) -> Result<(NewCredential, u32), Refusal> {
    client_data::check(answer.client_data, Ceremony::Create, challenge, party)?;
    let object: Value = ciborium::from_reader(answer.attestation_object).map_err(|_| Refusal::Malformed)?;
    let map = object.into_map().map_err(|_| Refusal::Malformed)?;
    let data = map.iter().find(|(key, _)| key.as_text() == Some("authData"));
    let data = data.and_then(|(_, value)| value.as_bytes()).ok_or(Refusal::Malformed)?;
    let data = AuthenticatorData::parse(data, party)?;
    Ok((data.credential()?, data.count))
}

/// The new counter of a credential with this key, whose counter was `before`.
pub(super) fn signed(
    answer: &Signed<'_>,
    challenge: &str,
    party: &RelyingParty,
    public_key: &[u8],
    before: u32,
) -> Result<u32, Refusal> {
    client_data::check(answer.client_data, Ceremony::Get, challenge, party)?;
    let data = AuthenticatorData::parse(answer.authenticator_data, party)?;
    let (key, _) = PublicKey::read(public_key)?;
    let message = [answer.authenticator_data, &sha256(answer.client_data)].concat();
    key.verify(&message, answer.signature)?;
    // Section 7.2, step 22: both 0 is an authenticator that does not count.
    if (data.count > 0 || before > 0) && data.count <= before {
        return Err(Refusal::OldCounter);
    }
    Ok(data.count)
}

#[cfg(test)]
mod tests {
    use super::super::software::{Algorithm, Authenticator};
    use super::*;

    fn party() -> RelyingParty {
        RelyingParty { id: "portal.example.com".into(), origin: "https://portal.example.com".into() }
    }

    fn software(algorithm: Algorithm) -> Authenticator {
        Authenticator::new(algorithm, "portal.example.com", "https://portal.example.com")
    }

    fn create(authenticator: &mut Authenticator, challenge: &str) -> Result<(NewCredential, u32), Refusal> {
        let (client_data, attestation_object) = authenticator.create(challenge);
        let answer = Created { client_data: &client_data, attestation_object: &attestation_object };
        created(&answer, "the-challenge", &party())
    }

    fn get(authenticator: &mut Authenticator, key: &[u8], before: u32) -> Result<u32, Refusal> {
        let (client_data, authenticator_data, signature) = authenticator.get("the-challenge");
        let answer = Signed {
            client_data: &client_data,
            authenticator_data: &authenticator_data,
            signature: &signature,
        };
        signed(&answer, "the-challenge", &party(), key, before)
    }

    #[test]
    fn each_algorithm_registers_and_signs_in() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
            let mut authenticator = software(algorithm);
            let (credential, count) = create(&mut authenticator, "the-challenge").expect("registered");
            assert_eq!((credential.id.as_slice(), count), (authenticator.id.as_slice(), 0));
            let key = credential.public_key;
            assert_eq!(get(&mut authenticator, &key, 0), Ok(1), "{algorithm:?}");
            assert_eq!(get(&mut authenticator, &key, 1), Ok(2));
            // Another's key.
            let mut other = software(algorithm);
            assert_eq!(get(&mut other, &key, 0), Err(Refusal::BadSignature));
        }
    }

    type Twist = fn(&mut Authenticator);
    const TWISTS: [(Refusal, Twist); 8] = [
        (Refusal::OtherOrigin, |a| a.origin = "https://portal.example.com.evil.example".into()),
        (Refusal::OtherOrigin, |a| a.origin = "https://alice.portal.example.com".into()),
        (Refusal::OtherOrigin, |a| a.origin = "http://portal.example.com".into()),
        (Refusal::OtherOrigin, |a| a.cross_origin = true),
        (Refusal::OtherHost, |a| a.rp_id = "example.com".into()),
        (Refusal::NobodyThere, |a| a.flags &= !1),
        // Backed up, and cannot be backed up.
        (Refusal::Malformed, |a| a.flags |= 0x10),
        (Refusal::OtherCeremony, |a| a.kind = Some("webauthn.other")),
    ];

    #[test]
    fn what_is_not_as_it_must_be_is_refused_in_both_ceremonies() {
        for (number, (refusal, twist)) in TWISTS.into_iter().enumerate() {
            let mut authenticator = software(Algorithm::Es256);
            let (credential, _) = create(&mut authenticator, "the-challenge").expect("registered");
            twist(&mut authenticator);
            assert_eq!(get(&mut authenticator, &credential.public_key, 0), Err(refusal), "{number}");
            assert_eq!(create(&mut authenticator, "the-challenge").err(), Some(refusal), "{number}");
        }
        let mut authenticator = software(Algorithm::Es256);
        assert_eq!(create(&mut authenticator, "another").err(), Some(Refusal::OtherChallenge));
        // One ceremony is not the other.
        let (credential, _) = create(&mut authenticator, "the-challenge").expect("registered");
        authenticator.kind = Some("webauthn.create");
        assert_eq!(get(&mut authenticator, &credential.public_key, 0), Err(Refusal::OtherCeremony));
    }

    #[test]
    fn a_counter_must_grow_unless_the_authenticator_does_not_count() {
        let mut authenticator = software(Algorithm::EdDsa);
        let (credential, _) = create(&mut authenticator, "the-challenge").expect("registered");
        let key = credential.public_key;
        authenticator.count = 6;
        assert_eq!(get(&mut authenticator, &key, 7), Err(Refusal::OldCounter), "the same");
        assert_eq!(get(&mut authenticator, &key, 100), Err(Refusal::OldCounter));
        assert_eq!(get(&mut authenticator, &key, 8), Ok(9));
        authenticator.counts = false;
        authenticator.count = 0;
        assert_eq!(get(&mut authenticator, &key, 0), Ok(0));
        assert_eq!(get(&mut authenticator, &key, 1), Err(Refusal::OldCounter), "it counted before");
    }

    #[test]
    fn a_changed_byte_anywhere_is_refused() {
        let mut authenticator = software(Algorithm::Es256);
        let (credential, _) = create(&mut authenticator, "the-challenge").expect("registered");
        let (client_data, data, signature) = authenticator.get("the-challenge");
        let judge = |client_data: &[u8], data: &[u8], signature: &[u8]| {
            let answer = Signed { client_data, authenticator_data: data, signature };
            signed(&answer, "the-challenge", &party(), &credential.public_key, 0)
        };
        assert!(judge(&client_data, &data, &signature).is_ok());
        for index in 0..data.len() {
            let mut changed = data.clone();
            changed[index] ^= 0x40;
            assert!(judge(&client_data, &changed, &signature).is_err(), "byte {index}");
            assert!(judge(&client_data, &data[..index], &signature).is_err(), "cut at {index}");
        }
        let spaced = [client_data.as_slice(), b" "].concat();
        assert_eq!(judge(&spaced, &data, &signature), Err(Refusal::BadSignature));
    }

    #[test]
    fn nonsense_is_malformed_and_nothing_panics() {
        let (client_data, object) = software(Algorithm::Es256).create("the-challenge");
        for end in 0..object.len() {
            let answer = Created { client_data: &client_data, attestation_object: &object[..end] };
            assert!(created(&answer, "the-challenge", &party()).is_err(), "cut at {end}");
        }
        for index in 0..object.len() {
            let mut changed = object.clone();
            changed[index] ^= 0xff;
            let answer = Created { client_data: &client_data, attestation_object: &changed };
            let _ = created(&answer, "the-challenge", &party());
        }
        let deep = vec![0x81; 10_000];
        let answer = Created { client_data: &client_data, attestation_object: &deep };
        assert_eq!(created(&answer, "the-challenge", &party()).err(), Some(Refusal::Malformed));
    }
}

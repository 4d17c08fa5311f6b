//! COSE keys (RFC 9053) of the algorithms that we ask for, and signatures by them. Pure.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use ciborium::Value;

use super::verify::Refusal;

/// What we ask for, the most wanted first: `EdDSA`, ES256, RS256 (IANA, COSE algorithms).
pub(super) const ALGORITHMS: [i64; 3] = [-8, -7, -257];

/// A key that verifies.
pub(super) enum PublicKey {
    /// SEC 1, uncompressed.
    P256([u8; 65]),
    Ed25519([u8; 32]),
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
}

impl PublicKey {
    /// The key at the head of some bytes, and how many are its.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Refusal> {
        let mut rest = bytes;
        let value: Value = ciborium::from_reader(&mut rest).map_err(|_| Refusal::Malformed)?;
        let map = value.into_map().map_err(|_| Refusal::Malformed)?;
        Ok((Self::of(&map)?, bytes.len() - rest.len()))
    }

    fn of(map: &[(Value, Value)]) -> Result<Self, Refusal> {
        let number = |label: i64| get(map, label).and_then(|value| i64::try_from(value.as_integer()?).ok());
        let bytes = |label: i64| get(map, label).and_then(Value::as_bytes).ok_or(Refusal::Malformed);
        match (number(1), number(3), number(-1)) {
            (Some(2), Some(-7), Some(1)) => {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&exactly::<32>(bytes(-2)?)?);
                point[33..].copy_from_slice(&exactly::<32>(bytes(-3)?)?);
                Ok(Self::P256(point))
            }
            (Some(1), Some(-8), Some(6)) => Ok(Self::Ed25519(exactly(bytes(-2)?)?)),
            (Some(3), Some(-257), _) => {
                Ok(Self::Rsa { modulus: bytes(-1)?.clone(), exponent: bytes(-2)?.clone() })
            }
            _ => Err(Refusal::OtherAlgorithm),
        }
    }

    /// Whether the key made the signature.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        let done = match self {
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Self::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
            Self::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        done.map_err(|_| Refusal::BadSignature)
    }
}

fn get(map: &[(Value, Value)], label: i64) -> Option<&Value> {
    map.iter().find(|(key, _)| *key == Value::from(label)).map(|(_, value)| value)
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Refusal> {
    bytes.try_into().map_err(|_| Refusal::Malformed)
}

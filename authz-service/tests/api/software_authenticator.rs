//! An authenticator in software, for tests: it makes what real ones make, and what they should not.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use ciborium::{Value, cbor};
use service_kit::secret::{random_bytes, sha256};

/// What it signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Es256,
    EdDsa,
    Rs256,
}

enum Key {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// One credential in it.
pub(crate) struct Authenticator {
    key: Key,
    pub(crate) id: Vec<u8>,
    pub(crate) rp_id: String,
    pub(crate) origin: String,
    pub(crate) cross_origin: bool,
    /// Instead of the ceremony's own name.
    pub(crate) kind: Option<&'static str>,
    /// Present and verified.
    pub(crate) flags: u8,
    pub(crate) count: u32,
    pub(crate) counts: bool,
}

impl Authenticator {
    pub(crate) fn new(algorithm: Algorithm, rp_id: &str, origin: &str) -> Self {
        let key = match algorithm {
            Algorithm::Es256 => {
                Key::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key"))
            }
            Algorithm::EdDsa => Key::Ed25519(Ed25519KeyPair::generate().expect("a key")),
            Algorithm::Rs256 => Key::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))),
        };
        Self {
            key,
            id: random_bytes::<32>().to_vec(),
            rp_id: rp_id.to_owned(),
            origin: origin.to_owned(),
            cross_origin: false,
            kind: None,
            flags: 0x05,
            count: 0,
            counts: true,
        }
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let kind = self.kind.unwrap_or(kind);
        let (origin, cross) = (&self.origin, self.cross_origin);
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}","crossOrigin":{cross}}}"#)
            .into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        [&sha256(self.rp_id.as_bytes())[..], &[self.flags | flags], &self.count.to_be_bytes()].concat()
    }

    /// `clientDataJSON` and `attestationObject`.
    pub(crate) fn create(&mut self, challenge: &str) -> (Vec<u8>, Vec<u8>) {
        let mut data = self.data(0x40);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).expect("a short id").to_be_bytes());
        data.extend(&self.id);
        ciborium::into_writer(&self.cose_key(), &mut data).expect("a key");
        let object = cbor!({ "fmt" => "none", "attStmt" => {}, "authData" => Value::Bytes(data) });
        let mut bytes = Vec::new();
        ciborium::into_writer(&object.expect("a value"), &mut bytes).expect("an object");
        (self.client_data("webauthn.create", challenge), bytes)
    }

    /// `clientDataJSON`, `authenticatorData` and `signature`.
    pub(crate) fn get(&mut self, challenge: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        if self.counts {
            self.count += 1;
        }
        let (client_data, data) = (self.client_data("webauthn.get", challenge), self.data(0));
        let message = [data.as_slice(), &sha256(&client_data)].concat();
        let signature = self.sign(&message);
        (client_data, data, signature)
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.key {
            Key::P256(pair) => pair.sign(&random, message).expect("a signature").as_ref().to_vec(),
            Key::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Key::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("a signature");
                signature
            }
        }
    }

    fn cose_key(&self) -> Value {
        let map = |pairs: Vec<(i64, Value)>| {
            Value::Map(pairs.into_iter().map(|(label, value)| (Value::from(label), value)).collect())
        };
        match &self.key {
            Key::P256(pair) => {
                let point = pair.public_key().as_ref();
                map(vec![
                    (1, 2.into()),
                    (3, (-7).into()),
                    (-1, 1.into()),
                    (-2, Value::Bytes(point[1..33].to_vec())),
                    (-3, Value::Bytes(point[33..].to_vec())),
                ])
            }
            Key::Ed25519(pair) => map(vec![
                (1, 1.into()),
                (3, (-8).into()),
                (-1, 6.into()),
                (-2, Value::Bytes(pair.public_key().as_ref().to_vec())),
            ]),
            Key::Rsa(pair) => {
                // RFC 8017, appendix A.1.1: a modulus of 2048 bits and 65537, each at its place.
                let der = pair.public_key().as_ref();
                let (modulus, exponent) = (der[9..265].to_vec(), der[der.len() - 3..].to_vec());
                map(vec![
                    (1, 3.into()),
                    (3, (-257).into()),
                    (-1, Value::Bytes(modulus)),
                    (-2, Value::Bytes(exponent)),
                ])
            }
        }
    }
}

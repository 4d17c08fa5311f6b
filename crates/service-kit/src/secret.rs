//! Values that must never be printed, compared or kept carelessly. A [`Secret`] shows `[redacted]` in
//! `Debug`, has no `Display` and no `Serialize`, and is wiped from memory when dropped.

use std::fmt;

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

/// A value that is redacted wherever it is printed. [`Secret::expose`] is the only way in, so that every
/// use can be found by name.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: hand it on, never print it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<String> {
    /// Whether `candidate` equals the secret, in time that depends on the lengths alone.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        constant_time::verify_slices_are_equal(&sha256(self.0.as_bytes()), &sha256(candidate.as_bytes()))
            .is_ok()
    }

    /// Whether there is anything in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<&str> for Secret<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

/// `N` bytes from the system's secure random source.
///
/// # Panics
/// When the operating system has no randomness to give; nothing sensible can be done then.
#[must_use]
#[expect(clippy::expect_used, reason = "a system without randomness cannot run any of this safely")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    rand::fill(&mut bytes).expect("the operating system's random source failed");
    bytes
}

/// A token of 256 random bits in base64url without padding (43 characters).
#[must_use]
pub fn random_token() -> Secret<String> {
    Secret::new(URL_SAFE_NO_PAD.encode(random_bytes::<32>()))
}

/// SHA-256 of `data`: how high-entropy tokens are stored and how PKCE challenges are made.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0_u8; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// SHA-256 in base64url without padding: `S256` of RFC 7636, section 4.2.
#[must_use]
pub fn sha256_base64url(data: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(data))
}

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(data: &[u8]) -> String {
    use fmt::Write as _;
    sha256(data).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::from("hunter2-hunter2");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:?}", Some(secret)), "Some([redacted])");
    }

    #[test]
    fn comparison_tells_equal_from_unequal() {
        let secret = Secret::from("token");
        assert!(secret.matches("token"));
        assert!(!secret.matches("token "));
        assert!(!secret.matches(""));
    }

    #[test]
    fn tokens_have_256_bits_and_differ() {
        let (a, b) = (random_token(), random_token());
        assert_eq!(a.expose().len(), 43);
        assert_ne!(a.expose(), b.expose());
    }

    #[test]
    fn s256_agrees_with_rfc_7636_appendix_b() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(sha256_base64url(verifier.as_bytes()), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}

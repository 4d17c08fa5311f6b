//! Time-based one-time passwords (RFC 6238) as every authenticator app makes them: SHA-1, six digits, 30 seconds.
//! Pure. What must stay true: a candidate is compared with every step that is open, in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

/// RFC 4226, section 4, R6: 128 bits at least, 160 recommended.
pub const SECRET_LEN: usize = 20;
/// How long a password holds (RFC 6238, section 5.2).
pub const STEP_SECS: i64 = 30;
/// Steps before and after this one that are open too, for clocks that differ and people who type.
const SKEW: i64 = 1;
/// RFC 4648, section 6.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step of a time in seconds since 1970.
#[must_use]
pub fn step_at(secs: i64) -> i64 {
    secs.div_euclid(STEP_SECS)
}

/// The password of a step (RFC 4226, section 5.3).
#[must_use]
pub fn code(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0x0f);
    let word = u32::from_be_bytes([tag[offset], tag[offset + 1], tag[offset + 2], tag[offset + 3]]);
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

/// The step that a candidate is the password of, among those that are open at `secs` and later than `used`.
#[must_use]
pub fn matching_step(secret: &[u8], candidate: &str, secs: i64, used: i64) -> Option<i64> {
    let now = step_at(secs);
    let mut found = None;
    for step in now - SKEW..=now + SKEW {
        let equal = verify_slices_are_equal(code(secret, step).as_bytes(), candidate.as_bytes()).is_ok();
        if equal && step > used && found.is_none() {
            found = Some(step);
        }
    }
    found
}

/// Base32 (RFC 4648) without padding: how secrets are typed.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    let chunk = |chunk: &[u8]| {
        let mut word = [0_u8; 8];
        word[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(word);
        let chars = (chunk.len() * 8).div_ceil(5);
        (0..chars)
            .map(move |n| char::from(ALPHABET[usize::try_from((bits >> (35 - 5 * n)) & 31).unwrap_or(0)]))
            .collect::<String>()
    };
    bytes.chunks(5).map(chunk).collect()
}

/// What [`base32`] made; upper and lower case, blanks do not matter.
#[must_use]
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = ALPHABET.iter().position(|known| *known == byte.to_ascii_uppercase())?;
        bits = (bits << 5) | u32::try_from(value).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    /// RFC 6238, appendix B; the last six of its eight digits.
    #[test]
    fn codes_agree_with_rfc_6238_appendix_b() {
        for (secs, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(SECRET, step_at(secs)), expected, "at {secs}");
        }
    }

    /// RFC 4226, appendix D.
    #[test]
    fn counters_agree_with_rfc_4226_appendix_d() {
        let expected = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583"];
        for (step, expected) in (0..).zip(expected) {
            assert_eq!(code(SECRET, step), expected);
        }
    }

    #[test]
    fn one_step_before_and_after_is_open_and_none_that_was_used() {
        let (at, now) = (1_111_111_111, step_at(1_111_111_111));
        let found = |step: i64, used: i64| matching_step(SECRET, &code(SECRET, step), at, used);
        for step in now - 1..=now + 1 {
            assert_eq!(found(step, 0), Some(step));
            assert_eq!(found(step, step), None);
            assert_eq!(found(step, step - 1), Some(step));
        }
        assert_eq!(found(now - 2, 0), None);
        assert_eq!(found(now + 2, 0), None);
        for bad in ["", "05047", "0504711", "abcdef", "０５０４７１"] {
            assert_eq!(matching_step(SECRET, bad, at, 0), None, "{bad}");
        }
    }

    /// RFC 4648, section 10.
    #[test]
    fn base32_agrees_with_rfc_4648_and_comes_back() {
        for (plain, expected) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(plain.as_bytes()), expected);
            assert_eq!(from_base32(&expected.to_lowercase()).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(from_base32("MZXW 6YTB OI").as_deref(), Some(b"foobar".as_slice()));
        assert_eq!(from_base32("M1"), None);
    }
}

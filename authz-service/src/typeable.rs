//! Secrets that people copy by hand: groups of four characters without look-alikes, 20 random bits a group.

use service_kit::secret::{Secret, random_bytes};

/// Without `i`, `l`, `o` and `1`.
pub(crate) const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
const GROUP: usize = 4;

/// A secret of so many groups.
pub(crate) fn secret(groups: usize) -> Secret<String> {
    let mut text = String::with_capacity(groups * (GROUP + 1));
    for group in 0..groups {
        if group > 0 {
            text.push('-');
        }
        for byte in random_bytes::<GROUP>() {
            // 256 is a multiple of 32, so every character is equally likely.
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
    }
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_groups_that_differ() {
        let text = secret(4);
        assert_eq!(text.expose().len(), 19);
        assert!(text.expose().split('-').all(|group| group.len() == GROUP));
        assert_ne!(secret(4).expose(), text.expose());
    }
}

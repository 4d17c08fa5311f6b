//! Recovery codes: ten to a set, each for one use, shown once. 80 random bits would be safe behind a plain hash;
//! theirs is keyed all the same (`master.key`), so that a copy of the database alone gives nobody anything to try.

use control_api::ids::UserId;
use control_api::second_factor::RECOVERY_CODES;
use service_kit::secret::Secret;

use crate::keys::Keys;
use crate::typeable;

/// Groups of four characters.
const GROUPS: usize = 4;
const CHARS: usize = GROUPS * 4;

/// A new set: what the person is shown, and what is stored of it.
pub(super) fn new_set(keys: &Keys, user: UserId) -> (Vec<Secret<String>>, Vec<[u8; 32]>) {
    let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| typeable::secret(GROUPS)).collect();
    let macs = codes.iter().map(|code| mac(keys, user, &typed(code.expose()))).collect();
    (codes, macs)
}

/// A code without what does not matter.
pub(super) fn typed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).collect()
}

/// Whether a typed text could be a recovery code.
pub(super) fn is_code(typed: &str) -> bool {
    typed.len() == CHARS && typed.bytes().all(|byte| typeable::ALPHABET.contains(&byte))
}

/// What is stored of a typed code.
pub(super) fn mac(keys: &Keys, user: UserId, typed: &str) -> [u8; 32] {
    keys.mac("recovery codes", format!("{user}\n{typed}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_hyphens_and_case_do_not_matter() {
        let code = typeable::secret(GROUPS);
        let plain = typed(code.expose());
        assert!(is_code(&plain), "{plain}");
        assert_eq!(typed(&code.expose().to_uppercase().replace('-', " ")), plain);
        for bad in ["", "123456", "abcd-efgh-abcd-efg", "abcd-efgh-abcd-efgi", "äbcd-efgh-abcd-efg"] {
            assert!(!is_code(&typed(bad)), "{bad}");
        }
    }
}

//! Which passwords are good enough (NIST SP 800-63B-4, section 3.1.1.2): a least length, a generous greatest
//! one, any characters, no rules of composition, and a refusal of what is guessed first: common passwords,
//! the person's own name and address, the service's name, repetitions and sequences. Pure.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Longest password, in characters.
pub(crate) const MAX_CHARS: usize = 128;

/// Shortest password beside a second factor, in characters (NIST SP 800-63B-4, section 3.1.1.2).
pub(crate) const MIN_WITH_SECOND_FACTOR: usize = 8;

const SERVICE_NAMES: [&str; 2] = ["beaver", "beaverapp"];
/// Rows that fingers walk along, forwards and backwards.
const ROWS: [&str; 5] =
    ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertyuiopasdfghjklzxcvbnm1234567890"];

/// Lower case; one a line.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../assets/common-passwords.txt")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect()
});

/// What is wrong with the password, in words for people; `None` when it will do.
pub(crate) fn fault(password: &str, min_chars: usize, username: &str, email: &str) -> Option<String> {
    let chars = password.chars().count();
    if chars < min_chars {
        return Some(format!("must have at least {min_chars} characters; a few words make a good one"));
    }
    if chars > MAX_CHARS {
        return Some(format!("must have at most {MAX_CHARS} characters"));
    }
    let lower = password.to_lowercase();
    let core = lower.trim_matches(|c: char| !c.is_alphabetic());
    if is_personal(&lower, core, username, email) {
        return Some("must not be your name, your address or the name of this service".to_owned());
    }
    if is_repetition(&lower) || is_walk(&lower) {
        return Some("must not be a repetition or a sequence such as 1234 or qwerty".to_owned());
    }
    if COMMON.contains(lower.as_str()) || is_common_with_padding(&lower, core) {
        return Some("is among the passwords that are guessed first; choose another".to_owned());
    }
    None
}

fn is_personal(lower: &str, core: &str, username: &str, email: &str) -> bool {
    let email = email.trim().to_lowercase();
    let local = email.split('@').next().unwrap_or_default().to_owned();
    let own = [username.trim().to_lowercase(), local, email];
    own.iter()
        .map(String::as_str)
        .chain(SERVICE_NAMES)
        .filter(|name| !name.is_empty())
        .any(|name| lower == name || core == name || is_repeat_of(lower, name))
}

/// One unit over and over: `aaaaaaaa`, `abcabcabcabc`, `passwordpassword` (where the unit is common).
fn is_repetition(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    (1..=chars.len() / 2).filter(|size| chars.len().is_multiple_of(*size)).any(|size| {
        let (unit, times) = (&chars[..size], chars.len() / size);
        chars.chunks(size).all(|chunk| chunk == unit)
            && (times >= 3 || COMMON.contains(unit.iter().collect::<String>().as_str()))
    })
}

fn is_repeat_of(text: &str, unit: &str) -> bool {
    text.len() > unit.len() && text.replace(unit, "").is_empty()
}

/// A walk along the alphabet, the digits or a keyboard row, with wrap-around, in either direction.
fn is_walk(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    chars.len() >= 3 && (steps_by_one(&chars) || walks_a_row(text))
}

fn steps_by_one(chars: &[char]) -> bool {
    let step = |a: char, b: char| match (a.to_digit(10), b.to_digit(10)) {
        (Some(9), Some(0)) => 1,
        (Some(0), Some(9)) => -1,
        _ => i64::from(u32::from(b)) - i64::from(u32::from(a)),
    };
    [1, -1].iter().any(|wanted| chars.windows(2).all(|pair| step(pair[0], pair[1]) == *wanted))
}

fn walks_a_row(text: &str) -> bool {
    ROWS.iter().any(|row| {
        let times = text.len() / row.len() + 2;
        let forwards = row.repeat(times);
        let backwards: String = forwards.chars().rev().collect();
        forwards.contains(text) || backwards.contains(text)
    })
}

/// `password1234567`, `!!!!sunshine!!!!`: a common word, and around it nothing that takes guessing.
fn is_common_with_padding(lower: &str, core: &str) -> bool {
    if core.is_empty() || core.len() == lower.len() || !COMMON.contains(core) {
        return false;
    }
    let Some((before, after)) = lower.split_once(core) else { return false };
    let trivial = |padding: &str| {
        let chars: Vec<char> = padding.chars().collect();
        chars.len() <= 4 || chars.iter().all(|c| *c == chars[0]) || is_walk(padding)
    };
    trivial(before) && trivial(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(password: &str) -> Option<String> {
        fault(password, 15, "alice", "alice.liddell@example.com")
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(judge("short").is_some_and(|f| f.contains("at least 15")));
        assert!(judge("üñîçø∂é grün 🦫🦫").is_none(), "15 characters, many more bytes");
        assert!(judge(&"ab c".repeat(33)).is_some_and(|f| f.contains("at most 128")));
        assert!(fault("tr4in gla", 8, "alice", "").is_none());
    }

    #[test]
    fn what_is_guessed_first_is_refused() {
        for bad in [
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "passwordpassword",
            "123456789012345",
            "987654321098765",
            "abcdefghijklmnop",
            "qwertyuiopasdfghjkl",
            "lkjhgfdsapoiuytrewq",
            "alicealicealice",
            "Alice.Liddell@Example.com",
            "alice.liddell12",
            "beaverbeaverbeaver",
            "beaver!!!!!!!!!!",
            "Password1234567",
            "!!!!Sunshine!!!!",
            "correcthorsebatterystaple",
        ] {
            assert!(judge(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_few_words_will_do() {
        for good in
            ["plum tray orbit lamp", "wir gehen heute schwimmen", "x7#kq9!mmp2&vv1", "alice eats 40 pears"]
        {
            assert_eq!(judge(good), None, "{good}");
        }
    }

    #[test]
    fn the_list_is_lower_case_and_large_enough() {
        assert!(COMMON.len() >= 3000, "{}", COMMON.len());
        assert!(COMMON.iter().filter(|p| p.chars().count() >= 8).count() >= 1000);
        assert!(COMMON.iter().all(|p| p.to_lowercase() == **p));
    }
}

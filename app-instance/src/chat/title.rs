//! Titles of conversations.

/// Longest title that is made from a message, in characters.
const FROM_MESSAGE: usize = 60;
/// Longest title that the owner may give, in characters.
pub(crate) const MAX_CHARS: usize = 120;

/// A title from the first thing that was said: its first words, on one line.
pub(crate) fn from_message(text: &str) -> String {
    let line = one_line(text);
    if line.chars().count() <= FROM_MESSAGE {
        return if line.is_empty() { "Conversation".to_owned() } else { line };
    }
    let cut: String = line.chars().take(FROM_MESSAGE).collect();
    // Whole words where there are any.
    let words = cut.rsplit_once(' ').map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", if words.len() * 2 > cut.len() { words } else { &cut })
}

/// A title that the owner typed: `None` where nothing is left of it or it is too long.
pub(crate) fn from_owner(text: &str) -> Option<String> {
    let line = one_line(text);
    (!line.is_empty() && line.chars().count() <= MAX_CHARS).then_some(line)
}

fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_short_line_of_whole_words() {
        assert_eq!(from_message("  Hello\n\nthere "), "Hello there");
        assert_eq!(from_message(" \n"), "Conversation");
        let long = from_message(&"word ".repeat(40));
        assert!(long.ends_with("word…") && long.chars().count() <= 61, "{long}");
        assert_eq!(from_message(&"x".repeat(100)).chars().count(), 61);
        assert_eq!(from_message(&"数".repeat(100)).chars().count(), 61);
    }

    #[test]
    fn an_owners_title_is_refused_when_empty_or_too_long() {
        assert_eq!(from_owner(" My\ttitle "), Some("My title".to_owned()));
        assert_eq!(from_owner("\n"), None);
        assert_eq!(from_owner(&"x".repeat(MAX_CHARS + 1)), None);
    }
}

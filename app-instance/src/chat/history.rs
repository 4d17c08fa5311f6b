//! What of a conversation is sent to the provider. Pure.

use crate::store::{Message, Role};

/// Longest message, in bytes.
pub(crate) const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// How much of a conversation is sent: about 100,000 tokens, which today's models take. Without a limit a long
/// conversation would end in refusals for good.
const MAX_HISTORY_BYTES: usize = 384 * 1024;

/// One thing that was said, as a provider is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) role: Role,
    pub(crate) text: String,
}

/// The newest turns that fit, oldest first: it begins with the owner, roles alternate (some servers insist),
/// answers without text are left out, and what was kept of a broken answer is sent like any other.
pub(crate) fn turns(history: &[Message]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for message in history.iter().filter(|message| !message.content.trim().is_empty()) {
        match turns.last_mut() {
            Some(last) if last.role == message.role => {
                last.text.push_str("\n\n");
                last.text.push_str(&message.content);
            }
            _ => turns.push(Turn { role: message.role, text: message.content.clone() }),
        }
    }
    let mut left = MAX_HISTORY_BYTES;
    let fitting = turns.iter().rev().take_while(|turn| {
        let fits = turn.text.len() <= left;
        left = left.saturating_sub(turn.text.len());
        fits
    });
    // The newest goes along whatever its size.
    let keep = fitting.count().max(1).min(turns.len());
    turns.drain(..turns.len() - keep);
    if turns.first().is_some_and(|first| first.role == Role::Assistant) {
        turns.remove(0);
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MessageState;

    fn said(role: Role, content: &str) -> Message {
        Message {
            id: String::new(),
            role,
            content: content.to_owned(),
            state: MessageState::Complete,
            note: None,
            model: None,
            created_at: 0,
        }
    }

    #[test]
    fn roles_alternate_and_empty_answers_are_left_out() {
        let history = [
            said(Role::User, "one"),
            said(Role::Assistant, ""),
            said(Role::User, "two"),
            said(Role::Assistant, "three"),
            said(Role::User, "four"),
        ];
        let turns = turns(&history);
        let shown: Vec<_> = turns.iter().map(|turn| (turn.role, turn.text.as_str())).collect();
        assert_eq!(shown, [(Role::User, "one\n\ntwo"), (Role::Assistant, "three"), (Role::User, "four")]);
    }

    #[test]
    fn the_oldest_is_left_out_when_it_does_not_fit() {
        let long = "x".repeat(200 * 1024);
        let history = [
            said(Role::User, &long),
            said(Role::Assistant, &long),
            said(Role::User, "and now"),
            said(Role::Assistant, "yes"),
            said(Role::User, "last"),
        ];
        let turns = turns(&history);
        assert_eq!(turns.first().map(|turn| turn.text.as_str()), Some("and now"));
        assert_eq!(turns.len(), 3);
    }

    #[test]
    fn the_newest_is_always_sent() {
        let turns = turns(&[said(Role::User, &"x".repeat(MAX_HISTORY_BYTES + 1))]);
        assert_eq!(turns.len(), 1);
    }
}

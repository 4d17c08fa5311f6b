//! What the templates show.

use askama::Template;

use crate::provider_config::ProviderState;
use crate::routes::views::{role_text, state_text};
use crate::store::{Conversation, ConversationId, Message, MessageState, Role};

/// The chat.
#[derive(Template)]
#[template(path = "chat.html")]
pub(super) struct ChatPage<'a> {
    pub(super) assets: &'a str,
    pub(super) owner: &'a str,
    pub(super) provider: ProviderLine,
    /// The portal's origin, where it is known.
    pub(super) portal: Option<&'a str>,
    /// Empty on the page of a new chat.
    pub(super) title: &'a str,
    /// Empty on the page of a new chat.
    pub(super) conversation: &'a str,
    pub(super) list: Vec<Link>,
    /// Where the list goes on.
    pub(super) older: Option<String>,
    /// Whether the list is shown from its beginning.
    pub(super) newest: bool,
    pub(super) messages: Vec<Said>,
}

/// A problem.
#[derive(Template)]
#[template(path = "problem.html")]
pub(super) struct ProblemPage<'a> {
    pub(super) assets: &'a str,
    pub(super) title: &'a str,
    pub(super) detail: &'a str,
    pub(super) request_id: Option<&'a str>,
}

/// The provider in a few words.
pub(super) struct ProviderLine {
    /// Whether it can be asked.
    pub(super) ready: bool,
    /// Whether `config.json` is at fault.
    pub(super) faulty: bool,
    /// Its name and model, or what is wrong.
    pub(super) text: String,
}

impl From<&ProviderState> for ProviderLine {
    fn from(state: &ProviderState) -> Self {
        match state {
            ProviderState::Missing => {
                Self { ready: false, faulty: false, text: "No provider yet".to_owned() }
            }
            ProviderState::Faulty(reason) => Self { ready: false, faulty: true, text: reason.clone() },
            ProviderState::Ready(ready) => {
                let kind = ready.kind.as_str();
                let text =
                    if kind == ready.model { kind.to_owned() } else { format!("{kind} · {}", ready.model) };
                Self { ready: true, faulty: false, text }
            }
        }
    }
}

/// A conversation in the list.
pub(super) struct Link {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) current: bool,
}

impl Link {
    pub(super) fn new(conversation: &Conversation, current: Option<&ConversationId>) -> Self {
        let title = if conversation.title.is_empty() { "New conversation" } else { &conversation.title };
        Self {
            id: conversation.id.to_string(),
            title: title.to_owned(),
            current: current == Some(&conversation.id),
        }
    }
}

/// A message.
pub(super) struct Said {
    pub(super) id: String,
    pub(super) role: &'static str,
    pub(super) state: &'static str,
    pub(super) content: String,
    pub(super) note: Option<String>,
    /// What the button says that asks for another answer; empty where there is none.
    pub(super) again: &'static str,
}

impl From<&Message> for Said {
    fn from(message: &Message) -> Self {
        let again = match (message.role, message.state) {
            (Role::User, _) | (Role::Assistant, MessageState::Streaming) => "",
            (Role::Assistant, MessageState::Complete) => "Answer again",
            (Role::Assistant, _) => "Try again",
        };
        Self {
            id: message.id.clone(),
            role: role_text(message.role),
            state: state_text(message.state),
            content: message.content.clone(),
            note: message.note.clone(),
            again,
        }
    }
}

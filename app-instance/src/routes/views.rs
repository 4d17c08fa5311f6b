//! Bodies of the chat's API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use service_kit::clock;
use utoipa::ToSchema;

use crate::provider_config::ProviderState;
use crate::store::{Conversation, Message, MessageState, Role};

/// What is known about the provider; never its key.
#[derive(Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum ProviderView {
    /// None was chosen yet.
    Missing,
    /// `config.json` is at fault.
    Faulty {
        /// Why, without its content.
        reason: String,
    },
    /// It can be asked.
    Ready {
        /// `openai`, `anthropic`, `openai-compatible` or `echo`.
        kind: &'static str,
        /// The model that is asked.
        model: String,
    },
}

impl From<&ProviderState> for ProviderView {
    fn from(state: &ProviderState) -> Self {
        match state {
            ProviderState::Missing => Self::Missing,
            ProviderState::Faulty(reason) => Self::Faulty { reason: reason.clone() },
            ProviderState::Ready(ready) => {
                Self::Ready { kind: ready.kind.as_str(), model: ready.model.clone() }
            }
        }
    }
}

/// A conversation in the list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationView {
    /// A ULID.
    pub(crate) id: String,
    /// Empty until the first message gives it one.
    pub(crate) title: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// When it was last written to.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

impl From<Conversation> for ConversationView {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id.to_string(),
            title: conversation.title,
            created_at: clock::from_millis(conversation.created_at),
            updated_at: clock::from_millis(conversation.updated_at),
        }
    }
}

/// A page of the list, the last used first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationPage {
    /// The conversations.
    pub(crate) conversations: Vec<ConversationView>,
    /// Give this as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A conversation with all that was said.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationDetail {
    /// The conversation.
    #[serde(flatten)]
    pub(crate) conversation: ConversationView,
    /// Oldest first.
    pub(crate) messages: Vec<MessageView>,
}

/// One message.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// A ULID.
    pub(crate) id: String,
    /// `user` or `assistant`.
    pub(crate) role: &'static str,
    /// The text, as far as it came.
    pub(crate) content: String,
    /// `streaming`, `complete`, `stopped`, `broken` (broke off; the text that came is kept) or `failed` (no
    /// text came).
    pub(crate) state: &'static str,
    /// What there is to say about the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// The model that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        Self {
            role: role_text(message.role),
            state: state_text(message.state),
            id: message.id,
            content: message.content,
            note: message.note,
            model: message.model,
            created_at: clock::from_millis(message.created_at),
        }
    }
}

/// As in the API and in the pages.
pub(crate) fn role_text(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}

/// As in the API and in the pages.
pub(crate) fn state_text(state: MessageState) -> &'static str {
    match state {
        MessageState::Streaming => "streaming",
        MessageState::Complete => "complete",
        MessageState::Stopped => "stopped",
        MessageState::Broken => "broken",
        MessageState::Failed => "failed",
    }
}

/// Body of `POST /api/conversations`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewConversation {
    /// At most 120 characters; without one, the first message gives it.
    #[serde(default)]
    pub(crate) title: Option<String>,
}

/// Body of `PATCH /api/conversations/{id}`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Rename {
    /// At most 120 characters.
    pub(crate) title: String,
}

/// Body of `POST /api/conversations/{id}/messages`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Say {
    /// At most 256 KiB.
    pub(crate) text: String,
}

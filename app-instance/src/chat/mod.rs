//! The chat: what is sent to a provider, and one task per answer that keeps what comes.

mod generation;
mod history;
pub(crate) mod title;

pub(crate) use generation::{Chat, ChatEvent, StartError};
pub(crate) use history::{MAX_MESSAGE_BYTES, Turn};

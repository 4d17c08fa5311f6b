//! One answer at a time in each conversation: a tracked task asks the provider, keeps what comes, and tells
//! the browser. It ends with the provider, when the owner presses stop, when nobody listens any more, or when
//! the process stops; what has come by then is kept in every case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use service_kit::lifecycle::Lifecycle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

use super::history;
use crate::providers::{Ended, ProviderClient, ProviderError};
use crate::store::{Begun, ConversationId, Message, MessageState, Store, StoreError};

/// How often what has come is written down.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// Longest answer; it also bounds what a slow browser makes us hold.
const MAX_ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// Pieces that may wait between provider and task.
const PIECES: usize = 32;

/// What the browser is told, in this order: one `Started`, any number of `Delta`, one of the others.
#[derive(Clone, Debug)]
pub(crate) enum ChatEvent {
    /// The answer's row is made.
    Started { answer_id: String, title: String },
    /// More text.
    Delta(String),
    /// Settled; `problem` where it did not end well. `message` is what is shown now; without one the
    /// conversation is gone.
    Settled { message: Option<Message>, problem: Option<String> },
}

/// Why an answer was not begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Another answer of the conversation is being written.
    #[error("another answer is being written")]
    Busy,
    /// There is nothing to answer.
    #[error("nothing was said yet")]
    NothingToAnswer,
    /// It could not be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The answers that are being written.
#[derive(Clone)]
pub(crate) struct Chat {
    store: Store,
    lifecycle: Lifecycle,
    active: Arc<Mutex<HashMap<ConversationId, Active>>>,
}

#[derive(Clone, Default)]
struct Active {
    stop: CancellationToken,
    ended: CancellationToken,
}

/// The right to write the answer of one conversation; given back when dropped.
struct Turnstile {
    chat: Chat,
    id: ConversationId,
    active: Active,
}

impl Drop for Turnstile {
    fn drop(&mut self) {
        self.chat.lock().remove(&self.id);
        self.active.ended.cancel();
    }
}

/// An answer as far as it has come.
struct Draft {
    answer_id: String,
    text: String,
}

/// Why a task stopped asking.
enum Outcome {
    Provider(Result<Ended, ProviderError>),
    Stopped,
    Restarted,
}

impl Chat {
    /// No answer is being written.
    pub(crate) fn new(store: Store, lifecycle: Lifecycle) -> Self {
        Self { store, lifecycle, active: Arc::default() }
    }

    /// Keeps what the owner says and begins an answer.
    pub(crate) async fn say(
        &self,
        provider: Arc<ProviderClient>,
        id: &ConversationId,
        text: &str,
    ) -> Result<UnboundedReceiver<ChatEvent>, StartError> {
        let turnstile = self.enter(id)?;
        let begun = self.store.begin_turn(id, text, &provider.provider().model).await?;
        Ok(self.spawn(provider, turnstile, begun))
    }

    /// Begins another answer to the last thing that was said.
    pub(crate) async fn retry(
        &self,
        provider: Arc<ProviderClient>,
        id: &ConversationId,
    ) -> Result<UnboundedReceiver<ChatEvent>, StartError> {
        let turnstile = self.enter(id)?;
        let begun = self.store.begin_retry(id, &provider.provider().model).await?;
        Ok(self.spawn(provider, turnstile, begun.ok_or(StartError::NothingToAnswer)?))
    }

    /// Stops the answer that is being written, if there is one, and waits until it is kept.
    pub(crate) async fn stop(&self, id: &ConversationId) {
        let active = self.lock().get(id).cloned();
        if let Some(active) = active {
            active.stop.cancel();
            active.ended.cancelled().await;
        }
    }

    /// Whether an answer is being written.
    pub(crate) fn is_writing(&self, id: &ConversationId) -> bool {
        self.lock().contains_key(id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ConversationId, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, id: &ConversationId) -> Result<Turnstile, StartError> {
        let active = Active::default();
        let mut map = self.lock();
        if map.contains_key(id) {
            return Err(StartError::Busy);
        }
        map.insert(id.clone(), active.clone());
        Ok(Turnstile { chat: self.clone(), id: id.clone(), active })
    }

    fn spawn(
        &self,
        provider: Arc<ProviderClient>,
        turnstile: Turnstile,
        begun: Begun,
    ) -> UnboundedReceiver<ChatEvent> {
        let (events, receiver) = mpsc::unbounded_channel();
        let this = self.clone();
        self.lifecycle.spawn("answer", async move {
            this.write_answer(&provider, turnstile, begun, events).await;
        });
        receiver
    }

    async fn write_answer(
        &self,
        provider: &ProviderClient,
        turnstile: Turnstile,
        begun: Begun,
        events: UnboundedSender<ChatEvent>,
    ) {
        let Begun { answer_id, history, title } = begun;
        let _ = events.send(ChatEvent::Started { answer_id: answer_id.clone(), title });
        let mut draft = Draft { answer_id, text: String::new() };
        let outcome = self.collect(provider, &history, &mut draft, &turnstile.active.stop, &events).await;
        let Draft { answer_id, text } = draft;
        let (state, note) = settle(&outcome, text.is_empty());
        if let Outcome::Provider(Err(error)) = &outcome {
            tracing::warn!(?state, reason = %error, "the provider gave no whole answer");
        }
        let kept = self.store.finish(&answer_id, &text, state, note.as_deref()).await;
        // Whoever waits for the end must find the conversation free.
        drop(turnstile);
        let failed = matches!(state, MessageState::Broken | MessageState::Failed);
        let settled = match kept {
            Ok(message) => ChatEvent::Settled { message, problem: note.filter(|_| failed) },
            Err(error) => {
                tracing::error!(%error, "an answer could not be kept");
                let problem = "The answer could not be kept: the app cannot write to its disk.".to_owned();
                ChatEvent::Settled { message: None, problem: Some(problem) }
            }
        };
        let _ = events.send(settled);
    }

    /// Gathers the answer in `draft` until it ends, one way or another.
    async fn collect(
        &self,
        provider: &ProviderClient,
        history: &[Message],
        draft: &mut Draft,
        stop: &CancellationToken,
        events: &UnboundedSender<ChatEvent>,
    ) -> Outcome {
        let turns = history::turns(history);
        let (sender, mut pieces) = mpsc::channel(PIECES);
        let asking = provider.answer(&turns, sender);
        tokio::pin!(asking);
        let stopping = self.lifecycle.stopping();
        let mut checkpoint = tokio::time::interval(CHECKPOINT);
        let (mut written, mut result) = (0, None);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Outcome::Stopped,
                () = events.closed() => return Outcome::Stopped,
                () = stopping.cancelled() => return Outcome::Restarted,
                piece = pieces.recv() => match (piece, result.take()) {
                    (Some(piece), earlier) => {
                        result = earlier;
                        draft.text.push_str(&piece);
                        let _ = events.send(ChatEvent::Delta(piece));
                        if draft.text.len() > MAX_ANSWER_BYTES {
                            return Outcome::Provider(Err(ProviderError::TooLong));
                        }
                    }
                    // The sender is gone with the provider's future, so the result is there.
                    (None, Some(result)) => return Outcome::Provider(result),
                    (None, None) => return Outcome::Provider(Err(ProviderError::BrokeOff)),
                },
                ended = &mut asking, if result.is_none() => result = Some(ended),
                _ = checkpoint.tick(), if draft.text.len() > written => {
                    written = draft.text.len();
                    if let Err(error) = self.store.checkpoint(&draft.answer_id, &draft.text).await {
                        tracing::warn!(%error, "an answer under way could not be written down");
                    }
                }
            }
        }
    }
}

/// How an answer is kept, and what is said about it.
fn settle(outcome: &Outcome, empty: bool) -> (MessageState, Option<String>) {
    let cut_off = if empty { MessageState::Failed } else { MessageState::Broken };
    match outcome {
        Outcome::Provider(Ok(_)) if empty => {
            (MessageState::Failed, Some("The provider sent an empty answer.".to_owned()))
        }
        Outcome::Provider(Ok(Ended::Whole)) => (MessageState::Complete, None),
        Outcome::Provider(Ok(Ended::AtLimit)) => {
            (MessageState::Complete, Some("The answer reached the model's length limit.".to_owned()))
        }
        Outcome::Provider(Err(error)) => (cut_off, Some(error.to_string())),
        Outcome::Stopped => (MessageState::Stopped, Some("Stopped.".to_owned())),
        Outcome::Restarted => {
            (cut_off, Some("The app was restarted while this was being written.".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_kept_and_named() {
        use MessageState::{Broken, Complete, Failed, Stopped};
        let table = [
            (Outcome::Provider(Ok(Ended::Whole)), false, Complete),
            (Outcome::Provider(Ok(Ended::Whole)), true, Failed),
            (Outcome::Provider(Ok(Ended::AtLimit)), false, Complete),
            (Outcome::Provider(Err(ProviderError::BrokeOff)), false, Broken),
            (Outcome::Provider(Err(ProviderError::BrokeOff)), true, Failed),
            (Outcome::Stopped, true, Stopped),
            (Outcome::Stopped, false, Stopped),
            (Outcome::Restarted, false, Broken),
        ];
        for (outcome, empty, expected) in table {
            let (state, note) = settle(&outcome, empty);
            assert_eq!(state, expected);
            assert_eq!(
                note.is_none(),
                state == Complete && matches!(outcome, Outcome::Provider(Ok(Ended::Whole)))
            );
        }
    }
}

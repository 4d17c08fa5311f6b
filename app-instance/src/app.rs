//! The app put together: what is opened at start, in which order, and what the handlers share. Nothing on the
//! way to readiness talks to another machine or builds what may never be needed.

use std::sync::{Arc, PoisonError, RwLock};

use control_api::instance::Owner;
use service_kit::clock::Clock;
use service_kit::lifecycle::{Lifecycle, StartError};
use service_kit::metrics::Metrics;
use service_kit::server;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::chat::{Chat, ChatEvent, MAX_MESSAGE_BYTES};
use crate::config::Config;
use crate::error::AppError;
use crate::identity::Verifier;
use crate::issuer_client::IssuerClient;
use crate::provider_config::{self, ProviderState};
use crate::providers::ProviderClient;
use crate::routes;
use crate::store::{Conversation, ConversationId, Cursor, Message, MessageState, Store};

/// Largest body: the longest message as a form, where one byte may take three, and some room.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// What comes of an answer.
pub(crate) type Events = UnboundedReceiver<ChatEvent>;

/// What the handlers share.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) issuer: IssuerClient,
    pub(crate) chat: Chat,
    pub(crate) verifier: Verifier,
    pub(crate) provider: ProviderState,
    /// Present where the provider is ready.
    pub(crate) client: Option<Arc<ProviderClient>>,
    /// One registration at a time: a token works once.
    pub(crate) registering: Semaphore,
    owner: RwLock<Option<Owner>>,
}

impl App {
    /// Whose instance this is, once that is known.
    pub(crate) fn owner(&self) -> Option<Owner> {
        self.owner.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the owner that was just written down.
    pub(crate) fn set_owner(&self, owner: Owner) {
        *self.owner.write().unwrap_or_else(PoisonError::into_inner) = Some(owner);
    }

    /// A page of the conversations, the last used first, and where the next page begins.
    pub(crate) async fn page_of_conversations(
        &self,
        after: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<Conversation>, Option<Cursor>), AppError> {
        let mut rows = self.store.conversations(after, limit + 1).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().filter(|_| more).map(Cursor::after);
        Ok((rows, next))
    }

    /// What is shown of a conversation. An answer that nobody writes any more and that could not be settled
    /// (the disk was full) is shown as broken off, so that it can be tried again.
    pub(crate) async fn messages(&self, id: &ConversationId) -> Result<Vec<Message>, AppError> {
        let was_writing = self.chat.is_writing(id);
        let mut messages = self.store.messages(id).await?;
        if !was_writing && !self.chat.is_writing(id) {
            for message in messages.iter_mut().filter(|message| message.state == MessageState::Streaming) {
                message.state = MessageState::Broken;
                message.note = Some("The rest of this answer could not be kept.".to_owned());
            }
        }
        Ok(messages)
    }

    /// Keeps what the owner says and begins an answer.
    pub(crate) async fn say(&self, id: &ConversationId, text: &str) -> Result<Events, AppError> {
        let client = self.check_can_say(text)?;
        Ok(self.chat.say(client, id, text).await?)
    }

    /// Begins another answer to the last thing that was said.
    pub(crate) async fn retry(&self, id: &ConversationId) -> Result<Events, AppError> {
        Ok(self.chat.retry(self.client()?, id).await?)
    }

    /// Whether the text may be said now, and to whom.
    pub(crate) fn check_can_say(&self, text: &str) -> Result<Arc<ProviderClient>, AppError> {
        let client = self.client()?;
        check_message(text)?;
        Ok(client)
    }

    fn client(&self) -> Result<Arc<ProviderClient>, AppError> {
        self.client.clone().ok_or_else(|| {
            AppError::NoProvider(match &self.provider {
                ProviderState::Faulty(reason) => format!("{reason}. Set the provider again in the portal."),
                _ => "No provider was chosen yet: choose one in the portal.".to_owned(),
            })
        })
    }
}

/// A message must say something and must fit.
fn check_message(text: &str) -> Result<(), AppError> {
    if text.trim().is_empty() {
        return Err(AppError::invalid("text", "must not be empty"));
    }
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(AppError::invalid("text", format!("must have at most {} KiB", MAX_MESSAGE_BYTES / 1024)));
    }
    Ok(())
}

/// Opens the data, reads `config.json` and serves on `listener` until the process stops.
pub async fn start(
    config: Config,
    clock: Clock,
    lifecycle: &Lifecycle,
    listener: TcpListener,
) -> Result<(), StartError> {
    let store = Store::open(&config.data, clock.clone()).await?;
    let owner = store.owner().await.map_err(|error| StartError::Other(error.to_string()))?;
    let provider = provider_config::load(&config.provider_file);
    let client = match &provider {
        ProviderState::Ready(ready) => Some(Arc::new(ProviderClient::new(ready.clone(), config.timeouts))),
        ProviderState::Missing | ProviderState::Faulty(_) => None,
    };
    let issuer = IssuerClient::default();
    if owner.is_none() {
        issuer.warm_up(lifecycle);
    }
    let app = Arc::new(App {
        chat: Chat::new(store.clone(), lifecycle.clone()),
        verifier: Verifier::new(&config, issuer.clone(), clock, lifecycle.clone()),
        issuer,
        owner: RwLock::new(owner),
        registering: Semaphore::new(1),
        provider,
        client,
        store,
        config,
    });
    let routes = server::layers(routes::router(app), &Metrics::new(), MAX_BODY_BYTES);
    server::serve(lifecycle, "app", listener, routes);
    Ok(())
}

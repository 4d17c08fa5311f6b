//! Model providers: one way to ask each of them for an answer as a stream of text. The key goes into the
//! provider's own header and nowhere else; every wait has a limit.

mod anthropic;
mod echo;
mod error;
mod event_stream;
mod openai;

use control_api::instance::ProviderKind;
use reqwest::{Certificate, Client};
use service_kit::http_client;
use tokio::sync::{OnceCell, mpsc};

use crate::chat::Turn;
use crate::config::Timeouts;
use crate::provider_config::ReadyProvider;
pub(crate) use error::ProviderError;

/// Where the pieces of an answer go.
pub(crate) type Pieces = mpsc::Sender<String>;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself.
    Whole,
    /// At the limit of the model.
    AtLimit,
}

/// A provider that can be asked. The HTTP client, with its hundred and more roots of trust, is made when it
/// is first needed: an instance that only waits must stay small.
#[derive(Debug)]
pub(crate) struct ProviderClient {
    provider: ReadyProvider,
    timeouts: Timeouts,
    http: OnceCell<Client>,
}

impl ProviderClient {
    /// A client for a provider.
    pub(crate) fn new(provider: ReadyProvider, timeouts: Timeouts) -> Self {
        Self { provider, timeouts, http: OnceCell::new() }
    }

    /// Which provider it is.
    pub(crate) fn provider(&self) -> &ReadyProvider {
        &self.provider
    }

    /// Asks for an answer; its pieces are sent as they come. An error may follow pieces. Dropping the future
    /// drops the connection.
    pub(crate) async fn answer(&self, turns: &[Turn], pieces: Pieces) -> Result<Ended, ProviderError> {
        match self.provider.kind {
            ProviderKind::Echo => Ok(echo::answer(turns, &pieces).await),
            ProviderKind::Openai | ProviderKind::OpenaiCompatible => {
                openai::answer(self, turns, &pieces).await
            }
            ProviderKind::Anthropic => anthropic::answer(self, turns, &pieces).await,
        }
    }

    async fn http(&self) -> Result<&Client, ProviderError> {
        let plain = self.provider.base_url.as_ref().is_some_and(|url| url.scheme() == "http");
        let make = || async {
            let builder = http_client::internet().connect_timeout(self.timeouts.connect);
            // Without TLS there is nothing to check: the roots are spared.
            let builder =
                if plain { builder.tls_certs_only(std::iter::empty::<Certificate>()) } else { builder };
            http_client::build(builder)
        };
        self.http
            .get_or_try_init(make)
            .await
            .map_err(|error| ProviderError::Unreachable { reason: error.to_string() })
    }

    /// The base address with `path` behind it.
    fn endpoint(&self, path: &str) -> String {
        let base = self.provider.base_url.as_ref().map_or("", |url| url.as_str());
        format!("{}{path}", base.trim_end_matches('/'))
    }
}

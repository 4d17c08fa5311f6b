//! The HTTP client for the issuer, made when it is first needed or a moment before: a new instance is told its owner
//! as soon as it serves, and should not begin to load all that an HTTP client is only then.

use std::sync::Arc;

use reqwest::Client;
use service_kit::http_client;
use service_kit::lifecycle::Lifecycle;
use tokio::sync::OnceCell;

/// Makes one client, once. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct IssuerClient(Arc<OnceCell<Client>>);

impl IssuerClient {
    /// The client; the error is for people.
    pub(crate) async fn get(&self) -> Result<Client, String> {
        self.0.get_or_try_init(make).await.cloned()
    }

    /// Makes it in the background.
    pub(crate) fn warm_up(&self, lifecycle: &Lifecycle) {
        let this = self.clone();
        lifecycle.spawn("issuer-client", async move {
            if let Err(error) = this.get().await {
                tracing::warn!(error, "the client for the issuer could not be made yet");
            }
        });
    }
}

/// On a thread of its own: the one that serves goes on meanwhile.
async fn make() -> Result<Client, String> {
    let build = || http_client::build(http_client::internal()).map_err(|error| error.to_string());
    tokio::task::spawn_blocking(build).await.map_err(|error| error.to_string())?
}

//! The harness: [`TestApp`] runs the app, [`FakeIssuer`] stands in for authz-service, [`FakeProvider`] for a
//! model provider.

mod app;
mod issuer;
mod provider;

use std::time::Duration;

pub(crate) use app::{Answer, TestApp, read_answer};
pub(crate) use issuer::{FakeIssuer, Reply, claims};
pub(crate) use provider::{FakeProvider, Script, anthropic_events, openai_events};

/// The longest that any test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until `probe` answers something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, probe: impl Fn() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

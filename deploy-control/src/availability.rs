//! Whether Docker answers. One failed call closes it, one answered ping opens it; the health page and every
//! waiting operation say the same.

use std::sync::Arc;

use service_kit::health::{Check, Health};
use tokio::sync::watch;

/// Name of the check on the health page.
pub const CHECK: &str = "docker";

/// Whether Docker answers. Clones share it.
#[derive(Clone)]
pub struct Availability {
    state: Arc<watch::Sender<Option<String>>>,
    health: Health,
}

impl Availability {
    /// Not known to be away, and not known to be there: the health page waits for the first answer.
    pub fn new(health: Health) -> Self {
        health.set(CHECK, Check::Failing("Docker has not answered yet".to_owned()));
        Self { state: Arc::new(watch::Sender::new(None)), health }
    }

    /// Why it is away; `None` while it is not.
    pub fn reason(&self) -> Option<String> {
        self.state.borrow().clone()
    }

    /// It does not answer.
    pub fn down(&self, reason: &str) {
        self.health.set(CHECK, Check::Failing(reason.to_owned()));
        self.state.send_if_modified(|state| {
            let news = state.as_deref() != Some(reason);
            *state = Some(reason.to_owned());
            news
        });
    }

    /// It answers. Says whether that is news.
    pub fn up(&self) -> bool {
        self.health.set(CHECK, Check::Ok);
        self.state.send_if_modified(|state| state.take().is_some())
    }

    /// Waits until it does not answer.
    pub async fn until_down(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as this.
        let _ = state.wait_for(Option::is_some).await;
    }

    /// Waits until it answers.
    pub async fn until_up(&self) {
        let mut state = self.state.subscribe();
        let _ = state.wait_for(Option::is_none).await;
    }
}

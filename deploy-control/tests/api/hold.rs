//! Something that a test holds up in its middle, to do meanwhile what must not matter.

use std::sync::Arc;

use tokio::sync::Notify;

/// One place to wait at. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Hold {
    reached: Arc<Notify>,
    released: Arc<Notify>,
}

impl Hold {
    /// What is held up waits here.
    pub(crate) async fn wait(&self) {
        self.reached.notify_one();
        self.released.notified().await;
    }

    /// Waits until something is held up.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }
}

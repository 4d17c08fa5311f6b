//! A connection to an instance that notes whether the instance has said anything: what was answered in part must not be
//! asked again, and hyper does not tell that from no answer at all.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::write_through::write_through;

/// Whether anything came since it was last asked to listen. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard(Arc<AtomicBool>);

impl Heard {
    /// Forgets what came so far.
    pub(super) fn listen(&self) {
        self.0.store(false, Ordering::Release);
    }

    pub(super) fn anything(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The connection.
#[derive(Debug)]
pub(super) struct Listening<S> {
    pub(super) inner: S,
    pub(super) heard: Heard,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = out.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, out))?;
        if out.filled().len() > before {
            this.heard.0.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

write_through!(Listening);

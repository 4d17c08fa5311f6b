//! Reading without a buffer for each connection: a thread reads into room of its own and keeps what came, so that a
//! connection that waits holds nothing.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// Read at once at most.
pub(super) const SIZE: usize = 32 * 1024;

thread_local! {
    static ROOM: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into_boxed_slice());
}

/// Reads once and adds what came; 0 at the end.
pub(super) fn read_some(
    stream: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    into: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    ROOM.with_borrow_mut(|room| {
        let mut buffer = ReadBuf::new(room);
        ready!(stream.poll_read(cx, &mut buffer))?;
        into.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
}

//! Room that the connections of a thread share. It reads into room of its own and keeps what came, so that a connection
//! that waits holds nothing; what was read and what is written goes into buffers that are used again.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, ReadBuf};

/// Read at once at most.
pub(super) const SIZE: usize = 32 * 1024;

/// Buffers that are kept, and how large they may be.
const SPARE: usize = 64;
const SPARE_SIZE: usize = 16 * 1024;
/// Enough for most heads.
const USUAL: usize = 2048;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static READ: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
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
        if into.capacity() == 0
            && let Some(spare) = READ.with_borrow_mut(Vec::pop)
        {
            *into = spare;
        }
        into.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
}

/// Gives back what [`read_some`] filled. What is in it is gone.
pub(super) fn give_read(mut buffer: BytesMut) {
    READ.with_borrow_mut(|all| {
        if all.len() < SPARE {
            buffer.clear();
            // Takes back the room in front of what was used up.
            buffer.reserve(USUAL);
            if buffer.capacity() <= SPARE_SIZE {
                all.push(buffer);
            }
        }
    });
}

/// An empty buffer.
pub(super) fn spare() -> Vec<u8> {
    BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives one back. What it carried is gone.
pub(super) fn give(mut buffer: Vec<u8>) {
    buffer.clear();
    BUFFERS.with_borrow_mut(|all| {
        if all.len() < SPARE && buffer.capacity() <= SPARE_SIZE {
            all.push(buffer);
        }
    });
}

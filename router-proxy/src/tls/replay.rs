//! A socket of which some bytes were read already: they are read again first. The PROXY protocol may be followed in
//! the same segment by the beginning of a handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use crate::write_through::write_through;

/// The socket with the bytes in front.
#[derive(Debug)]
pub(crate) struct Replay<S> {
    read: BytesMut,
    inner: S,
}

impl<S> Replay<S> {
    pub(crate) fn new(inner: S, read: BytesMut) -> Self {
        Self { read, inner }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read.is_empty() {
            return Pin::new(&mut this.inner).poll_read(cx, out);
        }
        let n = this.read.len().min(out.remaining());
        out.put_slice(&this.read[..n]);
        this.read.advance(n);
        Poll::Ready(Ok(()))
    }
}

write_through!(Replay);

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    #[tokio::test]
    async fn what_was_read_comes_first_however_it_is_read() {
        for size in [1, 3, 64] {
            let mut replay = Replay::new(&b" and the rest"[..], BytesMut::from(&b"the beginning"[..]));
            let (mut all, mut buffer) = (Vec::new(), vec![0; size]);
            while let Ok(n @ 1..) = replay.read(&mut buffer).await {
                all.extend_from_slice(&buffer[..n]);
            }
            assert_eq!(String::from_utf8_lossy(&all), "the beginning and the rest");
        }
    }
}

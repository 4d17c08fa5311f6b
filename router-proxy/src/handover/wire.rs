//! What the two processes say, and where. Lines of text; the sockets go with the line that announces them.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::net::UnixStream;

pub(super) const GREETING: &str = "beaver-router hand-over 1";
pub(super) const SERVING: &str = "serving";
pub(super) const LEAVING: &str = "leaving";
/// What the one or the other says at once, it says within this time.
pub(super) const PROMPT: Duration = Duration::from_secs(5);

const SOCKETS: &[u8] = b"sockets\n";
/// More than there are.
const MAX_SOCKETS: usize = 8;
const MAX_LINE: usize = 64;

/// The state folder with the name of the socket in it.
pub(super) struct Meeting {
    folder_path: PathBuf,
    folder: File,
}

impl Meeting {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { folder_path: folder.to_owned(), folder: File::open(folder)? })
    }

    /// The path of the socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder_path.join("handover.sock")
    }

    /// A path to the same file that is short enough for a socket's address, which has 107 bytes.
    pub(super) fn address_of(&self, path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default();
        Path::new("/proc/self/fd").join(self.folder.as_raw_fd().to_string()).join(name)
    }
}

/// Whether a process may give or take the sockets.
pub(super) fn is_trusted(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| may_take_part(peer.uid(), own))
}

fn may_take_part(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

/// Reads one line; `None` where the other one ended without.
pub(super) async fn read_line(stream: &mut UnixStream) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await {
            Ok(b'\n') => return Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            Ok(byte) if line.len() < MAX_LINE => line.push(byte),
            Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "its line is too long")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Sends sockets; the receiver gets descriptors of its own.
pub(super) async fn send_sockets(stream: &UnixStream, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let sent = stream.async_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::Error::other("there are too many sockets"));
        }
        Ok(rustix::net::sendmsg(stream, &[IoSlice::new(SOCKETS)], &mut control, SendFlags::NOSIGNAL)?)
    });
    // So few bytes go into an empty buffer at once.
    if sent.await? == SOCKETS.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives what [`send_sockets`] sends; `None` where the other one ended without.
pub(super) async fn receive_sockets(stream: &UnixStream) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut line = [0; SOCKETS.len()];
    let received = stream.async_io(Interest::READABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut line)];
        let message = rustix::net::recvmsg(stream, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut sockets = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                sockets.extend(descriptors);
            }
        }
        Ok((message.bytes, sockets))
    });
    match received.await? {
        (0, _) => Ok(None),
        (_, sockets) if line == SOCKETS => Ok(Some(sockets)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "it says something else")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn sockets_arrive_with_their_line_and_lines_after_them() {
        let (mut one, mut two) = UnixStream::pair().expect("a pair");
        let listeners = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
        let borrowed: Vec<_> = listeners.iter().map(|listener| listener.as_fd()).collect();
        send_sockets(&one, &borrowed).await.expect("sent");
        one.write_all(b"serving\nrest").await.expect("sent");
        drop(one);
        let received = receive_sockets(&two).await.expect("received").expect("sockets");
        let addresses: Vec<_> = received
            .into_iter()
            .map(|socket| std::net::TcpListener::from(socket).local_addr().expect("an address"))
            .collect();
        assert_eq!(addresses, listeners.map(|listener| listener.local_addr().expect("an address")));
        assert_eq!(read_line(&mut two).await.expect("read").as_deref(), Some(SERVING));
        assert_eq!(read_line(&mut two).await.expect("read"), None, "half a line is none");
    }

    #[tokio::test]
    async fn what_is_said_otherwise_is_an_error_and_an_end_is_none() {
        let (mut one, two) = UnixStream::pair().expect("a pair");
        one.write_all(b"garbage\n").await.expect("sent");
        assert!(receive_sockets(&two).await.is_err());
        drop(one);
        assert!(receive_sockets(&two).await.expect("received").is_none());
        let (mut one, mut two) = UnixStream::pair().expect("a pair");
        one.write_all(&[b'x'; 100]).await.expect("sent");
        assert!(read_line(&mut two).await.is_err());
    }

    #[test]
    fn only_this_user_and_root_take_part() {
        assert!(may_take_part(65103, 65103) && may_take_part(0, 65103));
        assert!(!may_take_part(65104, 65103) && !may_take_part(65103, 0));
    }
}

//! An upstream that keeps every byte and answers each request that a strict reader finds in them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::strict::{Reading, read};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

type Connections = Arc<Mutex<Vec<Vec<u8>>>>;

pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    connections: Connections,
}

impl Recorder {
    pub(crate) async fn start(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("the upstream's address is free");
        let address = listener.local_addr().expect("an address");
        let connections = Connections::default();
        let all = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut all = all.lock().unwrap();
                    all.push(Vec::new());
                    all.len() - 1
                };
                tokio::spawn(keep(stream, number, Arc::clone(&all)));
            }
        });
        Self { address, connections }
    }

    /// What came since the last call, for each connection with any.
    pub(crate) fn take(&self) -> Vec<Vec<u8>> {
        let mut all = self.connections.lock().unwrap();
        all.iter_mut().map(std::mem::take).filter(|bytes| !bytes.is_empty()).collect()
    }
}

async fn keep(mut stream: TcpStream, number: usize, all: Connections) {
    let (mut pending, mut buffer) = (Vec::new(), [0_u8; 16 * 1024]);
    while let Ok(n) = stream.read(&mut buffer).await
        && n > 0
    {
        all.lock().unwrap()[number].extend_from_slice(&buffer[..n]);
        pending.extend_from_slice(&buffer[..n]);
        loop {
            match read(&pending) {
                Reading::Whole(request) => drop(pending.drain(..request.end)),
                Reading::Unfinished => break,
                // Answered all the same, so that the proxy shows what it makes of the rest.
                Reading::Doubtful(_) => pending.clear(),
            }
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

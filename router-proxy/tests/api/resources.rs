//! What the router holds for what is sent through it and for those who are slow, read off its own process.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::instances::listen;
use crate::process::RouterProcess;
use crate::raw::{statuses, talk_until};
use crate::transfer::{down, source_and_sink, up};
use crate::world::eventually;

const MB: u64 = 1024 * 1024;

async fn start() -> RouterProcess {
    let (listener, address) = listen().await;
    tokio::spawn(source_and_sink(listener));
    RouterProcess::start(Path::new(env!("CARGO_BIN_EXE_router-proxy")), address).await
}

#[tokio::test]
async fn a_quarter_of_a_gigabyte_each_way_takes_no_memory_to_speak_of() {
    let router = start().await;
    assert_eq!(up(router.address, MB).await.expect("an answer"), MB);
    assert_eq!(down(router.address, MB).await.expect("an answer"), MB);
    let before = router.kilobytes("VmHWM");
    let (sent, got) = tokio::join!(up(router.address, 256 * MB), down(router.address, 256 * MB));
    assert_eq!((sent.expect("an answer"), got.expect("an answer")), (256 * MB, 256 * MB));
    let more = router.kilobytes("VmHWM") - before;
    assert!(more < 16 * 1024, "{more} kB more than for a megabyte");
}

/// Half a head, half a body, and an answer that nobody reads.
const SLOW: [&str; 3] = [
    "GET / HTTP/1.1\r\nHost: alice.localhost\r\nX-",
    "POST / HTTP/1.1\r\nHost: alice.localhost\r\nContent-Length: 1000\r\n\r\na",
    "GET /4000000 HTTP/1.1\r\nHost: alice.localhost\r\n\r\n",
];

#[tokio::test]
async fn who_is_slow_keeps_nobody_waiting_and_leaves_nothing_behind() {
    let router = start().await;
    let get = "GET /2 HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n";
    talk_until(router.address, get.as_bytes(), "\0\0").await;
    let before = router.descriptors();
    // For one instance there are 256 places: what has only half a head takes none of them.
    let counts = [300, 100, 100];
    let mut slow = Vec::new();
    for (text, count) in SLOW.iter().zip(counts) {
        for _ in 0..count {
            let mut stream = TcpStream::connect(router.address).await.expect("a connection");
            stream.write_all(text.as_bytes()).await.expect("sent");
            slow.push(stream);
        }
    }
    eventually("all of them are there", || async { router.descriptors() >= before + 500 }).await;
    for slug in ["alice", "bob"] {
        let get = get.replace("alice", slug);
        let answer = talk_until(router.address, get.as_bytes(), "\0\0");
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await.expect("in time");
        assert_eq!(statuses(&answer), [200], "an ordinary request of {slug}'s meanwhile");
    }
    drop(slow);
    eventually("all descriptors are back", || async { router.descriptors() <= before + 40 }).await;
    // What is left are idle connections to the instance, at most 32 and for 15 seconds.
    let mut stream = TcpStream::connect(router.address).await.expect("a connection");
    stream.write_all(get.as_bytes()).await.expect("sent");
    stream.read_to_end(&mut Vec::new()).await.expect("a whole answer");
}

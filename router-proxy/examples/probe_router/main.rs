//! Asks a router that it starts itself for what its tests have no time for. By hand, through the scripts that say
//! what for: `compare PROGRAM nginx=ADDRESS,UPSTREAM haproxy=ADDRESS,UPSTREAM`, `transfer PROGRAM MEGABYTES`,
//! `attack PROGRAM CONNECTIONS SECONDS`. The exit code is 0 only if all was as it should be.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what cannot go on must say where")]
#![expect(clippy::print_stdout, reason = "the figures are printed")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "../../fuzz/src/compare.rs"]
mod agreement;
mod attack;
mod compare;
#[path = "../../tests/api/corpus.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod corpus;
#[path = "../../tests/api/fake_authz.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod fake_authz;
#[path = "../../tests/api/fake_deploy.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod fake_deploy;
#[path = "../../tests/api/process.rs"]
mod process;
mod recorder;
#[path = "../../fuzz/src/strict.rs"]
mod strict;
#[path = "../../tests/api/transfer.rs"]
mod transfer;

use process::RouterProcess;

const MB: u64 = 1024 * 1024;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().expect("a number");
    let is_right = match words[..] {
        ["compare", program, nginx, haproxy] => compare::run(Path::new(program), [nginx, haproxy]).await,
        ["transfer", program, megabytes] => transfer_both_ways(program.into(), number(megabytes)).await,
        ["attack", program, connections, seconds] => {
            let connections = usize::try_from(number(connections)).expect("a number");
            attack::run(Path::new(program), connections, number(seconds)).await
        }
        _ => panic!("no such command: {words:?}"),
    };
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A router before an instance that makes and takes bodies.
async fn router_with_bodies(program: &Path) -> RouterProcess {
    let listener = tokio::net::TcpListener::bind("127.1.0.1:0").await.expect("a port");
    let std::net::SocketAddr::V4(address) = listener.local_addr().expect("an address") else {
        panic!("an IPv4 address")
    };
    tokio::spawn(transfer::source_and_sink(listener));
    RouterProcess::start(program, address).await
}

async fn transfer_both_ways(program: PathBuf, megabytes: u64) -> bool {
    /// How much more than for a megabyte may be held.
    const MARGIN: u64 = 16 * 1024;
    let router = router_with_bodies(&program).await;
    let to = router.address;
    // What a first request brings in is there before anything is measured.
    let first =
        (transfer::up(to, MB).await.expect("an answer"), transfer::down(to, MB).await.expect("an answer"));
    let (before, base) = (router.kilobytes("VmRSS"), router.kilobytes("VmHWM"));
    let length = megabytes * MB;
    let started = std::time::Instant::now();
    let up = transfer::up(to, length).await.expect("an answer");
    println!("up:   {megabytes} MB in {:.1} s", started.elapsed().as_secs_f64());
    let started = std::time::Instant::now();
    let down = transfer::down(to, length).await.expect("an answer");
    println!("down: {megabytes} MB in {:.1} s", started.elapsed().as_secs_f64());
    let (peak, after) = (router.kilobytes("VmHWM"), router.kilobytes("VmRSS"));
    println!("resident memory: {before} kB before, {peak} kB at most, {after} kB after");
    first == (MB, MB) && (up, down) == (length, length) && peak - base < MARGIN
}

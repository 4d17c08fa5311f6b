//! Slow clients and idle ones against a router of our own: what it holds for them, that ordinary requests are answered
//! meanwhile, and that everything is given back.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::process::RouterProcess;
use crate::{router_with_bodies, transfer};

/// Longer than the router keeps an idle connection to an instance.
const SETTLE: Duration = Duration::from_secs(40);
/// An ordinary request takes less, whoever else is there.
const PROMPT: Duration = Duration::from_secs(2);
/// How often the idle connections come.
const ROUNDS: usize = 3;
/// Descriptors that may come and go on their own.
const SPARE: usize = 20;
/// Kilobytes more than at rest that may stay.
const MARGIN: u64 = 20 * 1024;

/// What ordinary clients saw while somebody else was slow.
struct Meanwhile {
    count: usize,
    late: usize,
    longest: Duration,
}

pub(crate) async fn run(program: &Path, connections: usize, seconds: u64) -> bool {
    let router = router_with_bodies(program).await;
    let mut is_right = transfer::down(router.address, 1).await.is_ok();
    let rest = Held::by(&router);
    println!("at rest: {rest}");
    for _ in 0..ROUNDS {
        is_right &= idle(&router, connections, rest.descriptors).await;
        is_right &= settled(&router, &rest).await;
    }
    for (name, args) in slow_kinds() {
        is_right &= slow(&router, name, &args, seconds).await;
        is_right &= settled(&router, &rest).await;
    }
    is_right
}

/// What the router holds.
struct Held {
    kilobytes: u64,
    descriptors: usize,
}

impl Held {
    fn by(router: &RouterProcess) -> Self {
        Self { kilobytes: router.kilobytes("VmRSS"), descriptors: router.descriptors() }
    }

    fn is_like(&self, rest: &Self) -> bool {
        self.descriptors <= rest.descriptors + SPARE && self.kilobytes <= rest.kilobytes + MARGIN
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} kB, {} descriptors", self.kilobytes, self.descriptors)
    }
}

/// That many connections, each with one request behind it.
async fn idle(router: &RouterProcess, connections: usize, descriptors: usize) -> bool {
    let before = router.kilobytes("VmRSS");
    let mut held = Vec::new();
    for number in 0..connections {
        let mut stream = connect(router.address, number).await;
        stream.write_all(b"GET /1 HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.expect("sent");
        let mut answer = [0; 1024];
        // Whole in one piece, as small as it is; and if not, its rest is never read.
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut answer).await.expect("an answer");
        held.push(stream);
    }
    let (now, open) = (router.kilobytes("VmRSS"), router.descriptors());
    let each = now.saturating_sub(before) * 1024 / connections as u64;
    println!("{connections} idle connections: {now} kB, {each} bytes each, {open} descriptors");
    let meanwhile = ask_for(router.address, Duration::from_secs(2)).await;
    meanwhile.print("idle connections");
    open >= descriptors + connections && meanwhile.late == 0
}

/// From many addresses, because one has too few ports.
async fn connect(router: SocketAddr, number: usize) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let last = u8::try_from(number / 5_000 + 1).expect("an address");
    socket.bind(SocketAddr::from(([127, 1, 1, last], 0))).expect("a port");
    socket.connect(router).await.expect("a connection")
}

/// slowhttptest's three kinds, with what it is told of each.
fn slow_kinds() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("slow heads", vec!["-H", "-i", "3"]),
        ("slow bodies", vec!["-B", "-i", "10", "-s", "8192"]),
        ("slow readers", vec!["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"]),
    ]
}

async fn slow(router: &RouterProcess, name: &str, args: &[&str], seconds: u64) -> bool {
    let time = seconds.to_string();
    let url = format!("http://alice.localhost:{}/10000000", router.address.port());
    // Through the router as a forward proxy: so the target says the host, which has no address of its own.
    let proxy = router.address.to_string();
    let program = Command::new("slowhttptest")
        .args(args)
        .args(["-c", "500", "-r", "200", "-l", &time, "-p", "5", "-u", &url, "-d", &proxy])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let asking = ask_for(router.address, Duration::from_secs(seconds));
    let most = async {
        let (started, mut most) = (Instant::now(), 0);
        while started.elapsed() < Duration::from_secs(seconds) {
            most = most.max(router.descriptors());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        most
    };
    let (status, meanwhile, most) = tokio::join!(program, asking, most);
    let ran = status.is_ok_and(|status| status.code().is_some());
    println!("{name}: {most} descriptors at most, {} kB", router.kilobytes("VmRSS"));
    meanwhile.print(name);
    ran && meanwhile.late == 0
}

/// Ordinary requests, one after another, for a while.
async fn ask_for(router: SocketAddr, time: Duration) -> Meanwhile {
    let (started, mut seen) = (Instant::now(), Meanwhile { count: 0, late: 0, longest: Duration::ZERO });
    while started.elapsed() < time {
        let asked = Instant::now();
        let answer = tokio::time::timeout(PROMPT, transfer::down_from("bob", router, 1)).await;
        seen.count += 1;
        seen.late += usize::from(!matches!(answer, Ok(Ok(1))));
        seen.longest = seen.longest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen
}

impl Meanwhile {
    fn print(&self, beside: &str) {
        let Self { count, late, longest } = self;
        println!(
            "  {count} ordinary requests to another instance beside the {beside}: {late} not answered, longest {longest:.1?}"
        );
    }
}

/// Waits until descriptors and memory are back.
async fn settled(router: &RouterProcess, rest: &Held) -> bool {
    let started = Instant::now();
    let mut now = Held::by(router);
    while !now.is_like(rest) && started.elapsed() < SETTLE {
        tokio::time::sleep(Duration::from_millis(100)).await;
        now = Held::by(router);
    }
    println!("  back to {now} after {:.1} s", started.elapsed().as_secs_f64());
    now.is_like(rest)
}

//! The app of the Docker tests, compiled by itself into a static binary. It serves a report about its own
//! surroundings on 8080, takes its owner once, uses up its memory at `POST /eat`, ends at once with a configuration that names the model `broken`,
//! and has the `probe` command that every app image has to have.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [] => serve(),
        ["probe", "--listen", port] => {
            let listener = TcpListener::bind(format!("0.0.0.0:{port}")).expect("a port");
            while listener.accept().is_ok() {}
        }
        ["probe", "--connect", addresses, "--timeout-ms", limit] => {
            let limit = Duration::from_millis(limit.parse().expect("milliseconds"));
            let reached = |address: &&str| {
                let socket: SocketAddr = address.parse().expect("an address");
                let reached = TcpStream::connect_timeout(&socket, limit).is_ok();
                format!("{{\"address\":\"{address}\",\"reached\":{reached}}}")
            };
            let results: Vec<String> =
                addresses.split(',').collect::<Vec<_>>().iter().map(reached).collect();
            println!("{{\"results\":[{}]}}", results.join(","));
        }
        _ => std::process::exit(64),
    }
}

fn serve() {
    println!("out: up");
    eprintln!("err: up");
    if let Some(code) = std::env::var("EXIT_CODE").ok().and_then(|code| code.parse().ok()) {
        std::process::exit(code);
    }
    if let Some(megabytes) = std::env::var("EAT_MB").ok().and_then(|mb| mb.parse::<usize>().ok()) {
        // Written to, or the kernel gives nothing.
        std::hint::black_box(vec![1_u8; megabytes << 20]);
    }
    if std::fs::read_to_string("/config/config.json").is_ok_and(|config| config.contains("\"broken\"")) {
        std::process::exit(3);
    }
    if let Some(megabytes) = std::env::var("EAT_IN_CHILD_MB").ok() {
        // A process of its own, so that the container goes on when the kernel ends it.
        let ended = std::process::Command::new("/app").env("EAT_MB", megabytes).env_remove("EAT_IN_CHILD_MB").status();
        println!("child: {ended:?}");
    }
    for _ in 0..std::env::var("BURN_THREADS").ok().and_then(|n| n.parse::<u32>().ok()).unwrap_or(0) {
        std::thread::spawn(|| loop { std::hint::spin_loop() });
    }
    let listener = TcpListener::bind("0.0.0.0:8080").expect("a port");
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let (line, sent) = request(&mut stream);
        let (status, body) = if line.starts_with("POST /api/auth/register ") {
            (take_owner(&sent), String::new())
        } else if line.starts_with("POST /eat ") {
            std::hint::black_box(vec![1_u8; 1 << 30]);
            ("200 OK", String::new())
        } else {
            ("200 OK", report())
        };
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    }
}

/// The first line of a request, and its body.
fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some(head) = text.split_once("\r\n\r\n").map(|(head, _)| head) {
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let begin = head.len() + 4;
            if read.len() >= begin + length.unwrap_or(0) {
                return (head.lines().next().unwrap_or_default().to_owned(), read.split_off(begin));
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return (String::new(), Vec::new()),
            Ok(count) => read.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Keeps who owns it, once.
fn take_owner(body: &[u8]) -> &'static str {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open("/data/owner.json");
    match file.and_then(|mut file| file.write_all(body)) {
        Ok(()) => "201 Created",
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => "409 Conflict",
        Err(_) => "500 Internal Server Error",
    }
}

/// One `name: value` a line: the kernel's word on what this process may do, and which folders take a file.
fn report() -> String {
    let mut text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for folder in ["", "/config", "/data", "/tmp", "/proc/sys/kernel"] {
        let written = std::fs::write(format!("{folder}/written"), "x").is_ok();
        let _ = writeln!(text, "write {folder}/: {written}");
    }
    let _ = writeln!(text, "hosts: {}", std::fs::read_to_string("/etc/hosts").unwrap_or_default().replace('\n', " "));
    let _ = writeln!(text, "limits: {}", std::fs::read_to_string("/proc/self/limits").unwrap_or_default().replace('\n', " "));
    if let Some(wanted) = std::env::var("SPAWN_THREADS").ok().and_then(|n| n.parse::<usize>().ok()) {
        let _ = writeln!(text, "threads: {}", threads(wanted));
    }
    let _ = writeln!(text, "pid: {}", std::process::id());
    let _ = writeln!(text, "instance: {}", std::env::var("BEAVER_INSTANCE_ID").unwrap_or_default());
    text
}

/// How many of so many threads come about, all of them at one time.
fn threads(wanted: usize) -> usize {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let receiver = std::sync::Arc::new(std::sync::Mutex::new(receiver));
    let handles: Vec<_> = (0..wanted)
        .map_while(|_| {
            let receiver = std::sync::Arc::clone(&receiver);
            let wait = move || drop(receiver.lock().map(|receiver| receiver.recv()));
            std::thread::Builder::new().stack_size(16 * 1024).spawn(wait).ok()
        })
        .collect();
    drop(sender);
    let count = handles.len();
    handles.into_iter().for_each(|handle| drop(handle.join()));
    count
}

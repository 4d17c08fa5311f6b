//! The app of the Docker tests, compiled by itself into a static binary. It serves a report about its own
//! surroundings on 8080, and has the `probe` command that every app image has to have.

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
    let listener = TcpListener::bind("0.0.0.0:8080").expect("a port");
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        let _ = stream.read(&mut [0; 1024]);
        let body = report();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
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
    let _ = writeln!(text, "pid: {}", std::process::id());
    text
}

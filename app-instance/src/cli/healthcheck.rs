//! `healthcheck`: one plain HTTP request to the app in the same container.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use service_kit::env::EnvReader;

use crate::config::DEFAULT_LISTEN;

const TIMEOUT: Duration = Duration::from_secs(2);

/// 0 when the app answers 200, else 1 with the reason on standard error.
pub(super) fn run() -> ExitCode {
    let listen: SocketAddr = EnvReader::from_process().parse_or("APP_LISTEN", DEFAULT_LISTEN);
    match ask(SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port()))) {
        Ok(status) if status == "200" => ExitCode::SUCCESS,
        Ok(status) => fail(&format!("the app answers {status}")),
        Err(error) => fail(&format!("the app does not answer: {error}")),
    }
}

fn fail(reason: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{reason}");
    ExitCode::FAILURE
}

/// The status of the answer.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    // `HTTP/1.1 200`
    let mut head = [0_u8; 12];
    stream.read_exact(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    head.strip_prefix("HTTP/1.1 ").map(str::to_owned).ok_or_else(|| io::Error::other("this is not HTTP"))
}

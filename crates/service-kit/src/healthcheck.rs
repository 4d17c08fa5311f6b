//! The `healthcheck` subcommand: an image `FROM scratch` has no shell and no curl, so that a container's
//! health check must be the binary itself (exec form).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::env::EnvReader;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks `path` of the admin listener that `variable` names (or `default`); success is a 200.
#[must_use]
pub fn run(mut env: EnvReader, variable: &str, default: SocketAddr, path: &str) -> ExitCode {
    match ask(env.parse_or(variable, default), path) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) | Err(_) => ExitCode::FAILURE,
    }
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = [0_u8; 12];
    stream.read_exact(&mut head)?;
    Ok(head.ends_with(b" 200"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Serves one connection with this status line.
    fn answer(status: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0_u8; 64];
            let _ = stream.read(&mut request);
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        });
        address
    }

    #[test]
    fn only_a_200_is_health() {
        assert!(ask(answer("200 OK"), "/health/ready").expect("an answer"));
        assert!(!ask(answer("503 Service Unavailable"), "/health/ready").expect("an answer"));
        let gone = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("an address");
        assert!(ask(gone, "/health/ready").is_err());
    }
}

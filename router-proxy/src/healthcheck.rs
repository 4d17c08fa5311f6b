//! The `healthcheck` subcommand: an image `FROM scratch` has no shell and no curl, so that a container's
//! health check must be the binary itself (exec form).

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use service_kit::env::EnvReader;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks `/health/ready` on the admin listener of `ROUTER_ADMIN_LISTEN`; success is a 200.
#[must_use]
pub fn run() -> ExitCode {
    let default = SocketAddr::from(([127, 0, 0, 1], 8089));
    let address = EnvReader::from_process().parse_or("ROUTER_ADMIN_LISTEN", default);
    match ask(address) {
        Ok(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut head = [0_u8; 12];
    stream.read_exact(&mut head)?;
    Ok(head.ends_with(b" 200"))
}

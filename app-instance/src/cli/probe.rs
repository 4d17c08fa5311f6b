//! `probe`: what a container of this image can reach. deploy-control runs it to prove that instances are
//! isolated; it prints facts and judges nothing.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Most addresses of one probe.
const MAX_ADDRESSES: usize = 64;
const DEFAULT_TIMEOUT_MS: u64 = 1500;

/// What to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// Connect to these, each within the time.
    Connect { addresses: Vec<SocketAddr>, timeout: Duration },
    /// Accept connections on this port.
    Listen { port: u16 },
}

#[derive(Serialize)]
struct Report {
    results: Vec<Reach>,
}

#[derive(Serialize)]
struct Reach {
    address: SocketAddr,
    reached: bool,
}

/// Reads the arguments behind `probe`.
pub(super) fn parse(arguments: &[&str]) -> Result<Probe, String> {
    let connect = |list: &str, timeout_ms: u64| {
        let addresses: Vec<SocketAddr> = list
            .split(',')
            .map(|item| item.parse().map_err(|_| format!("`{item}` is no address:port")))
            .collect::<Result<_, _>>()?;
        if addresses.len() > MAX_ADDRESSES {
            return Err(format!("at most {MAX_ADDRESSES} addresses at a time"));
        }
        Ok(Probe::Connect { addresses, timeout: Duration::from_millis(timeout_ms) })
    };
    let milliseconds = |text: &str| match text.parse() {
        Ok(ms @ 1..=60_000) => Ok(ms),
        _ => Err("--timeout-ms must be 1 to 60000".to_owned()),
    };
    match arguments {
        ["--connect", list] => connect(list, DEFAULT_TIMEOUT_MS),
        ["--connect", list, "--timeout-ms", ms] | ["--timeout-ms", ms, "--connect", list] => {
            connect(list, milliseconds(ms)?)
        }
        ["--listen", port] => {
            let port = port.parse().map_err(|_| "--listen must be a port".to_owned())?;
            Ok(Probe::Listen { port })
        }
        _ => Err("probe needs --connect or --listen".to_owned()),
    }
}

/// Does it.
pub(super) fn run(probe: Probe) -> Result<(), String> {
    match probe {
        Probe::Connect { addresses, timeout } => report(&addresses, timeout),
        Probe::Listen { port } => listen(port).map_err(|error| format!("port {port}: {error}")),
    }
}

/// All at a time, so that the whole takes one timeout.
fn report(addresses: &[SocketAddr], timeout: Duration) -> Result<(), String> {
    let results = std::thread::scope(|scope| {
        let tries: Vec<_> = addresses
            .iter()
            .map(|address| scope.spawn(move || TcpStream::connect_timeout(address, timeout).is_ok()))
            .collect();
        let reached = tries.into_iter().map(|reached| reached.join().unwrap_or(false));
        addresses.iter().zip(reached).map(|(&address, reached)| Reach { address, reached }).collect()
    });
    let json = serde_json::to_string(&Report { results }).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{json}").map_err(|error| error.to_string())
}

/// The port that was bound is printed once everything is in place: with 0 it is any free one.
fn listen(port: u16) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?.port())?;
        loop {
            tokio::select! {
                accepted = listener.accept() => drop(accepted?),
                _ = term.recv() => return Ok(()),
                _ = int.recv() => return Ok(()),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_by_table() {
        let address = |text: &str| text.parse().expect("an address");
        let connect = |addresses: &[&str], ms| {
            let addresses = addresses.iter().copied().map(address).collect();
            Ok(Probe::Connect { addresses, timeout: Duration::from_millis(ms) })
        };
        assert_eq!(parse(&["--connect", "10.0.0.1:80"]), connect(&["10.0.0.1:80"], 1500));
        assert_eq!(
            parse(&["--connect", "10.0.0.1:80,[::1]:9", "--timeout-ms", "20"]),
            connect(&["10.0.0.1:80", "[::1]:9"], 20)
        );
        assert_eq!(parse(&["--listen", "8080"]), Ok(Probe::Listen { port: 8080 }));
        for bad in [
            &[][..],
            &["--connect"],
            &["--connect", ""],
            &["--connect", "example.com:80"],
            &["--connect", "10.0.0.1:80", "--timeout-ms", "0"],
            &["--listen", "99999"],
            &["--listen", "8080", "more"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}

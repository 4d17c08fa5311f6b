//! The isolation probe: two containers made exactly as instances are, of which one listens and the other tries to
//! reach it and the targets. What cannot be reached counts only if the listener was seen to listen, from the
//! host; otherwise a dead listener would pass for isolation. No container is left behind: each run removes its
//! own and whatever an interrupted one left.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::WaitContainerOptionsBuilder;
use control_api::ids::OperationId;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::client::DockerEngine;
use super::{read, spec};
use crate::engine::{Engine as _, EngineError, EngineResult, ProbeFinding, ProbeTarget};
use crate::guard::hardening as fixed;

/// Port on which the second container listens: the one that instances serve.
const PORT: u16 = 8080;
/// Time that the first one has for each target.
const CONNECT_MS: u32 = 1500;
/// Time for the second to listen.
const LISTEN: Duration = Duration::from_secs(10);
/// Between two tries to reach it from the host.
const PAUSE: Duration = Duration::from_millis(50);
/// Time for the first to try all targets, which it does side by side or one after another.
const RUN: Duration = Duration::from_mins(1);
/// Lines of its output that are read.
const OUTPUT_LINES: u32 = 50;

/// What to probe.
pub(super) struct Probe<'a> {
    pub(super) image_id: &'a str,
    pub(super) network: &'a str,
    pub(super) from: Ipv4Addr,
    pub(super) peer: Ipv4Addr,
    pub(super) targets: &'a [ProbeTarget],
}

/// The line that the image's `probe --connect` prints.
#[derive(Deserialize)]
struct Report {
    results: Vec<Reached>,
}

#[derive(Deserialize)]
struct Reached {
    address: String,
    reached: bool,
}

impl DockerEngine {
    pub(super) async fn run_probe(&self, probe: Probe<'_>) -> EngineResult<Vec<ProbeFinding>> {
        let _one_at_a_time = self.probing.lock().await;
        self.remove_probes().await?;
        let outcome = self.observe(&probe).await;
        let cleaned = self.remove_probes().await;
        let findings = outcome?;
        cleaned.map(|()| findings)
    }

    async fn remove_probes(&self) -> EngineResult<()> {
        let all = self.summaries().await?;
        for container in all.into_iter().filter(|found| read::is_probe(found.labels.as_ref())) {
            self.remove_own(&container.id.unwrap_or_default()).await?;
        }
        Ok(())
    }

    async fn observe(&self, probe: &Probe<'_>) -> EngineResult<Vec<ProbeFinding>> {
        let listen = ["--listen".to_owned(), PORT.to_string()];
        self.start_probe(probe, probe.peer, &listen).await?;
        await_listener(SocketAddr::from((probe.peer, PORT))).await?;

        let sibling = ProbeTarget {
            name: "another instance".to_owned(),
            address: format!("{}:{PORT}", probe.peer),
            must_reach: false,
        };
        let targets: Vec<_> = probe.targets.iter().cloned().chain([sibling]).collect();
        let addresses: Vec<_> = targets.iter().map(|target| target.address.as_str()).collect();
        let connect =
            ["--connect".to_owned(), addresses.join(","), "--timeout-ms".to_owned(), CONNECT_MS.to_string()];
        let prober = self.start_probe(probe, probe.from, &connect).await?;
        self.await_end(&prober).await?;
        let output = self.output(&prober).await?;
        findings(targets, &output)
    }

    async fn start_probe(&self, probe: &Probe<'_>, at: Ipv4Addr, args: &[String]) -> EngineResult<String> {
        let command = std::iter::once(fixed::PROBE_COMMAND.to_owned()).chain(args.iter().cloned()).collect();
        let body = spec::probe_body(&self.installation, probe.image_id, probe.network, at, command);
        let unique = OperationId::generate().to_string().to_lowercase();
        let name = format!("{}{unique}", fixed::probe_name_prefix(&self.installation));
        let id = self.create_named(&name, body).await?;
        self.start_own(&id).await?;
        Ok(id)
    }

    async fn await_end(&self, id: &str) -> EngineResult<()> {
        let id = id.to_owned();
        let ask = |docker: Docker| async move {
            // Answers at once for one that has ended already.
            let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
            let mut ends = std::pin::pin!(docker.wait_container(&id, Some(options)));
            match ends.next().await {
                // A code other than 0 is told by the output, or by there being none.
                None | Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })) => Ok(()),
                Some(Err(error)) => Err(error),
            }
        };
        self.call("wait", "the isolation probe", RUN, ask).await
    }

    async fn output(&self, id: &str) -> EngineResult<String> {
        let read = async {
            let mut text = Vec::new();
            let mut chunks = self.logs(id, OUTPUT_LINES, false);
            while let Some(chunk) = chunks.next().await {
                text.extend_from_slice(&chunk?);
            }
            Ok(String::from_utf8_lossy(&text).into_owned())
        };
        tokio::time::timeout(LISTEN, read).await.unwrap_or(Err(EngineError::TimedOut("logs")))
    }
}

async fn await_listener(address: SocketAddr) -> EngineResult<()> {
    let connect = async {
        loop {
            if let Ok(Ok(_)) = tokio::time::timeout(LISTEN, TcpStream::connect(address)).await {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(LISTEN, connect).await.map_err(|_| {
        EngineError::Other(format!(
            "the isolation probe could not begin: this host cannot reach its container at {address} (does the \
             image have the `probe --listen` command? does a firewall stop the host?)"
        ))
    })
}

/// Matches what was reported to what was asked. A target that the report leaves out is an error: silence is no
/// proof of isolation.
fn findings(targets: Vec<ProbeTarget>, output: &str) -> EngineResult<Vec<ProbeFinding>> {
    let report = output.lines().rev().find_map(|line| serde_json::from_str::<Report>(line.trim()).ok());
    let no_report =
        || EngineError::Other("the isolation probe gave no report: has the image a `probe` command?".into());
    let report = report.ok_or_else(no_report)?;
    targets
        .into_iter()
        .map(|target| {
            let result = report.results.iter().find(|result| result.address == target.address);
            let reached = result.ok_or_else(no_report)?.reached;
            Ok(ProbeFinding { target, reached })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_must_speak_of_every_target() {
        let target = |address: &str| ProbeTarget {
            name: address.to_owned(),
            address: address.to_owned(),
            must_reach: false,
        };
        let output = "some log line\n{\"results\":[{\"address\":\"10.0.0.1:80\",\"reached\":true}]}\n";
        let found = findings(vec![target("10.0.0.1:80")], output).expect("findings");
        assert!(found[0].reached);
        assert!(findings(vec![target("10.0.0.1:80"), target("10.0.0.2:80")], output).is_err());
        assert!(findings(vec![], "no report").is_err());
    }
}

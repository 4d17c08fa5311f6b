//! Proof, not hope: two short-lived containers try to reach each other, the host and the metadata address.
//! Until the proof holds no new instance is made, unless the operator has allowed it; an answer that cannot
//! be had counts as no.

use std::net::Ipv4Addr;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use service_kit::health::{Check, Health};

use crate::config::Config;
use crate::engine::{Engine, EngineError, ProbeFinding, ProbeTarget};

/// Name of the check on the health page.
pub const CHECK: &str = "isolation";
/// The first shard stands for all: they are made the same.
const SHARD: u16 = 0;
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// What is known of the isolation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not tried yet.
    Pending(String),
    /// Holds.
    Proven,
    /// Does not hold, or could not be proven: the reason.
    Closed(String),
}

/// Whether new instances may be made. Clones share it.
#[derive(Clone)]
pub struct Isolation {
    verdict: Arc<Mutex<Verdict>>,
    health: Health,
    allow: bool,
}

impl Isolation {
    /// Nothing is proven yet.
    pub fn new(health: Health, allow_unisolated: bool) -> Self {
        let pending = "the isolation of instances has not been proven yet".to_owned();
        health.set(CHECK, Check::Warning(pending.clone()));
        Self { verdict: Arc::new(Mutex::new(Verdict::Pending(pending))), health, allow: allow_unisolated }
    }

    /// What is known; an operator's leave counts as proof.
    pub fn verdict(&self) -> Verdict {
        if self.allow {
            return Verdict::Proven;
        }
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a proof was had.
    pub fn is_proven(&self) -> bool {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) == Verdict::Proven
    }

    /// Writes down what is known.
    pub fn set(&self, verdict: Verdict) {
        let check = match &verdict {
            Verdict::Proven => Check::Ok,
            Verdict::Pending(reason) => Check::Warning(reason.clone()),
            Verdict::Closed(reason) if self.allow => {
                Check::Warning(format!("{reason} (allowed by BEAVER_ALLOW_UNISOLATED)"))
            }
            Verdict::Closed(reason) => Check::Failing(format!("no new instance is made: {reason}")),
        };
        self.health.set(CHECK, check);
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = verdict;
    }
}

/// Runs the probe once and writes down what it found.
pub async fn prove(config: &Config, engine: &dyn Engine, isolation: &Isolation) -> Verdict {
    let verdict = match probe(config, engine).await {
        Ok(findings) => judge(&findings),
        Err(EngineError::NotFound(_)) => Verdict::Pending(format!(
            "the isolation cannot be proven yet: the probe image {} is not on this machine (scripts/build-images.sh \
             makes it, BEAVER_PROBE_IMAGE names another)",
            config.probe_image
        )),
        Err(error) if error.is_transient() => {
            Verdict::Pending(format!("the isolation cannot be proven yet: {error}"))
        }
        Err(error) => Verdict::Closed(format!(
            "the isolation could not be proven: {error}. BEAVER_PROBE_IMAGE must name an image with the \
             subcommand probe"
        )),
    };
    isolation.set(verdict.clone());
    verdict
}

async fn probe(config: &Config, engine: &dyn Engine) -> Result<Vec<ProbeFinding>, EngineError> {
    let image = engine.resolve_image(&config.probe_image).await?;
    let network = config.plan.network(SHARD);
    engine.ensure_network(&network).await?;
    let [from, peer] = config.plan.probe_addresses(SHARD);
    // Something must answer there, or a refusal proves nothing: the services themselves keep to loopback.
    let baits = [network.gateway, config.plan.control_address()].map(bait);
    let ports = baits.each_ref().map(|bait| bait.as_ref().map_or(config.listen.port(), |(_, port)| *port));
    engine.probe(&image, &network.name, from, peer, &targets(config, ports)).await
}

/// A listener on one of the host's addresses on our bridges. The kernel completes connections without anybody
/// accepting them. `None` where the address is not this machine's, as with a made-up engine.
fn bait(address: Ipv4Addr) -> Option<(TcpListener, u16)> {
    let listener = TcpListener::bind((address, 0)).ok()?;
    let port = listener.local_addr().ok()?.port();
    Some((listener, port))
}

/// What an instance must not reach, and the issuer, which it must. `ports` are those of the listeners at the
/// host's gateway and at the control address.
fn targets(config: &Config, ports: [u16; 2]) -> Vec<ProbeTarget> {
    let gateway = config.plan.network(SHARD).gateway;
    let control = config.plan.control_address();
    let forbidden = |name: &str, address: Ipv4Addr, port: u16| ProbeTarget {
        name: name.to_owned(),
        address: format!("{address}:{port}"),
        must_reach: false,
    };
    vec![
        forbidden("the host at the gateway", gateway, ports[0]),
        forbidden("the host's SSH at the gateway", gateway, 22),
        forbidden("the host at the control address", control, ports[1]),
        forbidden("deploy-control at the control address", control, config.listen.port()),
        forbidden("the cloud's metadata", METADATA, 80),
        ProbeTarget {
            name: "the issuer".to_owned(),
            address: format!("{control}:{}", config.issuer.port),
            must_reach: true,
        },
    ]
}

/// Whether the findings are as they must be.
fn judge(findings: &[ProbeFinding]) -> Verdict {
    let wrong: Vec<String> = findings
        .iter()
        .filter(|finding| finding.reached != finding.target.must_reach)
        .map(|finding| {
            let verb = if finding.reached { "can reach" } else { "cannot reach" };
            format!("an instance {verb} {} ({})", finding.target.name, finding.target.address)
        })
        .collect();
    if findings.is_empty() {
        return Verdict::Closed("the isolation could not be proven: the probe found nothing out".to_owned());
    }
    if wrong.is_empty() {
        return Verdict::Proven;
    }
    Verdict::Closed(format!(
        "{}; run scripts/firewall.sh as root and see that authz-service runs",
        wrong.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(must_reach: bool, reached: bool) -> ProbeFinding {
        let target =
            ProbeTarget { name: "the target".to_owned(), address: "10.0.0.1:1".to_owned(), must_reach };
        ProbeFinding { target, reached }
    }

    #[test]
    fn every_finding_must_be_as_it_should() {
        assert_eq!(judge(&[finding(false, false), finding(true, true)]), Verdict::Proven);
        for wrong in [&[finding(false, true)][..], &[finding(true, false)], &[]] {
            assert!(matches!(judge(wrong), Verdict::Closed(_)), "{wrong:?}");
        }
    }

    #[test]
    fn a_leave_opens_sign_up_but_the_page_warns() {
        let health = Health::new();
        let isolation = Isolation::new(health.clone(), true);
        isolation.set(Verdict::Closed("open".to_owned()));
        assert_eq!(isolation.verdict(), Verdict::Proven);
        assert!(!isolation.is_proven());
        assert!(matches!(health.get(CHECK), Some(Check::Warning(_))));
        let strict = Isolation::new(health.clone(), false);
        strict.set(Verdict::Closed("open".to_owned()));
        assert!(matches!(health.get(CHECK), Some(Check::Failing(_))));
    }
}

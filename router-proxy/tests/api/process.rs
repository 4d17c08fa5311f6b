//! The router as a process of its own, whose memory and descriptors are nobody else's.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use control_api::ids::InstanceId;
use serde_json::json;

use crate::fake_authz::{FakeAuthz, Person, TOKEN};
use crate::fake_deploy::FakeDeploy;

const PATIENCE: Duration = Duration::from_secs(30);

/// Ended when it is dropped.
pub(crate) struct RouterProcess {
    pub(crate) address: SocketAddr,
    child: Child,
    #[expect(dead_code, reason = "the neighbours are there as long as the router is")]
    neighbours: (std::sync::Arc<FakeAuthz>, FakeDeploy),
    folder: tempfile::TempDir,
}

impl RouterProcess {
    /// Starts the program with its neighbours; anybody may use `alice.localhost` and `bob.localhost`, two
    /// instances that are both at `upstream`.
    pub(crate) async fn start(program: &Path, upstream: SocketAddrV4) -> Self {
        let (authz, deploy) = (FakeAuthz::start().await, FakeDeploy::start().await);
        let folder = tempfile::tempdir().expect("a folder");
        let routes = folder.path().join("conf.d");
        std::fs::create_dir_all(&routes).expect("a folder");
        for slug in ["alice", "bob"] {
            let route = json!({
                "version": 1, "slug": slug, "instance_id": InstanceId::generate(), "generation": 1,
                "owner_id": Person::new(slug).user, "state": "ready", "upstream": upstream.to_string(),
                "access": "public"
            });
            let path = routes.join(format!("{slug}.json"));
            service_kit::atomic_file::write(&path, route.to_string().as_bytes(), 0o640).expect("written");
        }
        let address = free_address();
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        let child = Command::new(program)
            .env_clear()
            .env("PROJECT_ROOT", folder.path())
            .env("ROUTER_ROUTES_DIR", &routes)
            .env("ROUTER_STATE_DIR", folder.path().join("state"))
            .env("ROUTER_LISTEN", address.to_string())
            .env("ROUTER_ADMIN_LISTEN", format!("{}:0", address.ip()))
            .env("BEAVER_BASE_DOMAIN", "localhost")
            .env("BEAVER_AUTHZ_URL", format!("http://{}", authz.address))
            .env("BEAVER_DEPLOY_URL", format!("http://{}", deploy.address))
            .env("BEAVER_ROUTER_TOKEN", TOKEN)
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .expect("the router starts");
        let mut started = Self { address, child, neighbours: (authz, deploy), folder };
        started.until_it_listens().await;
        started
    }

    async fn until_it_listens(&mut self) {
        let started = Instant::now();
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            let has_ended = self.child.try_wait().expect("a state").is_some();
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(!has_ended && started.elapsed() < PATIENCE, "the router does not listen: {}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    /// A line of its status in kilobytes: `VmRSS` is what it holds now, `VmHWM` the most it ever held.
    pub(crate) fn kilobytes(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(self.proc("status")).expect("it runs");
        let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).expect("a line");
        value.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).expect("it runs").count()
    }
}

impl Drop for RouterProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// On a loopback address that no other process of a test run has, and a port that none in this one has.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | (high & 63), middle, low);
    SocketAddr::from((ip, NEXT.fetch_add(1, Ordering::SeqCst)))
}

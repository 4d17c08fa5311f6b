//! The router as it is run: processes that take each other's place while clients go on as if there were one. Every
//! request of every client is looked at; none may fail.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control_api::ids::InstanceId;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::fake_authz::{FakeAuthz, ISSUER, Person, TOKEN};
use crate::fake_deploy::FakeDeploy;
use crate::handover::try_one_answer;
use crate::instances::Instance;
use crate::tls_client::{Issued, connector, shake_hands};
use crate::websocket::echo_server;
use crate::world::eventually;

/// A replacement takes at most the drain, and some time to start.
const PATIENCE: Duration = Duration::from_secs(45);

struct Site {
    public: SocketAddr,
    tls: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
    issued: Issued,
    authz: Arc<FakeAuthz>,
    deploy: FakeDeploy,
    app: Instance,
}

/// Ports that nobody has, on an address that only this test uses.
fn addresses() -> [SocketAddr; 3] {
    let bound =
        [(); 3].map(|()| std::net::TcpListener::bind((Ipv4Addr::new(127, 0, 3, 1), 0)).expect("a port"));
    bound.map(|listener| listener.local_addr().expect("an address"))
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["conf.d", "state", "tls"] {
            std::fs::create_dir(folder.path().join(name)).expect("made");
        }
        let issued = Issued::new(&["alice.localhost"]);
        issued.put(&folder.path().join("tls"), "alice");
        let [public, tls, admin] = addresses();
        let app = Instance::start("app").await;
        let (echo, _) = echo_server().await;
        for (slug, upstream) in [("alice", app.address), ("echo", echo)] {
            let route = json!({
                "version": 1, "slug": slug, "instance_id": InstanceId::generate(), "generation": 1,
                "owner_id": Person::new("alice").user, "state": "ready", "upstream": upstream.to_string(),
                "access": "public"
            });
            let path = folder.path().join("conf.d").join(format!("{slug}.json"));
            std::fs::write(path, route.to_string()).expect("written");
        }
        let (authz, deploy) = (FakeAuthz::start().await, FakeDeploy::start().await);
        Self { public, tls, admin, folder, issued, authz, deploy, app }
    }

    fn spawn(&self, authz: SocketAddr) -> Child {
        let path = |name: &str| self.folder.path().join(name);
        Command::new(env!("CARGO_BIN_EXE_router-proxy"))
            .env_clear()
            .env("RUST_LOG", "warn")
            .env("ROUTER_LISTEN", self.public.to_string())
            .env("ROUTER_TLS_LISTEN", self.tls.to_string())
            .env("ROUTER_ADMIN_LISTEN", self.admin.to_string())
            .env("ROUTER_ROUTES_DIR", path("conf.d"))
            .env("ROUTER_STATE_DIR", path("state"))
            .env("ROUTER_TLS_DIR", path("tls"))
            .env("BEAVER_AUTHZ_URL", format!("http://{authz}"))
            .env("BEAVER_DEPLOY_URL", format!("http://{}", self.deploy.address))
            .env("BEAVER_ROUTER_TOKEN", TOKEN)
            .env("AUTHZ_ISSUER", ISSUER)
            .kill_on_drop(true)
            .spawn()
            .expect("started")
    }

    async fn start(&self) -> Child {
        let child = self.spawn(self.authz.address);
        eventually("it is ready", || async {
            let answer = reqwest::get(format!("http://{}/health/ready", self.admin)).await;
            answer.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        child
    }
}

/// What the clients have seen.
#[derive(Default)]
struct Tally {
    done: [AtomicUsize; CLIENTS.len()],
    failures: Mutex<Vec<String>>,
}

const CLIENTS: [&str; 5] = ["short", "kept", "TLS", "events", "socket"];

impl Tally {
    fn note<T, E: Display>(&self, client: usize, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => {
                self.done[client].fetch_add(1, Ordering::SeqCst);
                Some(value)
            }
            Err(error) => {
                self.failures.lock().unwrap().push(format!("{}: {error}", CLIENTS[client]));
                None
            }
        }
    }

    fn counts(&self) -> [usize; CLIENTS.len()] {
        std::array::from_fn(|client| self.done[client].load(Ordering::SeqCst))
    }

    /// Waits until every kind of client has done more.
    async fn grow(&self) {
        let before = self.counts();
        eventually("each client goes on", || async {
            // An event and a message a connection are enough; of the others there are many.
            let wanted = [50, 50, 5, 1, 1];
            let now = self.counts();
            (0..CLIENTS.len()).all(|client| now[client] >= before[client] + wanted[client])
        })
        .await;
    }
}

fn check(answer: &str) -> Result<(), String> {
    if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(format!("another answer: {answer:?}")) }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// One connection a request.
async fn short(public: SocketAddr) -> Result<(), String> {
    let mut stream = TcpStream::connect(public).await.map_err(text)?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n")
        .await
        .map_err(text)?;
    check(&try_one_answer(&mut stream).await.map_err(text)?)
}

/// One connection for as many requests as the router likes, with pauses in between.
async fn kept(public: SocketAddr, tally: Arc<Tally>) {
    let mut pause = 0;
    loop {
        let Some(mut stream) = tally.note(1, TcpStream::connect(public).await) else { continue };
        loop {
            let exchange = async {
                stream.write_all(b"GET / HTTP/1.1\r\nHost: alice.localhost\r\n\r\n").await.map_err(text)?;
                let answer = try_one_answer(&mut stream).await.map_err(text)?;
                check(&answer).map(|()| answer.contains("connection: close"))
            };
            if tally.note(1, exchange.await) != Some(false) {
                break;
            }
            pause = (pause + 7) % 20;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}

async fn over_tls(address: SocketAddr, connector: &TlsConnector) -> Result<(), String> {
    let stream = TcpStream::connect(address).await.map_err(text)?;
    let mut stream = shake_hands(stream, "alice.localhost", connector).await.map_err(text)?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: alice.localhost\r\nConnection: close\r\n\r\n")
        .await
        .map_err(text)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(text)?;
    check(&String::from_utf8_lossy(&answer))
}

/// Events until the stream ends, which it may in good order alone.
async fn events(public: SocketAddr, tally: &Tally) -> Result<(), String> {
    let request =
        reqwest::Client::new().get(format!("http://{public}/sse")).header("host", "alice.localhost");
    let mut stream = request.send().await.map_err(text)?.bytes_stream();
    while let Some(event) = stream.next().await {
        tally.note(3, event);
    }
    Ok(())
}

/// Messages there and back until the router closes.
async fn socket(public: SocketAddr, tally: &Tally) -> Result<(), String> {
    let stream = TcpStream::connect(public).await.map_err(text)?;
    let (mut socket, _) = client_async("ws://echo.localhost/", stream).await.map_err(text)?;
    while socket.send(Message::text("hello")).await.is_ok() {
        match socket.next().await {
            Some(Ok(Message::Text(_))) => tally.note(4, Ok::<_, String>(())),
            _ => break,
        };
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// All clients, until the set is dropped.
fn load(site: &Site, tally: &Arc<Tally>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let (public, tls) = (site.public, site.tls);
    for _ in 0..3 {
        let counted = Arc::clone(tally);
        clients.spawn(async move {
            loop {
                counted.note(0, short(public).await);
            }
        });
        clients.spawn(kept(public, Arc::clone(tally)));
    }
    let (counted, connector) = (Arc::clone(tally), connector(&[&site.issued], &[]));
    clients.spawn(async move {
        loop {
            counted.note(2, over_tls(tls, &connector).await);
        }
    });
    let counted = Arc::clone(tally);
    clients.spawn(async move {
        loop {
            counted.note(3, events(public, &counted).await);
        }
    });
    let counted = Arc::clone(tally);
    clients.spawn(async move {
        loop {
            counted.note(4, socket(public, &counted).await);
        }
    });
    let chunks = site.app.state.chunks.clone();
    clients.spawn(async move {
        loop {
            // Nobody may be listening at the moment.
            let _ = chunks.send("data: 1\n\n");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routers_replace_each_other_under_load_and_nothing_is_lost() {
    let site = Site::new().await;
    let mut running = site.start().await;
    let tally = Arc::new(Tally::default());
    let clients = load(&site, &tally);
    tally.grow().await;
    for round in 0..4 {
        // One that never becomes ready is killed with the sockets in its hands.
        let mut dying = site.spawn(SocketAddr::from(([127, 0, 0, 1], 1)));
        tally.grow().await;
        dying.kill().await.expect("killed");

        let successor = site.spawn(site.authz.address);
        let end = tokio::time::timeout(PATIENCE, running.wait()).await.expect("it leaves").expect("waited");
        assert!(end.success(), "round {round}: {end}");
        running = successor;
        tally.grow().await;
        assert!(running.try_wait().expect("asked").is_none(), "it runs");
        let failures = tally.failures.lock().unwrap().clone();
        assert!(failures.is_empty(), "round {round}, after {:?}: {failures:?}", tally.counts());
    }
    drop(clients);
    running.kill().await.expect("killed");
}

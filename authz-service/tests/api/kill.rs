//! The real process, killed with SIGKILL: what was answered is kept, what was under way goes on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use control_api::authz::{OrderState, RegisterAccountRequest, SessionRequest};
use control_api::authz_client::AuthzClient;
use control_api::mail::Language;
use service_kit::http_client;

use crate::harness::{DEPLOY, FakeDeploy, INTERNAL, PASSWORD, ROUTER};

/// The process; killed at the latest when the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL on Unix.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Addresses([SocketAddr; 3]);

impl Addresses {
    /// Three ports that are free now and will hardly be taken before the process has them.
    fn free() -> Self {
        let sockets = [0; 3].map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
        Self(sockets.map(|socket| socket.local_addr().expect("an address")))
    }

    fn start(&self, data_dir: &Path, deploy: SocketAddr) -> Process {
        let [main, admin, instance] = self.0.map(|address| address.to_string());
        let child = Command::new(env!("CARGO_BIN_EXE_authz-service"))
            .env_clear()
            .env("AUTHZ_LISTEN", main)
            .env("AUTHZ_ADMIN_LISTEN", admin)
            .env("AUTHZ_INSTANCE_LISTEN", instance)
            .env("AUTHZ_DATA_DIR", data_dir)
            .env("AUTHZ_INTERNAL_TOKEN", INTERNAL)
            .env("BEAVER_ROUTER_TOKEN", ROUTER)
            .env("DEPLOY_API_TOKEN", DEPLOY)
            .env("BEAVER_DEPLOY_URL", format!("http://{deploy}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        Process(child)
    }

    fn client(&self) -> AuthzClient {
        let http = http_client::build(http_client::internal()).expect("a client");
        let base = format!("http://{}", self.0[0]).parse().expect("a URL");
        AuthzClient::new(http, base, INTERNAL.into())
    }
}

async fn until_ready(client: &AuthzClient) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while client.ready().await.is_err() {
        assert!(Instant::now() < deadline, "never ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let (addresses, deploy) = (Addresses::free(), FakeDeploy::reserve());
    let process = addresses.start(folder.path(), deploy.address);
    let client = addresses.client();
    until_ready(&client).await;
    let request = RegisterAccountRequest {
        username: "alice".to_owned(),
        email: "alice@example.com".to_owned(),
        password: PASSWORD.into(),
        invite: None,
        client_addr: None,
        agent: None,
        language: Language::English,
    };
    let registered = client.register(&request).await.expect("registered");
    let keys = client.jwks().await.expect("keys");
    drop(process);

    deploy.come_up();
    let _process = addresses.start(folder.path(), deploy.address);
    until_ready(&client).await;
    let session = SessionRequest { session: registered.session };
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let view = client.session(&session).await.expect("the session is there");
        assert_eq!(view.user.user_id, registered.user_id);
        if view.provisioning.state == OrderState::Accepted {
            break;
        }
        assert!(Instant::now() < deadline, "the order was lost");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(client.jwks().await.expect("keys"), keys);
    assert_eq!(deploy.orders().len(), 1);
}

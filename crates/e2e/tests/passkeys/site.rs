//! Portal and authz-service in this process. There is no deploy-control: nothing here has to do with instances.

use std::net::SocketAddr;

use control_api::authz::{CreateAccountAnswer, CreateAccountRequest};
use control_api::client::ApiClient;
use e2e::Outcome;
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::http_client;
use service_kit::lifecycle::Lifecycle;
use service_kit::secret::Secret;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Of every account.
pub(crate) const PASSWORD: &str = "lodge-willow-dam-7431";
const INTERNAL: &str = "internal-token-internal-token-0001";
const ROUTER: &str = "router-token-router-token-router-01";
const DEPLOY: &str = "deploy-token-deploy-token-deploy-01";

/// Ends with this value.
pub(crate) struct Site {
    /// The portal's origin.
    pub(crate) portal: String,
    authz: ApiClient,
    lifecycle: Lifecycle,
    _dir: TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

async fn free() -> Outcome<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Site {
    pub(crate) async fn start() -> Outcome<Self> {
        let dir = tempfile::tempdir()?;
        let ((main, main_at), (portal_main, portal_at)) = (free().await?, free().await?);
        let portal = format!("http://localhost:{}", portal_at.port());
        let (authz_url, data) = (format!("http://{main_at}"), dir.path().join("authz").display().to_string());
        // Nobody answers there.
        let deploy_url = "http://127.0.0.1:9";
        let lifecycle = Lifecycle::new();
        let mut config = authz_service::Config::from_env(EnvReader::from_pairs([
            ("AUTHZ_DATA_DIR", data.as_str()),
            ("AUTHZ_INTERNAL_TOKEN", INTERNAL),
            ("BEAVER_ROUTER_TOKEN", ROUTER),
            ("DEPLOY_API_TOKEN", DEPLOY),
            ("BEAVER_DEPLOY_URL", deploy_url),
            ("PORTAL_PUBLIC_URL", &portal),
            ("BEAVER_LOGIN_BURST", "1000"),
        ]))?;
        config.hashing = authz_service::HashParams { memory_kib: 64, iterations: 1, parallelism: 1 };
        let listeners = authz_service::Listeners {
            main,
            admin: free().await?.0,
            instance: authz_service::InstanceListener::Bound(free().await?.0),
        };
        authz_service::App::start(config, Clock::system(), listeners, &lifecycle).await?;
        let config = auth_portal::Config::from_env(&mut EnvReader::from_pairs([
            ("PORTAL_PUBLIC_URL", portal.as_str()),
            ("BEAVER_AUTHZ_URL", authz_url.as_str()),
            ("BEAVER_DEPLOY_URL", deploy_url),
            ("AUTHZ_INTERNAL_TOKEN", INTERNAL),
            ("DEPLOY_API_TOKEN", DEPLOY),
        ]))?;
        let listeners = auth_portal::Listeners { main: portal_main, admin: free().await?.0 };
        auth_portal::App::start(config, listeners, Clock::system(), &lifecycle)?;
        let http = http_client::internal().build()?;
        let authz = ApiClient::new(http, "authz-service", authz_url.parse()?, Secret::from(INTERNAL));
        Ok(Self { portal, authz, lifecycle, _dir: dir })
    }

    /// Makes an account.
    pub(crate) async fn account(&self, name: &str) -> Outcome {
        let request = CreateAccountRequest {
            username: name.to_owned(),
            email: String::new(),
            password: Some(PASSWORD.into()),
        };
        let _: CreateAccountAnswer = self.authz.post("/internal/accounts", &request).await?;
        Ok(())
    }
}

//! One installation of the router for one test, and a browser that keeps cookies.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use control_api::ids::InstanceId;
use control_api::public_url::{PublicUrl, Scheme};
use http::{HeaderMap, Method};
use reqwest::{Client, Response, redirect};
use router_proxy::config::Config;
use router_proxy::limits::Timeouts;
use router_proxy::{App, Listeners};
use serde_json::{Value, json};
use service_kit::client_addr::TrustedProxies;
use service_kit::clock::Clock;
use service_kit::lifecycle::{Lifecycle, StartError};
use service_kit::secret::Secret;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::fake_authz::{FakeAuthz, ISSUER, Person, TOKEN};
use crate::fake_deploy::FakeDeploy;

pub(crate) const PORTAL: &str = "http://portal.test:3081";
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `probe` holds; the wait is bounded, and says what it waited for.
pub(crate) async fn eventually<F, Fut>(what: &str, mut probe: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let outcome = tokio::time::timeout(PATIENCE, async {
        while !probe().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(outcome.await.is_ok(), "waited in vain: {what}");
}

/// A running router with its neighbours.
pub(crate) struct World {
    pub(crate) router: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where TLS is spoken, if the test's settings say so.
    pub(crate) tls: Option<SocketAddr>,
    pub(crate) authz: Arc<FakeAuthz>,
    pub(crate) deploy: FakeDeploy,
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) alice: Person,
    pub(crate) instance: InstanceId,
    lifecycle: Lifecycle,
    folder: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// Starts with times and settings of the test's own.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut Config)) -> Self {
        let (authz, deploy) = (FakeAuthz::start().await, FakeDeploy::start().await);
        let folder = tempfile::tempdir().expect("a folder");
        let public = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = public.local_addr().expect("an address").port();
        let base: control_api::public_url::BaseDomain = "localhost".parse().expect("a domain");
        let mut config = Config {
            listen: public.local_addr().expect("an address"),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            routes_dir: folder.path().join("conf.d"),
            state_dir: folder.path().join("state"),
            public: PublicUrl { scheme: Scheme::Http, base_domain: base.clone(), port },
            base_domains: vec![base],
            portal: PORTAL.to_owned(),
            authz: format!("http://{}", authz.address).parse().expect("a URL"),
            deploy: format!("http://{}", deploy.address).parse().expect("a URL"),
            token: Secret::from(TOKEN),
            issuer: ISSUER.to_owned(),
            trusted: TrustedProxies::default(),
            proxy_protocol: false,
            timeouts: Timeouts { activity: Duration::from_millis(200), ..Timeouts::default() },
        };
        adjust(&mut config);
        let (lifecycle, admin, tls) = launch(&config, public).await;
        let alice = Person::new("alice");
        authz.sign_in(alice);
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_mins(1))
            .build()
            .expect("a client");
        Self {
            router: SocketAddr::from(([127, 0, 0, 1], port)),
            admin,
            tls,
            authz,
            deploy,
            config,
            client,
            alice,
            instance: InstanceId::generate(),
            lifecycle,
            folder,
        }
    }

    /// A second start on the same folders: what a restart finds.
    pub(crate) async fn restart(&mut self) {
        assert!(self.stop().await, "a clean stop");
        let public = TcpListener::bind(self.router).await.expect("the port is free again");
        (self.lifecycle, self.admin, self.tls) = launch(&self.config, public).await;
    }

    /// A second router on the same folders and addresses takes the place of the first, whose lifecycle is answered.
    pub(crate) async fn replace(&mut self) -> Lifecycle {
        self.try_replace().await.expect("a successor")
    }

    pub(crate) async fn try_replace(&mut self) -> Result<Lifecycle, StartError> {
        let mut config = self.config.clone();
        config.admin_listen = self.admin;
        if let (Some(tls), Some(address)) = (&mut config.tls, self.tls) {
            tls.listen = address;
        }
        let lifecycle = Lifecycle::new();
        let listeners = Listeners::open(&config).await?;
        match App::start(config, Clock::system(), listeners, &lifecycle).await {
            Ok(()) => Ok(std::mem::replace(&mut self.lifecycle, lifecycle)),
            Err(error) => {
                lifecycle.stop();
                Err(error)
            }
        }
    }

    pub(crate) fn handover_socket(&self) -> PathBuf {
        self.folder.path().join("state/handover.sock")
    }

    /// Asks to stop and waits.
    pub(crate) async fn stop(&self) -> bool {
        self.lifecycle.stop();
        self.lifecycle.clone().run_until_stopped(Duration::from_secs(20)).await
    }

    pub(crate) fn ask_to_stop(&self) {
        self.lifecycle.stop();
    }

    pub(crate) fn route_path(&self, slug: &str) -> PathBuf {
        self.folder.path().join("conf.d").join(format!("{slug}.json"))
    }

    /// Alice's route as deploy-control would write it.
    pub(crate) fn alice_route(&self, upstream: SocketAddrV4) -> Value {
        json!({
            "version": 1, "slug": "alice", "instance_id": self.instance, "generation": 1,
            "owner_id": self.alice.user, "state": "ready", "upstream": upstream.to_string(), "access": "owner"
        })
    }

    /// Writes a route file and waits until the router knows its slug.
    pub(crate) async fn put_route(&self, route: &Value) {
        let slug = route["slug"].as_str().expect("a slug").to_owned();
        self.write_route(&slug, &route.to_string());
        eventually("the route is known", || async {
            self.get(&slug, "/.beaver/logout", &[]).await.status() == 200
        })
        .await;
    }

    pub(crate) fn write_route(&self, slug: &str, text: &str) {
        service_kit::atomic_file::write(&self.route_path(slug), text.as_bytes(), 0o640).expect("written");
    }

    /// `alice.localhost:<port>`.
    pub(crate) fn host(&self, slug: &str) -> String {
        format!("{slug}.localhost:{}", self.router.port())
    }

    pub(crate) fn origin(&self, slug: &str) -> String {
        format!("http://{}", self.host(slug))
    }

    /// A request to a slug's host.
    pub(crate) fn request(&self, method: Method, slug: &str, target: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}{target}", self.router)).header("host", self.host(slug))
    }

    pub(crate) async fn get(&self, slug: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.request(Method::GET, slug, target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    /// `beaver_app=<a good token of alice>`.
    pub(crate) fn alice_cookie(&self) -> String {
        format!("beaver_app={}", self.authz.app_token(self.alice, self.instance))
    }

    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.admin);
        self.client.get(url).send().await.expect("an answer").text().await.expect("text")
    }

    pub(crate) async fn health(&self) -> Value {
        let url = format!("http://{}/health", self.admin);
        self.client.get(url).send().await.expect("an answer").json().await.expect("json")
    }

    pub(crate) fn renewals(&self) -> usize {
        self.authz.renewals.load(Ordering::SeqCst)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

async fn launch(config: &Config, public: TcpListener) -> (Lifecycle, SocketAddr, Option<SocketAddr>) {
    let admin = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = admin.local_addr().expect("an address");
    let lifecycle = Lifecycle::new();
    let tls = match &config.tls {
        Some(tls) => Some(TcpListener::bind(tls.listen).await.expect("a port")),
        None => None,
    };
    let tls_address = tls.as_ref().map(|listener| listener.local_addr().expect("an address"));
    let listeners = Listeners::new(public, tls, admin);
    App::start(config.clone(), Clock::system(), listeners, &lifecycle).await.expect("started");
    (lifecycle, address, tls_address)
}

/// Navigates like a browser and keeps the cookies of one host.
pub(crate) struct Browser<'a> {
    world: &'a World,
    slug: &'static str,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(world: &'a World, slug: &'static str) -> Self {
        Self { world, slug, cookies: BTreeMap::new() }
    }

    pub(crate) async fn navigate(&mut self, target: &str) -> Response {
        let cookies = self.cookie_line();
        let mut headers = vec![("accept", "text/html"), ("sec-fetch-mode", "navigate")];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let response = self.world.get(self.slug, target, &headers).await;
        self.take_cookies(response.headers());
        response
    }

    pub(crate) fn cookie_line(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn take_cookies(&mut self, headers: &HeaderMap) {
        for line in headers.get_all("set-cookie") {
            let line = line.to_str().expect("text");
            let (name, rest) = line.split_once('=').expect("a pair");
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The query parameters of a redirect.
pub(crate) fn location(response: &Response) -> (String, BTreeMap<String, String>) {
    let text = response.headers()["location"].to_str().expect("text");
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    (path.to_owned(), pairs)
}

/// What an instance says that it got.
pub(crate) struct Echo(pub(crate) Value);

impl Echo {
    pub(crate) async fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200, "an echo");
        let bytes = response.bytes().await.expect("a body");
        Self(serde_json::from_slice(&bytes).expect("json"))
    }

    pub(crate) fn header(&self, wanted: &str) -> Vec<String> {
        let lines = self.0["headers"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        lines.iter().filter(|l| l[0] == wanted).map(|l| text(&l[1])).collect()
    }

    pub(crate) fn header_names(&self) -> Vec<String> {
        let lines = self.0["headers"].as_array().expect("a list");
        let mut names: Vec<_> = lines.iter().map(|l| l[0].as_str().expect("text").to_owned()).collect();
        names.sort();
        names
    }
}

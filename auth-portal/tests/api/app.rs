//! The portal under test on a port of its own, and a browser that keeps cookies and sends forms.

use std::collections::BTreeMap;
use std::time::Duration;

use auth_portal::{App, Config, Listeners};
use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, RequestBuilder, redirect};
use service_kit::clock::Clock;
use service_kit::env::EnvReader;
use service_kit::lifecycle::Lifecycle;
use tokio::net::TcpListener;

use crate::fakes::{AUTHZ_TOKEN, DEPLOY_TOKEN, Fakes, NOW, at};

/// The origin that browsers see.
pub(crate) const ORIGIN: &str = "http://portal.test";

/// A portal with its neighbours.
pub(crate) struct TestApp {
    pub(crate) base: String,
    pub(crate) admin: String,
    pub(crate) fakes: Fakes,
    lifecycle: Lifecycle,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more or other variables.
    pub(crate) async fn start_with(more: &[(&str, &str)]) -> Self {
        let fakes = Fakes::default();
        let (authz, deploy) = fakes.start().await;
        let (authz, deploy) = (authz.to_string(), deploy.to_string());
        let mut vars = BTreeMap::from([
            ("PORTAL_PUBLIC_URL", ORIGIN),
            ("BEAVER_AUTHZ_URL", &authz),
            ("BEAVER_DEPLOY_URL", &deploy),
            ("AUTHZ_INTERNAL_TOKEN", AUTHZ_TOKEN),
            ("DEPLOY_API_TOKEN", DEPLOY_TOKEN),
        ]);
        vars.extend(more.iter().copied());
        let config = Config::from_env(&mut EnvReader::from_pairs(vars)).expect("a configuration");
        let listen = async || TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let listeners = Listeners { main: listen().await, admin: listen().await };
        let base = format!("http://{}", listeners.main.local_addr().expect("an address"));
        let admin = format!("http://{}", listeners.admin.local_addr().expect("an address"));
        let lifecycle = Lifecycle::new();
        App::start(config, listeners, Clock::manual(at(NOW)), &lifecycle).expect("a portal");
        Self { base, admin, fakes, lifecycle }
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser {
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy();
        let client = client.timeout(Duration::from_secs(20)).build().expect("a client");
        Browser { client, base: self.base.clone(), cookies: BTreeMap::new(), csrf: String::new() }
    }

    /// A browser with a session.
    pub(crate) fn browser_with(&self, session: &str) -> Browser {
        let mut browser = self.browser();
        browser.cookies.insert("beaver_sid".to_owned(), session.to_owned());
        browser
    }

    pub(crate) fn stop(&self) {
        self.lifecycle.stop();
    }
}

/// Keeps cookies and the token of the last form.
pub(crate) struct Browser {
    client: Client,
    base: String,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) csrf: String,
}

/// What came back.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The target of a 303.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location").expect("a location")
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "{text:?} is not in {}", self.body);
    }

    #[track_caller]
    pub(crate) fn hides(&self, text: &str) {
        assert!(!self.body.contains(text), "{text:?} is in {}", self.body);
        assert!(!format!("{:?}", self.headers).contains(text), "{text:?} is in a header");
    }
}

impl Browser {
    pub(crate) fn request(&self, method: http::Method, path: &str) -> RequestBuilder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, format!("{}{path}", self.base));
        if cookies.is_empty() { request } else { request.header(header::COOKIE, cookies.join("; ")) }
    }

    /// Sends, and keeps cookies and token.
    pub(crate) async fn send(&mut self, request: RequestBuilder) -> Page {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        for line in headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str().expect("text").split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let body = response.text().await.expect("text");
        if let Some((_, rest)) = body.split_once("name=\"csrf\" value=\"") {
            rest.split('"').next().unwrap_or_default().clone_into(&mut self.csrf);
        }
        Page { status, headers, body }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let request = self.request(http::Method::GET, path);
        self.send(request).await
    }

    /// A form as the page would send it.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.csrf.clone();
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", token.as_str())]).collect();
        let request = self.request(http::Method::POST, path).header(header::ORIGIN, ORIGIN).form(&fields);
        self.send(request).await
    }
}

//! Puts the portal together: state, routes and layers, and the two listeners.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::get;
use control_api::authz_client::AuthzClient;
use control_api::deploy_client::DeployClient;
use service_kit::clock::Clock;
use service_kit::health::Health;
use service_kit::http_client;
use service_kit::lifecycle::{Lifecycle, StartError};
use service_kit::metrics::Metrics;
use service_kit::server;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::config::Config;
use crate::csrf::CsrfKey;
use crate::error::PageError;
use crate::frame::{self, LastFrame};
use crate::headers::{self, SecurityHeaders};
use crate::pages::{
    account, admin, authorize, confirm, forgot, landing, login, oauth, provider, provisioning, register,
    second_login, setup, upstream,
};
use crate::session::Cookies;
use crate::{assets, health, language, pages};

/// Progress streams at a time; each holds a connection to deploy-control.
const MAX_STREAMS: usize = 512;

/// What every handler can reach. Clones share it.
#[derive(Clone)]
pub(crate) struct Portal(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) authz: AuthzClient,
    pub(crate) deploy: DeployClient,
    pub(crate) csrf: CsrfKey,
    pub(crate) cookies: Cookies,
    pub(crate) clock: Clock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) frame: LastFrame,
}

impl Deref for Portal {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// The sockets that the portal serves.
pub struct Listeners {
    /// For browsers.
    pub main: TcpListener,
    /// For health and metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds both, or says which address is taken.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            main: server::bind(config.listen, "PORTAL_LISTEN").await?,
            admin: server::bind(config.admin_listen, "PORTAL_ADMIN_LISTEN").await?,
        })
    }

    /// Where browsers are served.
    pub fn main_addr(&self) -> std::io::Result<SocketAddr> {
        self.main.local_addr()
    }
}

/// The portal.
pub struct App;

impl App {
    /// Serves on the listeners until the lifecycle ends.
    pub fn start(
        config: Config,
        listeners: Listeners,
        clock: Clock,
        lifecycle: &Lifecycle,
    ) -> Result<(), StartError> {
        if !config.public.is_https() {
            tracing::warn!(
                "PORTAL_PUBLIC_URL is http: cookies are neither Secure nor __Host-; serve people over https"
            );
        }
        let http = http_client::build(http_client::internal())?;
        let portal = Portal(Arc::new(Inner {
            authz: AuthzClient::new(http.clone(), config.authz_url.clone(), config.authz_token.clone()),
            deploy: DeployClient::new(http, config.deploy_url.clone(), config.deploy_token.clone()),
            csrf: CsrfKey::derive(&config.authz_token),
            cookies: Cookies::new(config.public.is_https()),
            clock,
            lifecycle: lifecycle.clone(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            frame: LastFrame::default(),
            config,
        }));
        let (health, metrics) = (Health::new(), Metrics::new());
        let security = SecurityHeaders::new(&portal.config)?;
        let cookies = portal.cookies;
        health::watch(lifecycle, portal.clone(), health.clone());
        let framed = from_fn_with_state(portal.clone(), frame::put);
        let pages = routes(portal, &health)
            // Inside the other layers, so that the page of a panic has the same headers as any other.
            .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
                PageError::Internal("a handler panicked".to_owned()).into_response()
            }))
            .layer(framed)
            .layer(from_fn_with_state(security, headers::add))
            .layer(from_fn_with_state(cookies, language::speak));
        let pages = server::layers(pages, &metrics, crate::form::BODY_LIMIT);
        server::serve(lifecycle, "main", listeners.main, pages);
        let admin = health.router().merge(metrics.router());
        server::serve(lifecycle, "admin", listeners.admin, server::layers(admin, &metrics, 0));
        Ok(())
    }
}

fn routes(portal: Portal, health: &Health) -> Router {
    Router::new()
        .route("/", get(landing::show))
        .route("/register", get(register::show).post(register::submit))
        .route("/setup", get(setup::show).post(setup::submit))
        .route("/login", get(login::show).post(login::submit))
        .route("/forgot", get(forgot::show).post(forgot::submit))
        .route("/reset", get(forgot::show_reset).post(forgot::reset))
        .route("/confirm", get(confirm::show).post(confirm::submit))
        .route("/login/second", get(second_login::show).post(second_login::submit))
        .route("/logout", get(account::to_account).post(login::logout))
        .route("/provisioning", get(provisioning::show))
        .route("/provisioning/events", get(provisioning::events))
        .route("/provisioning/retry", get(provisioning::to_progress).post(provisioning::retry))
        .route("/onboarding/provider", get(provider::show).post(provider::submit))
        .route("/onboarding/provider/skip", get(provider::to_form).post(provider::skip))
        .route("/language", get(pages::language::to_start).post(pages::language::choose))
        .route("/app/authorize", get(authorize::show))
        .route("/assets/{name}", get(assets::serve))
        .merge(account::routes())
        .merge(oauth::routes())
        .merge(upstream::routes())
        .merge(admin::routes(&portal))
        .method_not_allowed_fallback(async || PageError::MethodNotAllowed)
        .fallback(async || PageError::NotFound)
        .with_state(portal)
        .merge(health.router())
}

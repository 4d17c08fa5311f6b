//! The sockets that the router listens on: bound, or taken over from a router that runs.

use std::net::SocketAddr;

use service_kit::lifecycle::StartError;
use service_kit::server::bind;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::handover::{Predecessor, take_over};

/// All of them, listening.
pub struct Listeners {
    /// For clients.
    pub public: TcpListener,
    /// For clients with TLS, where it is configured.
    pub tls: Option<TcpListener>,
    /// Health and metrics.
    pub admin: TcpListener,
    /// Whose they were, if that router still runs.
    pub(crate) predecessor: Option<Predecessor>,
}

impl Listeners {
    /// Sockets of the caller's own.
    pub fn new(public: TcpListener, tls: Option<TcpListener>, admin: TcpListener) -> Self {
        Self { public, tls, admin, predecessor: None }
    }

    /// Those that are configured: of the router that runs, where one does and has the same addresses, else bound.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let mut from = take_over(&config.state_dir).await;
        let public = take_or_bind(&mut from, config.listen, "ROUTER_LISTEN").await?;
        let tls = match &config.tls {
            Some(tls) => Some(take_or_bind(&mut from, tls.listen, "ROUTER_TLS_LISTEN").await?),
            None => None,
        };
        let admin = take_or_bind(&mut from, config.admin_listen, "ROUTER_ADMIN_LISTEN").await?;
        Ok(Self { public, tls, admin, predecessor: from })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &TcpListener> {
        [&self.public, &self.admin].into_iter().chain(&self.tls)
    }
}

async fn take_or_bind(
    from: &mut Option<Predecessor>,
    address: SocketAddr,
    variable: &str,
) -> Result<TcpListener, StartError> {
    match from.as_mut().and_then(|predecessor| predecessor.take(address)) {
        Some(listener) => Ok(listener),
        None => bind(address, variable).await,
    }
}

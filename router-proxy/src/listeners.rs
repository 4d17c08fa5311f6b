//! The sockets that the router listens on.

use service_kit::lifecycle::StartError;
use service_kit::server::bind;
use tokio::net::TcpListener;

use crate::config::Config;

/// All of them, listening.
pub struct Listeners {
    /// For clients.
    pub public: TcpListener,
    /// For clients with TLS, where it is configured.
    pub tls: Option<TcpListener>,
    /// Health and metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds those that are configured.
    pub async fn bind(config: &Config) -> Result<Self, StartError> {
        let public = bind(config.listen, "ROUTER_LISTEN").await?;
        let tls = match &config.tls {
            Some(tls) => Some(bind(tls.listen, "ROUTER_TLS_LISTEN").await?),
            None => None,
        };
        let admin = bind(config.admin_listen, "ROUTER_ADMIN_LISTEN").await?;
        Ok(Self { public, tls, admin })
    }
}

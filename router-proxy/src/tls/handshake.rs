//! The handshake of one connection. The client's first message is read before a configuration is chosen, so that
//! each certificate has its own, and so that a refusal can say what is wrong (RFC 6066, section 3, and RFC 8446,
//! section 9.2).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;
use super::names::ByName;
use crate::metrics::RouterMetrics;

/// `missing_extension` and `unrecognized_name`: RFC 8446, section 6.
const MISSING_EXTENSION: u8 = 109;
const UNRECOGNIZED_NAME: u8 = 112;

/// The certificates in force, for the listener.
pub(crate) struct TlsFront {
    certificates: ArcSwap<ByName<Certificate>>,
    metrics: RouterMetrics,
}

/// Why a handshake came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeFault {
    #[error("the client asked for no name")]
    NoName,
    #[error("no certificate has the name that the client asked for")]
    UnknownName,
    #[error("the handshake did not end in time")]
    TooSlow,
    #[error("the handshake failed: {0}")]
    Failed(#[from] io::Error),
}

impl HandshakeFault {
    fn kind(&self) -> &'static str {
        match self {
            Self::NoName => "no-name",
            Self::UnknownName => "unknown-name",
            Self::TooSlow => "too-slow",
            Self::Failed(_) => "failed",
        }
    }
}

impl TlsFront {
    pub(crate) fn new(metrics: RouterMetrics) -> Self {
        Self { certificates: ArcSwap::from_pointee(ByName::new([])), metrics }
    }

    /// New connections get these; those that are open keep what they have.
    pub(super) fn replace(&self, certificates: ByName<Certificate>) {
        self.certificates.store(Arc::new(certificates));
    }

    /// Shakes hands, within `limit`. Answers with the certificate that the client was shown.
    pub(crate) async fn handshake<S>(
        &self,
        io: S,
        limit: Duration,
    ) -> Result<(TlsStream<S>, Arc<Certificate>), HandshakeFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let outcome = tokio::time::timeout(limit, self.choose_and_accept(io)).await;
        let outcome = outcome.unwrap_or(Err(HandshakeFault::TooSlow));
        self.metrics.tls_handshake(outcome.as_ref().map_or_else(HandshakeFault::kind, |_| "ok"));
        outcome
    }

    async fn choose_and_accept<S>(&self, io: S) -> Result<(TlsStream<S>, Arc<Certificate>), HandshakeFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        let chosen = match start.client_hello().server_name() {
            None => Err((HandshakeFault::NoName, MISSING_EXTENSION)),
            Some(name) => {
                let found = self.certificates.load().find(name).cloned();
                found.ok_or((HandshakeFault::UnknownName, UNRECOGNIZED_NAME))
            }
        };
        match chosen {
            Ok(certificate) => {
                let stream = start.into_stream(Arc::clone(&certificate.config)).await?;
                Ok((stream, certificate))
            }
            Err((fault, alert)) => {
                // Should the client be gone, there is nobody to tell.
                let _ = start.io.write_all(&fatal(alert)).await;
                let _ = start.io.shutdown().await;
                Err(fault)
            }
        }
    }
}

/// A record with one fatal alert, before any keys: RFC 8446, sections 5.1 and 6.
fn fatal(description: u8) -> [u8; 7] {
    const ALERT: u8 = 21;
    const FATAL: u8 = 2;
    [ALERT, 3, 3, 0, 2, FATAL, description]
}

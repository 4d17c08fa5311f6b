//! The other end of a client's connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::tls::Certificate;

/// What a connection has told before its first request.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// The peer, or whom a trusted proxy named in its place.
    pub(crate) address: SocketAddr,
    /// What the client was shown, over TLS.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

impl Peer {
    pub(crate) fn is_tls(&self) -> bool {
        self.certificate.is_some()
    }

    /// Whether a request for this host may come here. Over TLS, the certificate must be good for the host: browsers use
    /// a connection of HTTP/2 for other hosts too (RFC 9113, section 9.1.1), and whoever asked for one name is not
    /// served another that it saw no certificate for.
    pub(crate) fn may_ask_for(&self, host: &str) -> bool {
        self.certificate.as_ref().is_none_or(|certificate| certificate.names.cover(host))
    }
}

//! Outbound HTTP: one way to make a client, with timeouts and the roots of trust compiled in, because images
//! built `FROM scratch` have no certificate store.

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

use crate::lifecycle::StartError;

/// A builder for calls between services: no redirects, no proxy from the environment, 2 s to connect and
/// 10 s in all; each call may set its own time.
pub fn internal() -> ClientBuilder {
    // Services talk plain HTTP on loopback: an empty set of roots spares their memory.
    Client::builder()
        .tls_certs_only(std::iter::empty::<Certificate>())
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(15))
}

/// A builder for calls to the internet: Mozilla's roots, no redirects, 10 s to connect and no limit in all,
/// because answers may stream; callers set a read timeout.
pub fn internet() -> ClientBuilder {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    Client::builder()
        .tls_certs_only(roots.filter_map(|der| Certificate::from_der(der).ok()))
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
}

/// Builds the client.
pub fn build(builder: ClientBuilder) -> Result<Client, StartError> {
    builder.build().map_err(|error| StartError::Other(format!("no HTTP client could be made: {error}")))
}

//! Certificates that are made for a test, and clients that trust these alone.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate that signs itself, with its key.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

impl Issued {
    pub(crate) fn new(names: &[&str]) -> Self {
        Self::until(names, 2090)
    }

    /// Valid from 2020 to the beginning of a year.
    pub(crate) fn until(names: &[&str], year: i32) -> Self {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("parameters");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    /// As `<name>.crt` and `<name>.key`.
    pub(crate) fn put(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.key")), &self.key).expect("written");
        fs::set_permissions(folder.join(format!("{name}.key")), Permissions::from_mode(0o600)).expect("set");
        fs::write(folder.join(format!("{name}.crt")), &self.chain).expect("written");
    }
}

/// A client that trusts these certificates and offers these protocols.
pub(crate) fn connector(trusted: &[&Issued], alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for one in trusted {
        roots.add(one.der.clone()).expect("a certificate");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// Connects and asks for a name; an address as name means to ask for none.
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    connector: &TlsConnector,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    shake_hands(stream, name, connector).await
}

pub(crate) async fn shake_hands(
    stream: TcpStream,
    name: &str,
    connector: &TlsConnector,
) -> std::io::Result<TlsStream<TcpStream>> {
    connector.connect(ServerName::try_from(name.to_owned()).expect("a name"), stream).await
}

/// The certificate that the router showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("certificates");
    chain.first().expect("one").clone().into_owned()
}

/// The alert that ended a handshake.
pub(crate) fn alert(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// Sends a request over HTTP/1.1 and reads until the router closes.
pub(crate) async fn ask(stream: &mut TlsStream<TcpStream>, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("closed in good order");
    String::from_utf8_lossy(&answer).into_owned()
}

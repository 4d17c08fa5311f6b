//! One certificate with its key, ready to be served: read from PEM, and refused with a reason where it could not
//! be used. No reason and no `Debug` shows anything of a key.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate as Parsed;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::names::Names;

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateFault {
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    #[error("it is not a certificate that can be read")]
    Unreadable,
    #[error("it names no host: it has no DNS name in its subjectAltName")]
    NoNames,
    #[error("its key file holds no private key in PEM form")]
    NoKey,
    #[error("the key does not belong to the certificate")]
    OtherKey,
    #[error("certificate and key cannot be used: {0}")]
    Unusable(String),
}

/// A certificate in force. Each has a TLS configuration of its own, so that a session is resumed only with the
/// certificate that it began with.
pub(crate) struct Certificate {
    pub(crate) names: Names,
    /// Seconds since 1970, as is the next.
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(super) config: Arc<ServerConfig>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads a chain, the host's own certificate first, and its key.
    pub(crate) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateFault> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateFault::Unreadable)?;
        let first = chain.first().ok_or(CertificateFault::NoCertificate)?;
        let parsed = Parsed::from_der(first).map_err(|_| CertificateFault::Unreadable)?;
        let names = names(&parsed)?;
        let validity = parsed.tbs_certificate().validity();
        let (not_before, not_after) = (seconds(validity.not_before), seconds(validity.not_after));
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateFault::NoKey)?;
        let config = Arc::new(configuration(chain, key)?);
        Ok(Self { names, not_before, not_after, config })
    }

    /// Whether its time is now.
    pub(crate) fn is_valid_at(&self, now_secs: i64) -> bool {
        (self.not_before..self.not_after).contains(&now_secs)
    }
}

fn seconds(time: x509_cert::time::Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

/// The common name is not looked at: no browser does (RFC 9525, section 2).
fn names(parsed: &Parsed) -> Result<Names, CertificateFault> {
    let extension = parsed
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
        .map_err(|_| CertificateFault::Unreadable)?;
    let listed = extension.map(|(_, listed)| listed.0).unwrap_or_default();
    let names = Names::new(listed.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.as_str()),
        _ => None,
    }));
    if names.is_empty() { Err(CertificateFault::NoNames) } else { Ok(names) }
}

fn configuration(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, CertificateFault> {
    let unusable = |error: rustls::Error| match error {
        rustls::Error::InconsistentKeys(_) => CertificateFault::OtherKey,
        other => CertificateFault::Unusable(other.to_string()),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    fn made(names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).expect("parameters");
        (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
    }

    #[test]
    fn names_and_times_come_from_the_certificate() {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(["*.apps.example.com".to_owned(), "192.0.2.1".to_owned()]).expect("fine");
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2024, 3, 1);
        assert!(matches!(params.subject_alt_names[1], SanType::IpAddress(_)));
        let chain = params.self_signed(&key).expect("a certificate").pem();
        let read =
            Certificate::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).expect("a certificate");
        assert!(read.names.cover("alice.apps.example.com") && !read.names.cover("192.0.2.1"));
        let (begin, end) = (1_704_067_200, 1_709_251_200);
        assert_eq!((read.not_before, read.not_after), (begin, end));
        let valid: Vec<_> = [begin - 1, begin, end - 1, end].map(|now| read.is_valid_at(now)).into();
        assert_eq!(valid, [false, true, true, false]);
        assert_eq!(read.config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_reason_that_shows_no_key() {
        let (chain, key) = made(&["alice.example.com"]);
        let (_, other) = made(&["alice.example.com"]);
        let (nameless, nameless_key) = made(&["192.0.2.1"]);
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let broken_key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        let cases: [(&str, &str, &str); 7] = [
            ("", &key, "no certificate"),
            ("no PEM at all", &key, "no certificate"),
            (broken, &key, "not a certificate"),
            (&nameless, &nameless_key, "names no host"),
            (&chain, "", "no private key"),
            (&chain, &other, "does not belong"),
            (&chain, broken_key, "cannot be used"),
        ];
        for (chain, key, reason) in cases {
            let fault = Certificate::from_pem(chain.as_bytes(), key.as_bytes()).expect_err(reason);
            assert!(fault.to_string().contains(reason), "{fault} instead of {reason}");
            assert!(!format!("{fault} {fault:?}").contains("c2VjcmV0"));
        }
    }
}

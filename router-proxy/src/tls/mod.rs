//! TLS at a listener of its own, by rustls with aws-lc-rs. The certificate is chosen by the name that the client asks
//! for (SNI) before anything else is decided; who asks for none, or for one that no certificate has, is told so by
//! an alert. The certificates are files, followed while the router runs: a bad one never replaces a good one.

mod certificate;
mod files;
mod follow;
mod handshake;
mod names;
mod replay;

pub(crate) use certificate::Certificate;
pub(crate) use files::CertificateFiles;
pub(crate) use follow::{News, follow, read_now};
pub(crate) use handshake::TlsFront;
pub(crate) use replay::Replay;

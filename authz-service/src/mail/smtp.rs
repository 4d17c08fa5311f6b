//! Handing a mail to a server, and what the server's answer means for it. Answers of servers repeat addresses, so the
//! words of one are never kept: its code says enough.

use std::io::ErrorKind;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use super::config::{Smtp, SmtpTls};

/// Whose name stands before the sender's address.
const SENDER: &str = "Beaver";

/// A mail in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) text: String,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Sent,
    /// More tries cannot help: the reason, without an address.
    Refused(String),
    /// To be tried again: the reason, without an address.
    Later(String),
}

/// The server.
pub(super) struct Server {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Server {
    /// Reads the file of authorities; connects to nothing yet. `portal` is the name that we greet with.
    pub(super) fn new(smtp: &Smtp, portal: &str, timeout: Duration) -> Result<Self, String> {
        let tls = match smtp.tls {
            SmtpTls::StartTls => Tls::Required(parameters(smtp)?),
            SmtpTls::Implicit => Tls::Wrapper(parameters(smtp)?),
            SmtpTls::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone())
            .port(smtp.port)
            .tls(tls)
            .hello_name(ClientId::Domain(portal.to_owned()))
            .timeout(Some(timeout));
        if let Some((user, password)) = &smtp.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose().clone()));
        }
        let from = address(&smtp.from)?;
        Ok(Self { transport: builder.build(), from: Mailbox::new(Some(SENDER.to_owned()), from), timeout })
    }

    /// Hands a mail over. The same id gives the same `Message-ID`, so that one that arrives twice is seen to be one.
    pub(super) async fn send(&self, mail_id: &str, mail: &Mail, now: Timestamp) -> Outcome {
        let message = match self.message(mail_id, mail, now) {
            Ok(message) => message,
            Err(reason) => return Outcome::Refused(reason),
        };
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Sent,
            Ok(Err(error)) => judge(error.status().map(u16::from), &error),
            Err(_) => Outcome::Later("the server did not answer in time".to_owned()),
        }
    }

    fn message(&self, mail_id: &str, mail: &Mail, now: Timestamp) -> Result<Message, String> {
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address(&mail.to)?))
            .subject(mail.subject.as_str())
            .date(SystemTime::from(now))
            .message_id(Some(format!("<{mail_id}@{domain}>")))
            .header(AutoSubmitted)
            .singlepart(SinglePart::plain(mail.text.clone()))
            .map_err(|error| format!("the mail cannot be written: {error}"))
    }
}

fn parameters(smtp: &Smtp) -> Result<TlsParameters, String> {
    let failed =
        |error: lettre::transport::smtp::Error| format!("TLS to the mail server cannot be set up: {error}");
    let mut builder = TlsParameters::builder(smtp.host.clone());
    builder = match &smtp.ca_file {
        None => builder.certificate_store(CertificateStore::WebpkiRoots),
        Some(path) => {
            let unreadable = |reason: String| format!("BEAVER_SMTP_CA_FILE {}: {reason}", path.display());
            let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
            let authority = Certificate::from_pem(&pem).map_err(|error| unreadable(error.to_string()))?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(authority)
        }
    };
    builder.build_rustls().map_err(failed)
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|_| "the address is none that mail can be sent to".to_owned())
}

/// Only what a server says of this one mail ends it (RFC 5321, section 4.2.3, and RFC 7504): a wrong password, a
/// server without TLS or one that is down are the operator's to mend, and the mail waits for that.
fn judge(code: Option<u16>, error: &lettre::transport::smtp::Error) -> Outcome {
    match code {
        Some(code @ (550..=556)) => Outcome::Refused(format!("the server answered {code}")),
        Some(code) => Outcome::Later(format!("the server answered {code}")),
        None if error.is_timeout() => Outcome::Later("the server did not answer in time".to_owned()),
        None if error.is_tls() || is_handshake(error) => {
            Outcome::Later("TLS with the server failed: its certificate may be for another name".to_owned())
        }
        None if error.is_client() => Outcome::Later(
            "the server does not offer what is needed: STARTTLS or a way to sign in".to_owned(),
        ),
        None => Outcome::Later("the server cannot be reached".to_owned()),
    }
}

/// Whether the connection broke over TLS: rustls says so by a kind of I/O error.
fn is_handshake(error: &lettre::transport::smtp::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::InvalidData)
        {
            return true;
        }
        source = cause.source();
    }
    false
}

/// RFC 3834, section 5: nobody's machine is to answer.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

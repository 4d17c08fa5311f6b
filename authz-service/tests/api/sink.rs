//! A real SMTP server for the mails of a test: `aiosmtpd` from `PyPI`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use authz_service::{Config, MailConfig};
use serde_json::Value;
use service_kit::env::EnvReader;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::harness::TestApp;
use crate::python::interpreter;

const PACKAGE: &str = "aiosmtpd==1.4.6";
const PATIENCE: Duration = Duration::from_secs(20);
/// The sender in these tests.
pub(crate) const FROM: &str = "beaver@example.com";

/// A server that takes mail.
pub(crate) struct Sink {
    pub(crate) port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

/// A mail that it took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) about: Value,
    /// What it says, decoded.
    pub(crate) text: String,
}

impl Sink {
    /// With the options of `smtp_sink.py`.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/smtp_sink.py");
        let mut process = Command::new(interpreter(&[PACKAGE]).await)
            .arg(script)
            .args(options)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("a process");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut sink = Self { port: 0, lines, _process: process };
        let line = sink.line().await;
        sink.port = line.strip_prefix("port ").expect("a port").parse().expect("a number");
        sink
    }

    /// A service that sends through it, without TLS.
    pub(crate) async fn app(&self, more: &[(&str, &str)]) -> TestApp {
        TestApp::start_with(|config| self.set(config, more)).await
    }

    /// Has a service send through it, without TLS.
    pub(crate) fn set(&self, config: &mut Config, more: &[(&str, &str)]) {
        let port = self.port.to_string();
        let plain =
            [("BEAVER_SMTP_HOST", "127.0.0.1"), ("BEAVER_SMTP_TLS", "none"), ("BEAVER_SMTP_PORT", &port)];
        let pairs = [&plain[..], &[("BEAVER_MAIL_FROM", FROM)], more].concat();
        set(config, &pairs);
    }

    /// The next line that it says.
    pub(crate) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("a line in time").expect("output").expect("a line")
    }

    /// The next mail.
    pub(crate) async fn mail(&mut self) -> Taken {
        let about: Value = serde_json::from_str(&self.line().await).expect("json");
        let text = decoded(about["mail"].as_str().expect("a mail"));
        Taken { about, text }
    }

    /// The token of the link in the next mail, which must be to this address.
    pub(crate) async fn token(&mut self, to: &str) -> String {
        let mail = self.mail().await;
        assert_eq!(mail.about["to"][0], to, "{mail:?}");
        mail.token()
    }

    /// Nothing more has come by the time that the mail of somebody else has.
    pub(crate) async fn expect_only(&mut self, to: &str) -> Taken {
        let mail = self.mail().await;
        assert_eq!(mail.about["to"][0], to, "{mail:?}");
        mail
    }
}

impl Taken {
    /// Of the link in it.
    pub(crate) fn token(&self) -> String {
        let (_, rest) = self.text.split_once("?token=").unwrap_or_else(|| panic!("no link in {self:?}"));
        rest.chars().take_while(|c| !c.is_whitespace()).collect()
    }

    /// A header, decoded.
    pub(crate) fn header(&self, name: &str) -> String {
        let mail = self.about["mail"].as_str().expect("a mail");
        let line = mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {mail}")).to_owned()
    }
}

/// A service with these variables of mail.
pub(crate) async fn app_with(pairs: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(|config| set(config, pairs)).await
}

fn set(config: &mut Config, pairs: &[(&str, &str)]) {
    let mut env = EnvReader::from_pairs(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    config.mail = MailConfig::from_env(&mut env, &config.public_url, &config.portal_url);
    env.finish(()).expect("settings of mail");
    config.mail.timeout = Duration::from_secs(2);
}

/// The text of a mail: quoted-printable (RFC 2045, section 6.7) or base64, as the writer chose.
fn decoded(mail: &str) -> String {
    use base64::Engine as _;
    let mail = mail.replace("\r\n", "\n");
    let (head, body) = mail.split_once("\n\n").expect("a body");
    if head.contains("base64") {
        let packed: String = body.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(packed).expect("base64");
        return String::from_utf8(bytes).expect("text").replace("\r\n", "\n");
    }
    if !head.contains("quoted-printable") {
        return body.to_owned();
    }
    let joined = body.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let hex = [rest.next().expect("a digit"), rest.next().expect("a digit")];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).expect("ascii"), 16).expect("hex"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("text")
}

//! Where the audit log goes, as the environment says it.

use std::fmt;

use control_api::audit_targets::AuditTargetName;
use service_kit::env::EnvReader;
use service_kit::secret::Secret;
use url::Url;

const SYSLOG: &str = "BEAVER_AUDIT_SYSLOG";
const WEBHOOK: &str = "BEAVER_AUDIT_WEBHOOK";
const WEBHOOK_SECRET: &str = "BEAVER_AUDIT_WEBHOOK_SECRET";
const SECRET_MIN: usize = 32;

/// How syslog messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// RFC 5426: a datagram a message. What gets lost on the way is not noticed.
    Udp,
    /// RFC 6587 with octet counting.
    Tcp,
}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyslogTarget {
    pub(crate) transport: Transport,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for SyslogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// A webhook. Its address may have a secret in it and is not shown beyond the origin.
#[derive(Clone)]
pub(crate) struct WebhookTarget {
    pub(crate) url: Url,
    /// Signs what is sent.
    pub(crate) secret: Secret<String>,
}

impl fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WebhookTarget").field(&self.url.origin().ascii_serialization()).finish()
    }
}

/// Both, where they are set.
#[derive(Clone, Debug, Default)]
pub struct AuditTargetSettings {
    pub(crate) syslog: Option<SyslogTarget>,
    pub(crate) webhook: Option<WebhookTarget>,
}

impl AuditTargetSettings {
    /// Reads the environment.
    pub fn from_env(env: &mut EnvReader) -> Self {
        let syslog = env.text(SYSLOG).and_then(|text| {
            let target = syslog(&text);
            if target.is_none() {
                env.fault(SYSLOG, "must be udp://HOST:PORT or tcp://HOST:PORT");
            }
            target
        });
        let webhook = env.text(WEBHOOK).and_then(|text| {
            let secret = env.secret(WEBHOOK_SECRET, SECRET_MIN);
            match webhook_url(&text) {
                Ok(url) => Some(WebhookTarget { url, secret }),
                Err(reason) => {
                    env.fault(WEBHOOK, reason);
                    None
                }
            }
        });
        Self { syslog, webhook }
    }

    /// What is set, and where that is, in words without a secret.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (AuditTargetName, String)> {
        let syslog = self.syslog.as_ref().map(|target| (AuditTargetName::Syslog, target.to_string()));
        let webhook = self
            .webhook
            .as_ref()
            .map(|target| (AuditTargetName::Webhook, target.url.origin().ascii_serialization()));
        syslog.into_iter().chain(webhook)
    }
}

fn syslog(text: &str) -> Option<SyslogTarget> {
    let (scheme, rest) = text.split_once("://")?;
    let transport = match scheme {
        "udp" => Transport::Udp,
        "tcp" => Transport::Tcp,
        _ => return None,
    };
    // Of a scheme that `Url` knows, so that it reads the host as one.
    let url = Url::parse(&format!("http://{rest}")).ok()?;
    // `Url` leaves the scheme's own port out.
    let port = url.port().or_else(|| rest.ends_with(":80").then_some(80))?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !rest.ends_with('/');
    let plain = bare && url.username().is_empty() && url.password().is_none() && port != 0;
    let host = url.host_str()?.to_owned();
    plain.then_some(SyslogTarget { transport, host, port })
}

/// Entries name people: over the network they go encrypted.
fn webhook_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be a URL such as https://logs.example.com/beaver")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must have no user name and password in it; what is sent is signed");
    }
    if url.fragment().is_some() {
        return Err("must have no fragment");
    }
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback => Ok(url),
        _ => Err("must be https; http is for this machine alone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<AuditTargetSettings, String> {
        let mut env = EnvReader::from_pairs(pairs.iter().copied());
        let settings = AuditTargetSettings::from_env(&mut env);
        env.finish(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_syslog_server_is_a_transport_a_host_and_a_port() {
        for good in ["udp://192.0.2.7:514", "tcp://logs.example.com:80", "tcp://[2001:db8::7]:601"] {
            let target = syslog(good).unwrap_or_else(|| panic!("{good}"));
            assert_eq!(target.to_string(), good);
        }
        for bad in
            ["192.0.2.7:514", "tls://x:1", "udp://x", "udp://:514", "udp://x:0", "tcp://x:1/", "tcp://u@x:1"]
        {
            assert!(syslog(bad).is_none(), "{bad}");
            assert!(read(&[(SYSLOG, bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_webhook_is_signed_and_encrypted_and_its_path_is_shown_nowhere() {
        let secret = "0123456789abcdef0123456789abcdef";
        let url = "https://logs.example.com/hook/s3cret?key=s3cret";
        let settings = read(&[(WEBHOOK, url), (WEBHOOK_SECRET, secret)]).expect("settings");
        assert!(!format!("{settings:?}").contains("s3cret"));
        let shown: Vec<_> = settings.addresses().collect();
        assert_eq!(shown, [(AuditTargetName::Webhook, "https://logs.example.com".to_owned())]);
        read(&[(WEBHOOK, "http://127.0.0.1:9000/x"), (WEBHOOK_SECRET, secret)]).expect("this machine");
        for bad in ["http://logs.example.com/", "https://u:p@logs.example.com/", "file:///etc/passwd", "logs"]
        {
            let error = read(&[(WEBHOOK, bad), (WEBHOOK_SECRET, secret)]).expect_err(bad);
            assert!(error.contains(WEBHOOK), "{error}");
        }
        assert!(read(&[(WEBHOOK, url)]).expect_err("no secret").contains(WEBHOOK_SECRET));
        assert!(read(&[]).expect("nothing").addresses().next().is_none());
    }
}

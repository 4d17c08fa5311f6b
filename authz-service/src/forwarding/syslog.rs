//! Entries as syslog messages (RFC 5424), over UDP (RFC 5426) or TCP with octet counting (RFC 6587, section 3.4.1).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use service_kit::clock::from_millis;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket, lookup_host};

use super::settings::{SyslogTarget, Transport};
use crate::store::audit::Row;

/// Facility 13 (log audit), severity 6 (informational): RFC 5424, section 6.2.1.
const INFORMATIONAL: u8 = 13 * 8 + 6;
/// Severity 4 (warning), for what was refused.
const WARNING: u8 = 13 * 8 + 4;
/// The private enterprise number that RFC 5612 keeps for documentation: the project has none of its own.
const STRUCTURE: &str = "audit@32473";
/// Longest name of a message (MSGID): RFC 5424, section 6.
const MSGID_MAX: usize = 32;
/// How long a server may take to close its side after it was told that nothing more comes.
const CLOSING_TIME: Duration = Duration::from_secs(2);

/// Sends a batch.
pub(super) async fn send(target: &SyslogTarget, host: &str, entries: &[Row]) -> Result<(), String> {
    let failed = |error: io::Error| format!("{target}: {error}");
    match target.transport {
        Transport::Udp => send_datagrams(target, host, entries).await.map_err(failed),
        Transport::Tcp => send_stream(target, host, entries).await.map_err(failed),
    }
}

/// A datagram that arrives nowhere is only known of when the other machine says so, and that only with the next one.
async fn send_datagrams(target: &SyslogTarget, host: &str, entries: &[Row]) -> io::Result<()> {
    let address = resolve(target).await?;
    let any: SocketAddr = if address.is_ipv6() { ([0_u16; 8], 0).into() } else { ([0_u8; 4], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    for entry in entries {
        socket.send(message(entry, host).as_bytes()).await?;
    }
    // What came back meanwhile: a port that nobody listens at.
    socket.take_error()?.map_or(Ok(()), Err)
}

/// A connection a batch: syslog has no answer, so that the server's own end, after ours, is what tells that it has
/// read everything. One that keeps its side open is taken to have read what it did not refuse.
async fn send_stream(target: &SyslogTarget, host: &str, entries: &[Row]) -> io::Result<()> {
    let mut stream = TcpStream::connect(resolve(target).await?).await?;
    let mut bytes = Vec::new();
    for entry in entries {
        let message = message(entry, host);
        bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
        bytes.extend_from_slice(message.as_bytes());
    }
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    let mut ignored = [0_u8; 512];
    let closed = async {
        while stream.read(&mut ignored).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(CLOSING_TIME, closed).await.unwrap_or(Ok(()))
}

async fn resolve(target: &SyslogTarget) -> io::Result<SocketAddr> {
    let host = target.host.trim_matches(['[', ']']);
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    lookup_host((host, target.port)).await?.next().ok_or_else(unknown)
}

/// One message. What strangers typed is escaped in the log already; a value's own quotes are here.
fn message(entry: &Row, host: &str) -> String {
    let priority = if is_refusal(&entry.action) { WARNING } else { INFORMATIONAL };
    let time = from_millis(entry.at).strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
    let name: String = entry.action.chars().filter(char::is_ascii_graphic).take(MSGID_MAX).collect();
    let data = structured(entry);
    let actor = entry.actor_name.as_deref().unwrap_or(&entry.actor);
    let to = entry.target_name.as_deref().unwrap_or(&entry.target);
    // The mark of UTF-8 before the text: RFC 5424, section 6.4.
    format!("<{priority}>1 {time} {host} beaver - {name} {data} \u{feff}{actor} {} {to}", entry.action)
}

fn is_refusal(action: &str) -> bool {
    action.ends_with("-failed") || action.ends_with("-refused")
}

fn structured(entry: &Row) -> String {
    let id = entry.id.to_string();
    let fields = [
        ("id", Some(id.as_str())),
        ("actor", Some(entry.actor.as_str())),
        ("actorName", entry.actor_name.as_deref()),
        ("action", Some(entry.action.as_str())),
        ("target", Some(entry.target.as_str())),
        ("targetName", entry.target_name.as_deref()),
        ("address", entry.address.as_deref()),
        ("requestId", entry.request_id.as_deref()),
    ];
    let mut data = format!("[{STRUCTURE}");
    for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        data.push(' ');
        data.push_str(name);
        data.push_str("=\"");
        for c in value.chars() {
            // RFC 5424, section 6.3.3.
            if matches!(c, '"' | '\\' | ']') {
                data.push('\\');
            }
            data.push(c);
        }
        data.push('"');
    }
    data.push(']');
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            id: 7,
            at: 1_795_863_600_120,
            actor: "anonymous".to_owned(),
            action: "login-failed".to_owned(),
            target: "a\\nb\"]".to_owned(),
            address: Some("2001:db8::7".to_owned()),
            request_id: None,
            actor_name: None,
            target_name: None,
        }
    }

    #[test]
    fn a_message_is_what_rfc_5424_says() {
        assert_eq!(
            message(&row(), "apps.example.com"),
            "<108>1 2026-11-28T11:00:00.120Z apps.example.com beaver - login-failed [audit@32473 id=\"7\" \
             actor=\"anonymous\" action=\"login-failed\" target=\"a\\\\nb\\\"\\]\" address=\"2001:db8::7\"] \
             \u{feff}anonymous login-failed a\\nb\"]"
        );
        let named = Row { action: "login".to_owned(), actor_name: Some("alice".to_owned()), ..row() };
        let text = message(&named, "localhost");
        assert!(text.starts_with("<110>1 ") && text.contains(" actorName=\"alice\" "), "{text}");
        assert!(text.contains("\u{feff}alice login "), "{text}");
    }
}

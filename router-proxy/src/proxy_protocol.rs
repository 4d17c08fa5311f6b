//! The PROXY protocol, versions 1 and 2 (haproxy's `doc/proxy-protocol.txt`): who the client of a connection is, told
//! by a proxy that passes bytes on. Where it is switched on, a connection of a trusted proxy begins with it, always: a
//! receiver that guesses would believe a client. [`parse`] is pure.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest header of version 1, with its line end.
const MAX_LINE: usize = 107;
/// Longest that is taken of version 2: addresses and some extensions.
const MAX_BINARY: usize = 4 * 1024;

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parsed {
    /// Not all of it is there.
    NeedMore,
    /// A header of so many bytes, and whom it names; `None` where the proxy speaks for itself.
    Header(usize, Option<SocketAddr>),
    /// No header.
    Refused(&'static str),
}

/// Reads the header; `buffer` is left with what came after it. `None` where the proxy speaks for itself.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    limit: Duration,
) -> io::Result<Option<SocketAddr>> {
    let read = async {
        loop {
            match parse(buffer) {
                Parsed::Header(length, source) => {
                    buffer.advance(length);
                    return Ok(source);
                }
                Parsed::Refused(reason) => return Err(io::Error::new(io::ErrorKind::InvalidData, reason)),
                Parsed::NeedMore => {
                    if stream.read_buf(buffer).await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
            }
        }
    };
    tokio::time::timeout(limit, read).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn parse(bytes: &[u8]) -> Parsed {
    let is_beginning_of = |whole: &[u8]| whole.starts_with(&bytes[..bytes.len().min(whole.len())]);
    if is_beginning_of(SIGNATURE) {
        return if bytes.len() < 16 { Parsed::NeedMore } else { binary(bytes) };
    }
    if !is_beginning_of(b"PROXY ") {
        return Parsed::Refused("it does not begin with the PROXY protocol");
    }
    let line = &bytes[..bytes.len().min(MAX_LINE)];
    match line.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) if is_unknown(&line[..end]) => Parsed::Header(end + 2, None),
        Some(end) => match text(&line[..end]) {
            Some(source) => Parsed::Header(end + 2, Some(source)),
            None => Parsed::Refused("its PROXY line is malformed"),
        },
        None if line.len() == MAX_LINE => Parsed::Refused("its PROXY line does not end"),
        None => Parsed::NeedMore,
    }
}

/// Whatever may follow is not looked at: section 2.1.
fn is_unknown(line: &[u8]) -> bool {
    line == b"PROXY UNKNOWN" || line.starts_with(b"PROXY UNKNOWN ")
}

/// Version 1, without the line end: section 2.1.
fn text(line: &[u8]) -> Option<SocketAddr> {
    let line = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let &["PROXY", family, from, to, from_port, to_port] = words.as_slice() else { return None };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    // `parse` would take a sign, too.
    let port = |text: &str| text.parse::<u16>().ok().filter(|number| number.to_string() == text);
    let (source, _) = (address(from)?, address(to)?);
    port(to_port)?;
    Some(SocketAddr::new(source, port(from_port)?))
}

/// Version 2: section 2.2. At least its 16 fixed bytes are there.
fn binary(bytes: &[u8]) -> Parsed {
    let (command, family) = (bytes[12], bytes[13]);
    let length = 16 + usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    if length > MAX_BINARY {
        return Parsed::Refused("its PROXY header is too long");
    }
    let Some(rest) = bytes.get(16..length) else { return Parsed::NeedMore };
    let port = |at: usize| rest.get(at..at + 2).map(|port| u16::from_be_bytes([port[0], port[1]]));
    let source = match (command, family) {
        // LOCAL: its own check of whether we live. And a connection whose client it does not know.
        (0x20, _) | (0x21, 0x00) => return Parsed::Header(length, None),
        (0x21, 0x11) => rest.first_chunk::<4>().map(|ip| IpAddr::from(*ip)).zip(port(8)),
        (0x21, 0x21) => rest.first_chunk::<16>().map(|ip| IpAddr::from(*ip)).zip(port(32)),
        _ => return Parsed::Refused("its PROXY header is of an unknown kind"),
    };
    match source {
        Some((ip, port)) => Parsed::Header(length, Some(SocketAddr::new(ip, port))),
        None => Parsed::Refused("its PROXY header is too short"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    /// Addresses, ports and one extension.
    fn v2_from(ip: &[u8], family: u8) -> Vec<u8> {
        v2(0x21, family, &[ip, ip, &[0x1f, 0x90, 0, 80], &[4, 0, 1, 0]].concat())
    }

    #[test]
    fn headers_of_both_versions_are_read_whole_and_leave_the_rest() {
        let six: Ipv6Addr = "2001:db8::7".parse().expect("an address");
        let cases: [(Vec<u8>, Option<&str>); 8] = [
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80\r\n".to_vec(), Some("203.0.113.7:8080")),
            (b"PROXY TCP6 2001:db8::7 ::1 8080 443\r\n".to_vec(), Some("[2001:db8::7]:8080")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (v2_from(&[203, 0, 113, 7], 0x11), Some("203.0.113.7:8080")),
            (v2_from(&six.octets(), 0x21), Some("[2001:db8::7]:8080")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x21, 0x00, &[1, 2, 3]), None),
        ];
        for (header, source) in cases {
            let source = source.map(|text| text.parse().expect("an address"));
            let all = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&all), Parsed::Header(header.len(), source), "{header:?}");
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Parsed::NeedMore, "{end} bytes of {header:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let cases: [Vec<u8>; 14] = [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXX".to_vec(),
            b"\r\n\r\nX".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 8080\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 8080 80 1\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 +80 80\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 65536 80\r\n".to_vec(),
            b"PROXY UDP4 203.0.113.7 10.0.0.1 1 2\r\n".to_vec(),
            [b"PROXY TCP4 ".to_vec(), vec![b'1'; 100]].concat(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x11, &[0; 9]),
            v2(0x21, 0x11, &[0; MAX_BINARY]),
        ];
        for bytes in cases {
            assert!(matches!(parse(&bytes), Parsed::Refused(_)), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}

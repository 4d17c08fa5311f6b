//! HTTP/1.1 by hand for both ends of the simulation: a head is its lines, a body has a length. Cheap enough for a
//! million exchanges, and strict: what is not understood is an error.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;

/// A connection that is read by lines.
pub(super) type Wire = BufReader<TcpStream>;

/// Whatever takes longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The first line and the fields of a request or an answer.
pub(super) struct Head {
    pub(super) first: String,
    fields: Vec<(String, String)>,
}

impl Head {
    pub(super) async fn read(wire: &mut Wire) -> io::Result<Self> {
        let first = line(wire).await?;
        let mut fields = Vec::new();
        loop {
            let line = line(wire).await?;
            if line.is_empty() {
                return Ok(Self { first, fields });
            }
            let (name, value) = line.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The value of a field; of two with one name, the first.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The second word of the first line: a request's target or an answer's status.
    pub(super) fn second(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    /// The body that follows. Nobody here sends one without a length.
    pub(super) async fn body(&self, wire: &mut Wire) -> io::Result<Vec<u8>> {
        if self.field("transfer-encoding").is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a body without a length"));
        }
        let length = self.field("content-length").unwrap_or("0").parse().map_err(io::Error::other)?;
        let mut body = vec![0; length];
        wire.read_exact(&mut body).await?;
        Ok(body)
    }
}

/// One line without its end.
pub(super) async fn line(wire: &mut Wire) -> io::Result<String> {
    let mut line = String::new();
    wire.read_line(&mut line).await?;
    if !line.ends_with('\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

//! An app with a WebSocket, compiled by itself into a static binary: its page opens the socket and says something
//! every second, the socket says it again, and the page counts. It also sends back what is uploaded with PUT, and
//! tells at `/head` what the head of a request was when it arrived, and answers at `/held` with a first word, and with
//! the last once somebody asks for `/release`. RFC 6455, as far as Chromium needs it: frames of at most 125 bytes, no
//! fragments.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static RELEASED: AtomicBool = AtomicBool::new(false);

const PAGE: &str = r#"<!doctype html><title>Echo</title><p>echoes: <output>0</output> <b></b>
<script>
const socket = new WebSocket(`ws://${location.host}/socket`);
let said = 0;
socket.onopen = () => setInterval(() => socket.readyState === 1 && socket.send(`word ${++said}`), 1000);
socket.onmessage = ({ data }) => document.querySelector('output').textContent = data.split(' ')[1];
socket.onclose = () => document.querySelector('b').textContent = 'closed';
</script>"#;

fn main() {
    let listener = TcpListener::bind("0.0.0.0:8080").expect("a port");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || drop(serve(stream)));
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut line, mut length, mut key) = (String::new(), 0, None);
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut head = line.clone();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            head.push_str(&header);
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "sec-websocket-key" => key = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut upload = vec![0; length];
        reader.read_exact(&mut upload)?;
        if let Some(key) = key {
            let accept = base64(&sha1(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()));
            write!(
                stream,
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                 sec-websocket-accept: {accept}\r\n\r\n"
            )?;
            return echo(&mut reader, &mut stream);
        }
        if line.starts_with("GET /held ") {
            hold(&mut stream)?;
            continue;
        }
        RELEASED.fetch_or(line.starts_with("GET /release "), Ordering::SeqCst);
        let (status, body) = match line.split(' ').next() {
            Some("POST") => ("201 Created", &[][..]),
            Some("PUT") => ("200 OK", &upload[..]),
            _ if line.starts_with("GET /head ") => ("200 OK", head.as_bytes()),
            _ => ("200 OK", PAGE.as_bytes()),
        };
        let size = body.len();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {size}\r\n\r\n")?;
        stream.write_all(body)?;
    }
}

/// Sends the second half of an answer only once it is asked for. In chunks, as whoever writes on does: what has a
/// length Caddy may gather.
fn hold(stream: &mut TcpStream) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
    while !RELEASED.swap(false, Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(10));
    }
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n")
}

/// Says each text again, answers pings, and goes when told to.
fn echo(reader: &mut impl Read, stream: &mut impl Write) -> std::io::Result<()> {
    loop {
        let mut head = [0; 6];
        reader.read_exact(&mut head)?;
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        reader.read_exact(&mut payload)?;
        payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= head[2 + at % 4]);
        let opcode = match head[0] & 0x0f {
            0x9 => 0xa,
            other => other,
        };
        let mut frame = vec![0x80 | opcode, head[1] & 0x7f];
        frame.extend_from_slice(&payload);
        stream.write_all(&frame)?;
        if opcode == 0x8 {
            return Ok(());
        }
    }
}

/// FIPS 180-4, section 6.1.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    let mut hash = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_be_bytes(bytes.try_into().expect("four bytes"));
        }
        for at in 16..80 {
            words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = hash;
        for (at, word) in words.into_iter().enumerate() {
            let (mixed, constant) = match at {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc_u32),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(constant).wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, value) in hash.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(value);
        }
    }
    let mut bytes = [0; 20];
    bytes.chunks_exact_mut(4).zip(hash).for_each(|(to, word)| to.copy_from_slice(&word.to_be_bytes()));
    bytes
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]);
            text.push(if at <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

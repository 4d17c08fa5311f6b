//! What the guard makes of a stream of bytes, and whether the strict reader makes the same of it.

use std::ops::Range;

use super::framing::{Framing, Step};
use super::strict::{Reading, read, read_all};

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// More could come: at the head of a message, or within its body.
    Open { in_body: bool },
    /// The rest is HTTP/2.
    PassThrough,
    /// A head was refused.
    Refused(String),
    /// A body was broken off.
    Aborted(String),
}

/// The messages that the guard handed on whole, and the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) messages: Vec<Range<usize>>,
    pub(crate) end: End,
}

/// Lets the guard read the bytes in pieces of the given sizes, again and again.
pub(crate) fn follow(input: &[u8], pieces: &[usize]) -> Followed {
    let mut framing = Framing::new();
    let mut sizes = pieces.iter().copied().cycle();
    // Handed on so far, read so far, and where the message under way began.
    let (mut at, mut read, mut start) = (0, 0, 0);
    let mut messages = Vec::new();
    let end = loop {
        match framing.advance(&input[at..read]) {
            Step::Deliver(length) => {
                at += length;
                let is_empty_line = input[start..at].iter().all(|b| matches!(b, b'\r' | b'\n'));
                if framing.is_between_messages() {
                    if !is_empty_line {
                        messages.push(start..at);
                    }
                    start = at;
                }
            }
            Step::NeedMore if read == input.len() => {
                break End::Open { in_body: !framing.is_between_messages() };
            }
            Step::NeedMore => read = (read + sizes.next().unwrap_or(1).max(1)).min(input.len()),
            Step::PassThrough => break End::PassThrough,
            Step::Refuse(fault) => break End::Refused(format!("{fault:?}")),
            Step::Abort(reason) => break End::Aborted(reason.to_owned()),
        }
    };
    Followed { messages, end }
}

/// Whether the two agree on every message that the guard lets through, and on where the bytes stop being one.
pub(crate) fn agree(input: &[u8]) -> Result<Followed, String> {
    let guard = follow(input, &[input.len()]);
    let (strict, _) = read_all(input);
    for (index, message) in guard.messages.iter().enumerate() {
        let same = strict.get(index).is_some_and(|other| (other.start..other.end) == *message);
        if !same {
            let at = index.checked_sub(1).map_or(0, |last| guard.messages[last].end);
            return Err(format!(
                "the guard takes {message:?}, the strict reader says {:?}",
                read(&input[at..])
            ));
        }
    }
    let rest = &input[guard.messages.last().map_or(0, |last| last.end)..];
    let reading = read(rest);
    match (&guard.end, &reading) {
        (End::Open { .. }, Reading::Whole(_)) => Err(format!("the guard waits within {reading:?}")),
        (End::Open { in_body: true }, Reading::Doubtful(_)) => {
            Err(format!("the guard handed on {reading:?}"))
        }
        (End::PassThrough, _) if !input.starts_with(b"PRI * HTTP/2.0\r\n\r\n") => {
            Err("bytes are passed through that are not HTTP/2".to_owned())
        }
        _ => Ok(guard),
    }
}

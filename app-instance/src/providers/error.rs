//! What can go wrong with a provider, in words that are shown in the chat. A provider's own message is cut
//! short, freed of control characters, and never carries the key.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use service_kit::secret::Secret;

/// Longest part of a provider's own message that is shown, in characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// Why there is no (whole) answer. `Display` is what the owner reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProviderError {
    /// It answered with an error status.
    Refused { status: StatusCode, message: Option<String> },
    /// It reported an error in mid-stream.
    Reported { message: String },
    /// No connection.
    Unreachable { reason: String },
    /// No answer within this time.
    Silent { after: Duration },
    /// It began and then sent nothing for this time.
    Stalled { after: Duration },
    /// The connection ended before the answer did.
    BrokeOff,
    /// What it sent is not the stream that its API promises.
    Garbled { what: &'static str },
    /// The answer is longer than the app takes.
    TooLong,
}

impl std::fmt::Display for ProviderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { status, message } => {
                write!(f, "{} ({})", refusal(*status), status.as_u16())?;
                match message {
                    Some(message) => write!(f, ": {message}"),
                    None => f.write_str("."),
                }
            }
            Self::Reported { message } => write!(f, "The provider reported an error: {message}"),
            Self::Unreachable { reason } => write!(f, "The provider cannot be reached: {reason}."),
            Self::Silent { after } => {
                write!(f, "The provider did not answer within {}.", seconds(*after))
            }
            Self::Stalled { after } => {
                write!(f, "The provider stopped sending: nothing came for {}.", seconds(*after))
            }
            Self::BrokeOff => f.write_str("The provider broke off in the middle of the answer."),
            Self::Garbled { what } => write!(f, "The provider's answer cannot be understood: {what}."),
            Self::TooLong => f.write_str("The answer was longer than this app takes; the rest is left out."),
        }
    }
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        1 => "1 second".to_owned(),
        0 => format!("{} ms", time.as_millis()),
        seconds => format!("{seconds} seconds"),
    }
}

fn refusal(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "The provider refused the key",
        402 => "The provider wants to be paid first",
        404 => "The provider does not know this model or address",
        408 | 504 => "The provider took too long",
        429 => "The provider says that there were too many requests, or that the quota is used up",
        300..=399 => "The provider's address leads elsewhere",
        500..=599 => "The provider has a problem of its own",
        _ => "The provider refused the request",
    }
}

/// A provider's own message, fit to be shown; `None` where nothing is left of it.
pub(crate) fn presentable(message: &str, key: Option<&Secret<String>>) -> Option<String> {
    let mut text = message.to_owned();
    // A key of three characters is none, and hiding it would garble every message.
    if let Some(key) = key.map(Secret::expose).filter(|key| key.len() > 3) {
        text = text.replace(key.as_str(), "[key]");
    }
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(MAX_MESSAGE_CHARS).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    (!shown.is_empty()).then_some(shown)
}

/// The message in an error body: `OpenAI` and Anthropic put it at `error.message`, other servers elsewhere.
/// A page of HTML has none.
pub(crate) fn message_of(body: &[u8]) -> Option<String> {
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        let places = ["/error/message", "/error", "/message", "/detail"];
        return places.iter().find_map(|place| json.pointer(place)?.as_str()).map(str::to_owned);
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    (!text.is_empty() && !text.starts_with('<')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_where_servers_put_it() {
        for body in [
            r#"{"error":{"message":"no such model","type":"x"}}"#,
            r#"{"error":"no such model"}"#,
            r#"{"message":"no such model"}"#,
            r#"{"detail":"no such model"}"#,
            "no such model\n",
        ] {
            assert_eq!(message_of(body.as_bytes()).as_deref(), Some("no such model"), "{body}");
        }
        for body in ["", "<html>no</html>", r#"{"error":{"code":1}}"#, "[]"] {
            assert_eq!(message_of(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn a_shown_message_is_short_clean_and_has_no_key() {
        let key = Secret::from("sk-s3cret");
        let long = format!("bad key sk-s3cret\r\n\u{1b}[31m{}", "x ".repeat(400));
        let shown = presentable(&long, Some(&key)).expect("a message");
        assert!(shown.starts_with("bad key [key] [31mx x"), "{shown}");
        assert!(shown.chars().count() <= MAX_MESSAGE_CHARS + 1 && shown.ends_with('…'));
        assert_eq!(presentable(" \n", None), None);
    }

    #[test]
    fn a_key_that_the_cut_would_split_is_hidden_first() {
        let key = Secret::from("sk-s3cret");
        let shown = presentable(&format!("{}sk-s3cret", "x".repeat(296)), Some(&key)).expect("a message");
        assert!(!shown.contains("sk-"), "{shown}");
    }

    #[test]
    fn every_refusal_names_status_and_cause() {
        let error = ProviderError::Refused {
            status: StatusCode::UNAUTHORIZED,
            message: Some("Incorrect API key".to_owned()),
        };
        assert_eq!(error.to_string(), "The provider refused the key (401): Incorrect API key");
        let error = ProviderError::Refused { status: StatusCode::BAD_GATEWAY, message: None };
        assert_eq!(error.to_string(), "The provider has a problem of its own (502).");
    }
}

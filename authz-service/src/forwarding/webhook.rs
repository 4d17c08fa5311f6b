//! Entries as a signed POST of JSON. The receiver tells by the signature that it is from here and untouched, and by
//! the ids what it has already.

use aws_lc_rs::hmac;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use service_kit::clock::from_millis;

use super::settings::WebhookTarget;
use crate::store::audit::Row;

const SIGNATURE: &str = "x-beaver-signature";

/// A webhook and the client of its calls.
pub(crate) struct Webhook {
    pub(super) target: WebhookTarget,
    pub(super) client: reqwest::Client,
}

#[derive(Serialize)]
struct Delivery<'a> {
    version: u8,
    entries: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: i64,
    at: String,
    actor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_name: Option<&'a str>,
    action: &'a str,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Webhook {
    /// Anything but a 2xx is a failure. What the receiver answers is not read: it would end in a page.
    pub(super) async fn send(&self, entries: &[Row], now_s: i64) -> Result<(), String> {
        let body = body(entries)?;
        let answer = self
            .client
            .post(self.target.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE, signature(self.target.secret.expose(), now_s, &body))
            .body(body)
            .send()
            .await
            .map_err(|error| reason(&error))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("the receiver answered {}", status.as_u16())) }
    }
}

/// Without the address, which may have a secret in it.
fn reason(error: &reqwest::Error) -> String {
    let what = if error.is_connect() {
        "no connection to the receiver"
    } else if error.is_timeout() {
        "the receiver did not answer in time"
    } else {
        "the connection to the receiver broke"
    };
    what.to_owned()
}

fn body(entries: &[Row]) -> Result<String, String> {
    let entries = entries
        .iter()
        .map(|row| Item {
            id: row.id,
            at: from_millis(row.at).to_string(),
            actor: &row.actor,
            actor_name: row.actor_name.as_deref(),
            action: &row.action,
            target: &row.target,
            target_name: row.target_name.as_deref(),
            address: row.address.as_deref(),
            request_id: row.request_id.as_deref(),
        })
        .collect();
    serde_json::to_string(&Delivery { version: 1, entries }).map_err(|error| error.to_string())
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 over the seconds since 1970, a dot, and the body. The time is part of it, so that
/// an old delivery cannot be passed off as a new one.
fn signature(secret: &str, now_s: i64, body: &str) -> String {
    use std::fmt::Write as _;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{now_s}.{body}").as_bytes());
    tag.as_ref().iter().fold(format!("t={now_s},v1="), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_another_implementation() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature("key", 1_700_000_000, "{}"), expected);
    }
}

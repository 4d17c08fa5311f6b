//! The bytes of a usual request as its instance gets them. The rules are those of
//! [`crate::request::upstream_headers`]; the tests hold one against the other. Pure.

use super::head::Head;
use crate::request::upstream_headers::{
    Facts, append_foreign_cookies, forwarded_for, forwarded_scheme, is_never_passed,
};

/// Room for what the router adds, the assertion above all.
const OURS: usize = 1536;

/// Writes the head and the body, in one piece.
pub(crate) fn write(out: &mut Vec<u8>, head: &Head<'_>, body: &[u8], facts: &Facts<'_>) {
    out.reserve(head.size() + OURS + body.len());
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in head.headers() {
        if name.eq_ignore_ascii_case("cookie") {
            foreign_cookies(out, value);
        } else if !is_never_passed(name) {
            out.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
            end_line(out, value);
        }
    }
    add_ours(out, head, facts);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// The value and the end of a header whose name is written.
fn end_line(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    end_line(out, value);
}

fn foreign_cookies(out: &mut Vec<u8>, value: &[u8]) {
    let mut cookies = Vec::new();
    append_foreign_cookies(&mut cookies, value);
    if !cookies.is_empty() {
        put(out, "cookie", &cookies);
    }
}

fn add_ours(out: &mut Vec<u8>, head: &Head<'_>, facts: &Facts<'_>) {
    let host = facts.host.to_header();
    put(out, "host", host.as_bytes());
    put(out, "x-forwarded-host", host.as_bytes());
    put(out, "x-forwarded-for", forwarded_for(head.forwarded_for.into_iter(), facts).as_bytes());
    put(out, "x-forwarded-proto", forwarded_scheme(head.forwarded_proto, facts).as_bytes());
    put(out, "x-forwarded-port", facts.host.port.unwrap_or(facts.port).to_string().as_bytes());
    put(out, "x-request-id", facts.request_id.as_bytes());
    if let Some(identity) = facts.identity {
        out.extend_from_slice(identity.lines());
    }
}

#[cfg(test)]
#[path = "to_instance_tests.rs"]
mod tests;

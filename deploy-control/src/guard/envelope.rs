//! What is around a call: how its body is delimited, where it says that it goes, and whether it wants to become
//! another protocol. Whatever two readers could understand in two ways is refused (RFC 9112, section 11.2), though
//! Docker is never sent the caller's bytes: nothing of Beaver's asks in such a way.

use http::header::{TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;

use super::policy::Refusal;

/// Checks the head of a request, beside its path and query.
pub(super) fn check_envelope(head: &Parts) -> Result<(), Refusal> {
    if head.uri.authority().is_some() {
        return Err(Refusal::new("the request must name a path and not a host"));
    }
    // With a length beside it, the library has already dropped that; two lengths that differ it refuses itself.
    if head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refusal::new("a body must be delimited by its Content-Length"));
    }
    if head.headers.contains_key(UPGRADE) {
        return Err(Refusal::new("no connection is upgraded"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let verdict = |target: &str, headers: &[(&str, &str)]| {
            let mut request = http::Request::builder().uri(target);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            check_envelope(&request.body(()).expect("a request").into_parts().0)
        };
        assert_eq!(verdict("/_ping", &[("host", "docker"), ("content-length", "2")]), Ok(()));
        assert!(verdict("http://docker/_ping", &[]).is_err());
        assert!(verdict("/_ping", &[("transfer-encoding", "chunked")]).is_err());
        assert!(verdict("/_ping", &[("upgrade", "h2c")]).is_err());
    }
}

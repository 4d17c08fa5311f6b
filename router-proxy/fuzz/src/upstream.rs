//! The part of `upstream` that makes the request's body; the connections are replaced.

#[path = "../../src/upstream/body.rs"]
#[allow(dead_code, reason = "the service uses the rest")]
mod body;

pub(crate) use body::UploadBody;

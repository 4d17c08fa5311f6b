//! The part of `fast_path` that makes the bytes for an instance; what talks to sockets is left out.

#[path = "../../src/fast_path/head.rs"]
#[allow(dead_code, reason = "the service uses the rest")]
pub(crate) mod head;
#[path = "../../src/fast_path/to_instance.rs"]
pub(crate) mod to_instance;

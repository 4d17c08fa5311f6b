//! A whole exchange without sockets: the input is what a client sends. Whatever reaches an instance must be what the
//! strict reader finds in the input, request by request.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// Nobody counts use here.
mod activity {
    #[derive(Debug)]
    pub(crate) struct Meter;

    impl Meter {
        pub(crate) fn touch(&self) {}
    }
}
#[path = "../src/compare.rs"]
mod compare;
#[path = "../../src/error.rs"]
#[allow(dead_code, reason = "the service uses the rest")]
mod error;
#[path = "../src/exchange.rs"]
mod exchange;
#[path = "../src/fast_path.rs"]
mod fast_path;
#[path = "../../src/guard/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the service uses the rest")]
mod guard;
#[path = "../../src/limits.rs"]
#[allow(dead_code, reason = "the service uses the rest")]
mod limits;
#[path = "../src/messages.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod messages;
#[path = "../../src/request/mod.rs"]
#[allow(dead_code, reason = "the service uses the rest")]
mod request;
#[path = "../src/strict.rs"]
mod strict;
#[path = "../src/upstream.rs"]
mod upstream;

use guard::framing;

fuzz_target!(|input: &[u8]| {
    if let Err(fault) = exchange::agree(input) {
        panic!("{fault}");
    }
});

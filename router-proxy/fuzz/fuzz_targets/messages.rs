//! The guard alone: the input is a byte that says how it is cut, and a stream of requests. However it is cut the
//! messages must be the same, and the strict reader must find the same ones.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/guard/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other target and the service use the rest")]
mod guard;
#[path = "../../src/limits.rs"]
#[allow(dead_code, reason = "the service uses the rest")]
mod limits;
#[path = "../src/messages.rs"]
mod messages;
#[path = "../src/strict.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod strict;

use guard::framing;

fuzz_target!(|data: &[u8]| {
    let Some((cut, input)) = data.split_first() else { return };
    let whole = match messages::agree(input) {
        Ok(followed) => followed,
        Err(fault) => panic!("{fault}"),
    };
    let pieces = [usize::from(cut >> 4) + 1, usize::from(cut & 15) * 97 + 1];
    assert_eq!(whole, messages::follow(input, &pieces), "cut into {pieces:?}");
});

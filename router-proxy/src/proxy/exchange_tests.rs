//! Whole exchanges at random, without sockets: what an instance gets is what a strict reader finds in the client's
//! bytes, by method, target, host, headers and body. `fuzz/` holds the same against what a coverage-guided fuzzer
//! finds.

use proptest::prelude::*;

use crate::guard::property_tests::{Text, cases, changed_stream, messages, stream, strict};
use crate::{fast_path, guard, limits, request, upstream};

#[path = "../../fuzz/src/compare.rs"]
mod compare;
#[path = "../../fuzz/src/exchange.rs"]
mod exchange;

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_right_request_reaches_the_instance(requests in stream()) {
        let input: Vec<u8> = requests.concat().concat();
        let sent = exchange::agree(&input);
        // Only OPTIONS may ask for the server as a whole.
        let is_refused = requests[0].concat().windows(3).any(|w| w == b" * ") && requests[0][0] != b"OPTIONS";
        prop_assert!(matches!(sent, Ok(count) if count > 0 || is_refused), "{:?} of {:?}", sent, Text(input));
    }

    #[test]
    fn an_instance_gets_what_the_client_asked_for(Text(input) in changed_stream()) {
        let sent = exchange::agree(&input);
        prop_assert!(sent.is_ok(), "{:?}", sent);
    }
}

#!/usr/bin/env bash
# Searches for a request that the router and an instance could read in two ways, led by the code that each input
# reaches. For developers; run by hand.
#
# Usage: fuzz-router.sh [SECONDS] [--help]
#
#   SECONDS   how long each of the two targets runs: the messages in a stream and a whole exchange (default 60)
#
# Needs a C++ compiler, and no other Rust than the project's own. What was learned stays in
# router-proxy/fuzz/corpus/; an input that breaks the rules is kept in router-proxy/fuzz/artifacts/ and ends the
# run with its name. `cargo fuzz run messages` works too, where cargo-fuzz and a nightly Rust are installed.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/fuzz.sh
source "$CHECKOUT/scripts/lib/fuzz.sh"

fuzz_seconds "$@"
fuzz router-proxy messages exchange

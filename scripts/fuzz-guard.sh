#!/usr/bin/env bash
# Searches for a request that docker-guard lets through and should not, led by the code that each input reaches.
# For developers; run by hand.
#
# Usage: fuzz-guard.sh [SECONDS] [--help]
#
#   SECONDS   how long each of the two targets runs: the body of a container and the request line (default 60)
#
# Needs a C++ compiler, and no other Rust than the project's own. What was learned stays in
# deploy-control/fuzz/corpus/; an input that breaks the rules is kept in deploy-control/fuzz/artifacts/ and ends
# the run with its name. `cargo fuzz run body` works too, where cargo-fuzz and a nightly Rust are installed.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/fuzz.sh
source "$CHECKOUT/scripts/lib/fuzz.sh"

fuzz_seconds "$@"
fuzz deploy-control body line

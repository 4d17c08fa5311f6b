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

seconds=60
case "${1:-}" in
  '') ;;
  -h | --help) show_help ;;
  *) [[ $1 =~ ^[1-9][0-9]*$ ]] || die_usage "\"$1\" is no number of seconds"; seconds="$1" ;;
esac
command -v c++ >/dev/null || die "a C++ compiler is missing: libFuzzer is built from source"
fuzz="$CHECKOUT/deploy-control/fuzz"
cd "$fuzz"
# What the targets stand on is not instrumented, so the workspace's own builds of it serve.
export CARGO_TARGET_DIR="$CHECKOUT/target"
# Counters, edges and comparisons, in the target's own crate alone; all of it is in a stable compiler.
instrument=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1)
for target in body line; do
  step "Building the target $target"
  cargo rustc --bin "$target" -- "${instrument[@]}"
  step "Fuzzing the target $target for $seconds s"
  mkdir -p "corpus/$target" "artifacts/$target"
  "$CARGO_TARGET_DIR/debug/$target" "corpus/$target" "seeds/$target" -max_total_time="$seconds" -max_len=8192 \
    -timeout=10 -print_final_stats=1 -artifact_prefix="artifacts/$target/" ||
    die "an input breaks the rules, see deploy-control/fuzz/artifacts/$target/"
done
ok "no input broke the rules"

# shellcheck shell=bash
# What the two fuzzers' scripts share: how a target is built on the project's own Rust, and how it runs. Sourced
# after lib.sh.
#
# Must stay true: an input that breaks the rules ends the run with a failure and is kept.

# fuzz_seconds [SECONDS|--help]: sets FUZZ_SECONDS.
fuzz_seconds() {
  FUZZ_SECONDS=60
  case "${1:-}" in
    '') ;;
    -h | --help) show_help ;;
    *) [[ $1 =~ ^[1-9][0-9]*$ ]] || die_usage "\"$1\" is no number of seconds"; FUZZ_SECONDS="$1" ;;
  esac
}

# fuzz CRATE TARGET...: runs each target of CRATE/fuzz for FUZZ_SECONDS.
fuzz() {
  local crate="$1" target instrument
  shift
  command -v c++ >/dev/null || die "a C++ compiler is missing: libFuzzer is built from source"
  cd "$CHECKOUT/$crate/fuzz" || die "there is no $crate/fuzz"
  # What the targets stand on is not instrumented, so the workspace's own builds of it serve.
  export CARGO_TARGET_DIR="$CHECKOUT/target"
  # Counters, edges and comparisons, in the target's own crate alone; all of it is in a stable compiler.
  instrument=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1)
  for target in "$@"; do
    step "Building the target $target"
    cargo rustc --bin "$target" -- "${instrument[@]}"
    step "Fuzzing the target $target for $FUZZ_SECONDS s"
    mkdir -p "corpus/$target" "artifacts/$target"
    "$CARGO_TARGET_DIR/debug/$target" "corpus/$target" "seeds/$target" -max_total_time="$FUZZ_SECONDS" -max_len=8192 \
      -timeout=10 -print_final_stats=1 -artifact_prefix="artifacts/$target/" ||
      die "an input breaks the rules, see $crate/fuzz/artifacts/$target/"
  done
  ok "no input broke the rules"
}

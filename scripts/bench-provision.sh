#!/usr/bin/env bash
# Measures what deploy-control adds to Docker, beside bare Docker in the same run, and prints medians and ratios.
#
# Usage: bench-provision.sh [signup | burst | wake | restart | all] [--rounds N] [--at-once N] [--instances N] [--help]
#
#   signup    sign-up to ready, one at a time, beside `docker create` + `start` of the same image and limits
#   burst     many sign-ups at once, beside bare Docker at the same parallelism (as many at once as deploy-control
#             works on, and all at once)
#   wake      from the request for a sleeping instance to the first byte of its answer, through the router, beside
#             `docker start`
#   restart   deploy-control started with many instances on record: time until it is reconciled, steady use of the
#             processor, memory. Builds what it needs, in an installation of its own
#   all       all of them (default)
#
#   --rounds N      rounds of signup and wake, default 20
#   --at-once N     sign-ups of the burst, default 50
#   --instances N   instances on record for restart, default 1000
#
# signup, burst and wake work on a running installation (BEAVER_ENV_FILE) with throw-away users, whose instances
# they remove again. Both sides speak HTTP through curl, so that neither pays for a client program that the other
# does not start. Needs root, for the Docker socket.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"
# shellcheck source=lib/bench.sh
source "$CHECKOUT/scripts/lib/bench.sh"

# As many instances as deploy-control works on at once.
PARALLEL=4

rounds=20 at_once=50 instances=1000 what=all
number() { # OPTION VALUE
  [[ ${2:-} =~ ^[1-9][0-9]{0,3}$ ]] || die_usage "$1 needs a number from 1 to 9999"
}
while [[ $# -gt 0 ]]; do
  case "$1" in
    --rounds) number "$1" "${2:-}"; rounds="$2"; shift ;;
    --at-once) number "$1" "${2:-}"; at_once="$2"; shift ;;
    --instances) number "$1" "${2:-}"; instances="$2"; shift ;;
    signup | burst | wake | restart | all) what="$1" ;;
    -h | --help) show_help ;;
    *) die_usage "unknown option $1" ;;
  esac
  shift
done
require_root "$@"

bench_signup() {
  local round body ours=() theirs=()
  step "Sign-up to ready, one at a time"
  register 0
  body="$(bare_body "$RUN-0")"
  bare 0 "$body"
  for ((round = 1; round <= rounds; round++)); do
    register "$round"
    ours+=("$TOOK")
    bare "$round" "$body"
    theirs+=("$TOOK")
    say "round $round: sign-up to ready $((ours[-1] / 1000)) ms, docker create + start $((theirs[-1] / 1000)) ms"
  done
  compare "sign-up to ready" "$(median "${ours[@]}")" "docker create + start" "$(median "${theirs[@]}")" "median of $rounds"
}

# Each line of the file is `id` where a sign-up became ready.
burst_of_signups() {
  local started i
  started="$(now)"
  for ((i = 1; i <= at_once; i++)); do
    (register "burst-$i" && printf '%s\n' "${MADE[-1]}") >"$FOLDER/made-$i" 2>"$FOLDER/error-$i" &
  done
  wait
  TOOK=$(($(now) - started))
  for ((i = 1; i <= at_once; i++)); do
    [[ ! -s $FOLDER/made-$i ]] || MADE+=("$(<"$FOLDER/made-$i")")
  done
  READY="$(cat "$FOLDER"/made-* | grep -c .)" || READY=0
  [[ $READY -eq $at_once ]] || warn "$((at_once - READY)) failed: $(cat "$FOLDER"/error-* | head -n 1)"
}

# burst_of_bare NAME PARALLEL BODY: so many at once, each worker one after another.
burst_of_bare() {
  local name="$1" parallel="$2" body="$3" started worker before="${#BARE[@]}"
  started="$(now)"
  for ((worker = 0; worker < parallel; worker++)); do
    (
      for ((i = worker; i < at_once; i += parallel)); do
        bare "$name-$i" "$body"
        printf '%s\n' "${BARE[-1]}"
      done
    ) >"$FOLDER/bare-$name-$worker" &
  done
  wait
  TOOK=$(($(now) - started))
  mapfile -t -O "$before" BARE < <(cat "$FOLDER/bare-$name-"*)
  [[ $((${#BARE[@]} - before)) -eq $at_once ]] || die "of $at_once bare containers $((${#BARE[@]} - before)) came up"
}

bench_burst() {
  local body ours same
  step "$at_once sign-ups at once"
  register burst-0
  body="$(bare_body "$RUN-burst-0")"
  burst_of_signups
  ours="$TOOK"
  say "ready: $READY of $at_once"
  remove_made
  burst_of_bare same "$PARALLEL" "$body"
  same="$TOOK"
  remove_bare
  burst_of_bare all "$at_once" "$body"
  remove_bare
  throughput "sign-ups" "$READY" "$ours" "bare Docker, $PARALLEL at once" "$at_once" "$same"
  throughput "sign-ups" "$READY" "$ours" "bare Docker, $at_once at once" "$at_once" "$TOOK"
}

bench_wake() {
  local round body id ours=() theirs=() median_ours median_theirs
  step "Wake of a sleeping instance to its first byte"
  sign_in_visitor
  body="$(bare_body "$VISITOR")"
  bare wake "$body"
  id="${BARE[-1]}"
  for ((round = 1; round <= rounds; round++)); do
    act_and_wait "$VISITOR_INSTANCE" sleep
    visit
    ours+=("$TOOK")
    docker_api POST "/containers/$id/stop?t=1"
    start_bare "$id"
    theirs+=("$TOOK")
    say "round $round: wake to first byte $((ours[-1] / 1000)) ms, docker start $((theirs[-1] / 1000)) ms"
  done
  median_ours="$(median "${ours[@]}")" median_theirs="$(median "${theirs[@]}")"
  compare "wake to first byte" "$median_ours" "docker start" "$median_theirs" "median of $rounds"
  awk -v ours="$median_ours" -v theirs="$median_theirs" \
    'BEGIN { printf "more than docker start:   %+7.1f ms\n", (ours - theirs) / 1000 }'
}

bench_restart() {
  local target_dir host
  # shellcheck source=lib/prerequisites.sh
  source "$CHECKOUT/scripts/lib/prerequisites.sh"
  step "deploy-control started with $instances instances on record"
  "$CHECKOUT/scripts/build-images.sh" --binaries
  target_dir="${CARGO_TARGET_DIR:-$CHECKOUT/target}"
  host="$("${BUILDER[@]}" rustc -vV | sed -n 's/^host: //p')"
  # What is measured are the binaries that are shipped; this one only prepares and watches.
  (cd "$CHECKOUT" && "${BUILDER[@]}" env CARGO_TARGET_DIR="$target_dir" SQLX_OFFLINE=true \
    cargo build --locked --quiet -p deploy-control --example bench_restart)
  "$target_dir/debug/examples/bench_restart" "$target_dir/$host/release" "$instances" \
    "${BEAVER_INSTANCE_IMAGE:-beaver/app-instance:latest}"
}

require_docker
if [[ $what != restart ]]; then
  load_env
  begin_bench
elif [[ -e $ENV_FILE ]]; then
  # For the name of the app's image alone.
  load_env
fi
case "$what" in
  all) bench_signup; bench_burst; bench_wake; bench_restart ;;
  *) "bench_$what" ;;
esac

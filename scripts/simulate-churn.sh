#!/usr/bin/env bash
# Sends many requests through a router whose routes change under them in every way they can, and asserts that none
# reaches a container that its slug does not own. For developers; run by hand.
#
# Usage: simulate-churn.sh [REQUESTS] [--help]
#
#   REQUESTS   how many requests are sent (default 1000000)
#
# The router's tests do the same with fewer. It prints how far it is every few seconds, and in the end requests, changes
# of routes, address reuses, tunnels closed, wrong answers and the duration; the exit code is 0 only if no answer was
# wrong. Needs no Docker: router, neighbours and containers are in one process, on addresses from 127.0.2.1.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

requests=1000000
case "${1:-}" in
  '') ;;
  -h | --help) show_help ;;
  *) [[ $1 =~ ^[1-9][0-9]*$ ]] || die_usage "\"$1\" is no number of requests"; requests="$1" ;;
esac
cd "$CHECKOUT"
step "Building the router and its tests for release"
cargo test --release --quiet --package router-proxy --test api --no-run
step "Sending $requests requests while routes change"
BEAVER_CHURN_REQUESTS="$requests" cargo test --release --quiet --package router-proxy --test api -- --nocapture \
  --exact churn::no_request_reaches_a_container_that_its_slug_does_not_own ||
  die "see above: a request or an answer went wrong, or there was too little of something to tell"
ok "no request reached a container that its slug does not own"

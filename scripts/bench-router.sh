#!/usr/bin/env bash
# Measures what a request costs through router-proxy, beside nginx, haproxy and caddy on the same core, with the same
# upstream and the same requests, in turn, and prints medians and ratios to nginx.
#
# Usage: bench-router.sh [--rounds N] [--seconds N] [--hosts N] [--help]
#
#   --rounds N    rounds, each with every proxy once, default 5
#   --seconds N   load a proxy and round, default 5
#   --hosts N     host names, each with an upstream address of its own, default 1000
#
# The router checks a session, tells the instance who is there, counts, and writes its access log; the others do none
# of that. 64 connections that stay open. Processor time is what the kernel has counted for the proxy's threads. The
# proxies share core 0; load and upstream have another. The router is the release build. Installs nginx, haproxy,
# caddy, wrk and strace from Debian's packages where they are missing; leaves nothing running.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"
# shellcheck source=lib/bench-router.sh
source "$CHECKOUT/scripts/lib/bench-router.sh"

rounds=5 seconds=5 hosts=1000
number() { # OPTION VALUE
  [[ ${2:-} =~ ^[1-9][0-9]{0,4}$ ]] || die_usage "$1 needs a number from 1 to 99999"
}
while [[ $# -gt 0 ]]; do
  case "$1" in
    --rounds) number "$1" "${2:-}"; rounds="$2"; shift ;;
    --seconds) number "$1" "${2:-}"; seconds="$2"; shift ;;
    --hosts) number "$1" "${2:-}"; hosts="$2"; shift ;;
    -h | --help) show_help ;;
    *) die_usage "unknown option $1" ;;
  esac
  shift
done
require_root "$@"
[[ $(nproc) -ge 2 ]] || die "two cores are needed: one for the proxy, one for load and upstream"

find_missing_peers() {
  want_command nginx nginx
  want_command haproxy haproxy
  want_command caddy caddy
  want_command wrk wrk
  want_command strace strace
}
meet_prerequisites find_missing_build find_missing_peers

begin_bench
start_neighbours "$hosts"
for proxy in "${PROXIES[@]}"; do
  "start_$proxy"
  until_it_serves "$proxy"
done
tell_neighbours "sign-in 127.0.0.1:$(port_of router)"
step "$rounds rounds of $seconds s each"
for ((round = 1; round <= rounds; round++)); do
  for proxy in "${PROXIES[@]}"; do measure "$proxy" "$seconds"; done
  say "round $round: $(for proxy in "${PROXIES[@]}"; do printf '%s %.1f us  ' "$proxy" "$(last "$proxy" cpu)"; done)"
done
step "System calls, through strace"
for proxy in "${PROXIES[@]}"; do count_syscalls "$proxy" 3; done
print_table

step "10,000 routes"
tell_neighbours "routes 10000"
sleep_until_known 10000
for ((round = 1; round <= 5; round++)); do
  tell_neighbours "served-after 127.0.0.1:$(port_of router)"
  record fresh served "${REPLY#served-after }"
done
printf 'memory with 10,000 routes:     %6.1f MB (target: under 50)\n' "$(memory_of router)"
printf 'a new route is served after:   %6.1f ms (median of 5; target: within 50)\n' "$(median_of fresh served)"

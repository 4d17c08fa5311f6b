#!/usr/bin/env bash
# Sends the same doubtful and malformed requests to router-proxy, nginx and haproxy, and prints what each answers and
# how many requests reach the upstream behind it. For developers; run by hand.
#
# Usage: compare-proxies.sh [--help]
#
# A cell is `STATUS... -> REQUESTS`, with `?` where a strict reader has doubts about what reached the upstream. The exit
# code is 0 only if all that the router sent on is, for that reader, what the client asked, and nothing of it is
# something that both others keep back. Installs nginx and haproxy from Debian's packages where they are missing; leaves
# nothing running.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"
# shellcheck source=lib/probe-router.sh
source "$CHECKOUT/scripts/lib/probe-router.sh"

case "${1:-}" in
  '') ;;
  -h | --help) show_help ;;
  *) die_usage "unknown option $1" ;;
esac

find_missing_peers() {
  want_command nginx nginx
  want_command haproxy haproxy
}
meet_prerequisites find_missing_build find_missing_peers
begin_probe
build_probe
start_nginx
start_haproxy
step "Asking $(nginx -v 2>&1 | sed 's/.*: //'), haproxy/$(haproxy -v | awk 'NR == 1 { print $3 }') and the router"
peers=()
for peer in nginx haproxy; do peers+=("$peer=$(peer_address "$peer"),$(peer_upstream "$peer")"); done
"$PROBE" compare "$ROUTER" "${peers[@]}" || die "see the faults above"
ok "the router is never laxer than both, and sends on what was asked"

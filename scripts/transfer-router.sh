#!/usr/bin/env bash
# Sends a large body through router-proxy in each direction and prints the memory that it holds before, at most, and
# after. For developers; run by hand.
#
# Usage: transfer-router.sh [MEGABYTES] [--help]
#
#   MEGABYTES   size of each of the two bodies (default 4096)
#
# The bodies are made and thrown away in memory: nothing is written to disk. The exit code is 0 only if both arrived
# whole and took at most 16 MB more than bodies of one megabyte. The router is the release build.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"
# shellcheck source=lib/probe-router.sh
source "$CHECKOUT/scripts/lib/probe-router.sh"

megabytes=4096
case "${1:-}" in
  '') ;;
  -h | --help) show_help ;;
  *) [[ $1 =~ ^[1-9][0-9]{0,5}$ ]] || die_usage "\"$1\" is no number of megabytes"; megabytes="$1" ;;
esac
meet_prerequisites find_missing_build
begin_probe
build_probe
step "$megabytes MB up, then down"
"$PROBE" transfer "$ROUTER" "$megabytes" || die "a body did not arrive whole, or took memory"
ok "both arrived whole, in constant memory"

#!/usr/bin/env bash
# Keeps many connections idle at a router-proxy that it starts, then attacks it with slowhttptest's slow heads, slow
# bodies and slow readers, and prints what it holds meanwhile and how ordinary requests fare. For developers; by hand.
#
# Usage: attack-router.sh [--connections N] [--seconds N] [--help]
#
#   --connections N   idle connections, default 10000, at most 50000
#   --seconds N       how long each of the three attacks lasts, default 20, at most 300
#
# Each attack has 500 connections. All of it goes to this machine, and only to the router that was started here (the
# release build). The exit code is 0 only if every ordinary request, to another instance, was answered within two
# seconds, the descriptors came back to where they were, and the attacks took at most 20 MB more than the allocator
# keeps after the idle connections, which come three times. Installs slowhttptest from Debian's package where it is missing.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"
# shellcheck source=lib/probe-router.sh
source "$CHECKOUT/scripts/lib/probe-router.sh"

connections=10000 seconds=20
number() { # OPTION VALUE MOST
  [[ ${2:-} =~ ^[1-9][0-9]{0,4}$ && $2 -le $3 ]] || die_usage "$1 needs a number from 1 to $3"
}
while [[ $# -gt 0 ]]; do
  case "$1" in
    --connections) number "$1" "${2:-}" 50000; connections="$2"; shift ;;
    --seconds) number "$1" "${2:-}" 300; seconds="$2"; shift ;;
    -h | --help) show_help ;;
    *) die_usage "unknown option $1" ;;
  esac
  shift
done

find_missing_attack() {
  want_command slowhttptest slowhttptest
}
meet_prerequisites find_missing_build find_missing_attack
begin_probe
build_probe
# Both ends of every connection, and what else is open.
ulimit -n $((connections + 4096)) || die "so many descriptors are not allowed here: run this with sudo"
step "$connections idle connections, then three attacks of $seconds s"
"$PROBE" attack "$ROUTER" "$connections" "$seconds" || die "an ordinary request had to wait, or something stayed behind"
ok "ordinary requests were answered, and every connection was given back"

#!/usr/bin/env bash
# Puts a new router in the place of the one that runs, without a refused connection or a lost request.
#
# Usage: replace-router.sh [--help]
#
# The new one is of the image that beaver/router-proxy:<BEAVER_IMAGE_TAG> names now, with the settings that scripts/up.sh
# wrote last. What is open is answered by the old one, for at most 30 s; WebSockets and event streams end, and their
# clients connect again. Where the new one does not get ready, the old one goes on. scripts/up.sh does the same when the
# router's image or settings have changed.
#
# Needs root. Honours BEAVER_ENV_FILE (default: .env in the checkout).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"
# shellcheck source=lib/health.sh
source "$CHECKOUT/scripts/lib/health.sh"
# shellcheck source=lib/router.sh
source "$CHECKOUT/scripts/lib/router.sh"

case "${1:-}" in
  '') ;;
  -h | --help) show_help ;;
  *) die_usage "unknown option $1" ;;
esac
require_root "$@"
require_docker
load_env
if [[ $(router_state "$BEAVER_PROXY_CONTAINER_NAME") != running && $(router_state "$(interim_router)") != running ]]; then
  die "no router runs whose place could be taken: start it with scripts/up.sh"
fi
step "Replacing the router"
replace_router || die "nothing was changed"
wait_ready router-proxy

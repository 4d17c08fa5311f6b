#!/usr/bin/env bash
# Makes the code with which the first administrator is made at the portal: it works once, for 72 hours.
#
# Usage: first-admin.sh [--help]
#
# Prints the code; one that was made before is void. Once there was an administrator no code is made any more, and
# scripts/make-admin.sh makes others. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

case "${1:-}" in
  '') ;;
  -h | --help) show_help ;;
  *) die_usage "unknown option $1" ;;
esac
load_env
authz_api POST /internal/setup-code
expect_status "no code was made" 201
printf 'code: %s\n' "$(json_field code)"
printf 'until: %s\n' "$(json_field expires_at)"
say "make the first administrator with it at $PORTAL_PUBLIC_URL/setup"

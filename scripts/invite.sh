#!/usr/bin/env bash
# Makes an invite for one person to sign up with: it works once, for 72 hours.
#
# Usage: invite.sh [--help]
#
# Prints the code, which the sign-up page asks for where BEAVER_REGISTRATION is `invite`. Honours BEAVER_ENV_FILE.
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
authz_api POST /internal/invites
expect_status "no invite was made" 201
printf 'code: %s\n' "$(json_field code)"
printf 'until: %s\n' "$(json_field expires_at)"
say "sign up with it at $PORTAL_PUBLIC_URL/register"

#!/usr/bin/env bash
# Makes an account an administrator's, or takes that from it again.
#
# Usage: make-admin.sh NAME [--revoke] [--help]
#
#   --revoke   from the next request on, NAME is a user like any other
#
# Administrators see every instance at the portal's /admin and act on each. Without a second factor they are asked to
# set one up first (BEAVER_ADMIN_SECOND_FACTOR). Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' role=admin
while [[ $# -gt 0 ]]; do
  case "$1" in
    --revoke) role=user ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which account?"
load_env
resolve_account "$name"
authz_api POST "/internal/accounts/$ACCOUNT_ID/role" "$(json_object role "$role")"
expect_status "the role of $name was not changed" 204
if [[ $role == admin ]]; then
  ok "$name is an administrator: $PORTAL_PUBLIC_URL/admin"
else
  ok "$name is no administrator any more"
fi

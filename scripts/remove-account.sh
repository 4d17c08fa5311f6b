#!/usr/bin/env bash
# Removes an account for good, and its instance with ALL ITS DATA, also data that was kept of an instance before.
#
# Usage: remove-account.sh NAME [--yes] [--help]
#
#   --yes     does not ask
#
# The account is gone at once; the instance follows as soon as deploy-control can be reached. To keep the account and
# remove the instance alone: scripts/remove-instance.sh. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' yes=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --yes) yes=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which account?"
load_env
resolve_account "$name"
if [[ -z $yes ]]; then
  confirm "This removes the account $name ($(json_field accounts.0.email)); ALL ITS DATA IS LOST FOR GOOD." ||
    die "nothing was changed"
fi
authz_api DELETE "/internal/accounts/$ACCOUNT_ID"
expect_status "$name was not removed" 204
ok "the account $name is gone; its instance is on its way out (scripts/list-instances.sh)"

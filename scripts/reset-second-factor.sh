#!/usr/bin/env bash
# Takes the second factor of an account away, for a person who has lost phone and recovery codes.
#
# Usage: reset-second-factor.sh NAME [--yes] [--help]
#
#   --yes   do not ask
#
# Make sure that it is really the person who asks: afterwards the password alone signs in. Every session of the
# account ends, and it is in the audit log. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' sure=no
while [[ $# -gt 0 ]]; do
  case "$1" in
    --yes) sure=yes ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which account?"
load_env
resolve_account "$name"
if [[ $sure == no ]]; then
  confirm "Afterwards $name signs in with the password alone." || die "nothing was changed"
fi
authz_api DELETE "/internal/accounts/$ACCOUNT_ID/second-factor"
expect_status "the second factor of $name was not taken away" 204
ok "$name signs in with the password alone now, and was signed out everywhere"

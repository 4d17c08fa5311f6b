#!/usr/bin/env bash
# Makes a link with which one person sets a new password: for whoever has forgotten theirs and gets no mail.
#
# Usage: reset-password.sh NAME [--help]
#
# Prints the link, which works once, for 30 minutes; one that was made before is void. Hand it over on a way that you
# trust: whoever opens it has the account. With the new password every session of the account ends. Honours
# BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "whose password?"
load_env
resolve_account "$name"
authz_api POST "/internal/accounts/$ACCOUNT_ID/reset-link"
expect_status "no link was made" 201
printf 'link: %s\n' "$(json_field url)"
printf 'until: %s\n' "$(json_field expires_at)"

#!/usr/bin/env bash
# Shuts an account out, or lets it in again. Sessions, API keys and what is open end at once; the instance stays.
#
# Usage: suspend-account.sh NAME --reason TEXT [--help]
#        suspend-account.sh NAME --lift
#
#   --reason   why: one line of at most 200 characters; the person reads it when they sign in
#   --lift     lets NAME sign in again
#
# Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' reason='' lift=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --reason) [[ $# -gt 1 ]] || die_usage "--reason needs a text"; reason="$2"; shift ;;
    --lift) lift=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which account?"
[[ -n $lift || -n $reason ]] || die_usage "why? (--reason TEXT)"
[[ -z $lift || -z $reason ]] || die_usage "either --reason or --lift"
load_env
resolve_account "$name"
if [[ -n $lift ]]; then
  authz_api POST "/internal/accounts/$ACCOUNT_ID/lift"
  expect_status "$name was not let in again" 204
  ok "$name may sign in again"
else
  authz_api POST "/internal/accounts/$ACCOUNT_ID/suspend" "$(json_object reason "$reason")"
  expect_status "$name was not suspended" 204
  ok "$name is suspended, and signed out everywhere"
fi

#!/usr/bin/env bash
# Makes an account and its instance, whatever the registration mode, and waits until the instance is ready.
#
# Usage: create-instance.sh NAME [--email ADDRESS] [--password-stdin] [--help]
#
#   NAME               the user name, and the first label of the instance's host name
#   --email ADDRESS    the person's e-mail address
#   --password-stdin   take the password from standard input (one line); without it one is made and shown once
#
# Prints the instance's address and, where one was made, the password. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

READY_SECONDS=180

name='' email='' password='' from_stdin=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --email) [[ $# -ge 2 ]] || die_usage "--email needs an address"; email="$2"; shift ;;
    --password-stdin) from_stdin=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which name?"
load_env
if [[ -n $from_stdin ]]; then
  IFS= read -r password || true
  [[ -n $password ]] || die "there was no password on standard input"
fi

step "Making the account $name"
authz_api POST /internal/accounts "$(json_object username "$name" email "$email" password "$password")"
expect_status "the account was not made" 201
username="$(json_field username)"
made_password="$(json_field password)"
# Shown before anything else can fail: nobody can show it again.
[[ -z $made_password ]] || printf 'password: %s\n' "$made_password"

step "Waiting for its instance"
deadline=$((SECONDS + READY_SECONDS)) shown=''
while :; do
  deploy_api POST /api/instances/resolve "{\"username\":$(json_string "$username"),\"wake\":false}"
  case "$HTTP_STATUS" in
    200) state="$(json_field state)" reason="$(json_field reason)" url="$(json_field url)" ;;
    404) state="ordered" reason='' ;;
    *) expect_status "asking for the instance failed" 200 ;;
  esac
  [[ $shown == "$state$reason" ]] || say "$state${reason:+: $reason}"
  shown="$state$reason"
  [[ $state != ready ]] || break
  [[ $state != failed ]] || die "the instance could not be brought up: ${reason:-scripts/logs.sh deploy-control says why}"
  [[ $SECONDS -lt $deadline ]] || die "not ready after $READY_SECONDS s (state $state); it goes on in the background: scripts/list-instances.sh"
  sleep 0.2
done
printf 'url: %s\n' "$url"

#!/usr/bin/env bash
# Makes an account and its instance, whatever the registration mode, and waits until the instance is ready.
#
# Usage: create-instance.sh NAME [--email ADDRESS] [--password-stdin | --existing] [--help]
#
#   NAME               the user name, and the first label of the instance's host name
#   --email ADDRESS    the person's e-mail address
#   --password-stdin   take the password from standard input (one line); without it one is made and shown once
#   --existing         the account is there already: only make its instance
#
# Prints the instance's address and, where one was made, the password. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' email='' password='' from_stdin='' existing=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --email) [[ $# -ge 2 ]] || die_usage "--email needs an address"; email="$2"; shift ;;
    --password-stdin) from_stdin=1 ;;
    --existing) existing=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which name?"
[[ -z $existing || -z $from_stdin$email ]] || die_usage "--existing goes with the name alone"
load_env

make_account() {
  if [[ -n $from_stdin ]]; then
    IFS= read -r password || true
    [[ -n $password ]] || die "there was no password on standard input"
  fi
  step "Making the account $name"
  authz_api POST /internal/accounts "$(json_object username "$name" email "$email" password "$password")"
  expect_status "the account was not made" 201
  user_id="$(json_field user_id)" username="$(json_field username)"
  password="$(json_field password)"
  # Shown before anything else can fail: nobody can show it again.
  [[ -z $password ]] || printf 'password: %s\n' "$password"
}

find_account() {
  [[ $name =~ ^[a-z0-9-]+$ ]] || die_usage "\"$name\" is no user name"
  authz_api GET "/internal/accounts?username=$name"
  expect_status "looking for the account failed" 200
  user_id="$(json_field accounts.0.user_id)" username="$(json_field accounts.0.username)"
  email="$(json_field accounts.0.email)"
  [[ -n $user_id ]] || die "there is no account \"$name\""
}

if [[ -n $existing ]]; then find_account; else make_account; fi
step "Making its instance"
deploy_api POST /api/instances/register "$(json_object user_id "$user_id" username "$username" email "$email")" \
  'Prefer: respond-async'
expect_status "the account is there, but its instance was not made (try again with --existing)" 201 202
url="$(json_field url)" operation="$(json_field operation_id)"
follow_operation "$operation"
ok "$username's instance is ready"
printf 'url: %s\n' "$url"

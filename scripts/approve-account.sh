#!/usr/bin/env bash
# Lets an account in that waits for approval (BEAVER_REGISTRATION=approval), and orders its instance.
#
# Usage: approve-account.sh [NAME] [--help]
#
# Without a name, lists the accounts that wait. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

case "${1:-}" in
  -h | --help) show_help ;;
  -*) die_usage "unknown option $1" ;;
esac
[[ $# -le 1 ]] || die_usage "one name, please"
name="${1:-}"
[[ $name =~ ^[a-z0-9-]*$ ]] || die_usage "\"$name\" is no user name"
load_env
authz_api GET "/internal/accounts?state=pending_approval${name:+&username=$name}"
expect_status "the accounts were not to be had" 200
if [[ -z $name ]]; then
  json_lines | LC_ALL=C awk -F '\t' '
    $1 ~ /\.username$/ { name = $2 }
    $1 ~ /\.email$/ { email = $2 }
    $1 ~ /\.created_at$/ { print name "\t" email "\tsince " $2; count++ }
    END { if (!count) print "(nobody waits)" }'
  exit 0
fi
id="$(json_field accounts.0.user_id)"
[[ -n $id ]] || die "no account \"$name\" waits for approval"
authz_api POST "/internal/accounts/$id/approve"
expect_status "$name was not approved" 204
ok "$name may sign in; the instance is on its way (scripts/list-instances.sh)"

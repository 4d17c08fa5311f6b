#!/usr/bin/env bash
# Lists the instances: name, state, address, owner and, where there is one, the reason for the state.
#
# Usage: list-instances.sh [--state STATE] [--json] [--help]
#
#   --state STATE   only those that are pending, creating, starting, ready, asleep, stopped, failed, deleting
#                   or unknown
#   --json          each page as the API answers it, a line each
#
# Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

state='' json=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --state) [[ $# -ge 2 && $2 =~ ^[a-z]+$ ]] || die_usage "--state needs a state"; state="$2"; shift ;;
    --json) json=1 ;;
    -h | --help) show_help ;;
    *) die_usage "unknown option $1" ;;
  esac
  shift
done
load_env

# One line an instance: slug, state, url, owner, reason, with tabs between.
rows() {
  json_lines | LC_ALL=C awk -F '\t' '
    $1 ~ /^instances\.[0-9]+\.[a-z_]+$/ {
      split($1, path, ".")
      field[path[2], path[3]] = $2
      if (path[2] + 1 > count) count = path[2] + 1
    }
    END {
      for (i = 0; i < count; i++)
        print field[i, "slug"] "\t" field[i, "state"] "\t" field[i, "url"] "\t" \
          field[i, "owner_username"] "\t" field[i, "reason"]
    }'
}

table="NAME"$'\t'"STATE"$'\t'"ADDRESS"$'\t'"OWNER"$'\t'"REASON"$'\n'
after=''
while :; do
  deploy_api GET "/api/instances?limit=500${state:+&state=$state}${after:+&after=$after}"
  expect_status "the list was not to be had" 200
  if [[ -n $json ]]; then
    printf '%s\n' "$HTTP_BODY"
  else
    page="$(rows)"
    [[ -z $page ]] || table+="$page"$'\n'
  fi
  after="$(json_field next)"
  [[ -n $after ]] || break
done
[[ -z $json ]] || exit 0
printf '%s' "$table" | awk -F '\t' '
  { for (i = 1; i <= 5; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
  END {
    for (row = 1; row <= NR; row++) {
      line = ""
      for (i = 1; i < 5; i++) line = line sprintf("%-" width[i] "s  ", cell[row, i])
      line = line cell[row, 5]
      sub(/ +$/, "", line)
      print line
    }
    if (NR == 1) print "(no instances)"
  }'

#!/usr/bin/env bash
# Goes back to an image that an instance ran before. Its data stays as it is, or that of then comes back too.
#
# Usage: rollback.sh NAME [NUMBER] [--with-data] [--yes] [--help]
#        rollback.sh NAME --list [--help]
#
#   NUMBER       the snapshot whose image is gone back to; newest = 1. Without it the image before
#   --list       lists the snapshots: one was taken before each of the last three upgrades and rollbacks
#   --with-data  the data of the snapshot too (without NUMBER: of the newest); the present data becomes a snapshot
#   -y, --yes    does not ask
#
# Where the old image does not come up, everything is as it was. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' number='' list='' data=keep yes=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --list) list=1 ;;
    --with-data) data=restore ;;
    -y | --yes) yes=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *)
      if [[ -z $name ]]; then
        name="$1"
      elif [[ -z $number && $1 =~ ^[1-9][0-9]{0,3}$ ]]; then
        number="$1"
      else
        die_usage "give one name and at most one number from --list, not \"$1\""
      fi
      ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which instance?"
[[ -z $list || -z $number$yes && $data == keep ]] || die_usage "--list goes with the name alone"
load_env
resolve_instance "$name"
id="$(json_field instance_id)"

# Leaves the snapshots in HTTP_BODY, newest first.
ask_snapshots() {
  deploy_api GET "/api/instances/$id/snapshots"
  expect_status "the snapshots of $name were not to be had" 200
}

if [[ -n $list ]]; then
  ask_snapshots
  json_lines | LC_ALL=C awk -F '\t' '
    split($1, path, ".") == 3 && path[1] == "snapshots" { field[path[2], path[3]] = $2; if (path[2] + 1 > n) n = path[2] + 1 }
    END {
      if (n == 0) { print "(no snapshots)"; exit }
      printf "%-8s%-26s%-12s%s\n", "NUMBER", "TAKEN", "SIZE", "IMAGE THAT RAN"
      for (i = 0; i < n; i++)
        printf "%-8d%-26s%-12s%s\n", i + 1, substr(field[i, "taken_at"], 1, 19) "Z", \
          sprintf("%.1f MB", field[i, "bytes"] / 1000000), field[i, "image"]
    }'
  exit 0
fi

body="{\"data\":\"$data\"}" goal="the image before"
if [[ -n $number || $data == restore ]]; then
  ask_snapshots
  generation="$(json_field "snapshots.$((${number:-1} - 1)).generation")"
  [[ -n $generation ]] || die "$name has no snapshot ${number:-1}; scripts/rollback.sh $name --list shows them"
  goal="snapshot ${number:-1} ($(json_field "snapshots.$((${number:-1} - 1)).taken_at"))"
  body="{\"snapshot\":$generation,\"data\":\"$data\"}"
fi
if [[ -z $yes ]]; then
  fate="its data stays as it is"
  [[ $data == keep ]] || fate="ITS DATA OF THEN COMES BACK (what it has now becomes a snapshot)"
  confirm "This restarts $name with the image of $goal; $fate." || die "nothing was changed"
fi
step "Rolling $name back to $goal"
deploy_api POST "/api/instances/$id/rollback" "$body"
expect_status "$name was not rolled back" 202
follow_operation "$(json_field operation_id)"
resolve_instance "$name"
ok "$name runs $(json_field image)"

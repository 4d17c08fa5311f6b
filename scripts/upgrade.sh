#!/usr/bin/env bash
# Upgrades one instance, or all of them, to the image that BEAVER_INSTANCE_IMAGE names now.
#
# Usage: upgrade.sh NAME [--yes] [--help]
#        upgrade.sh --all [--failures N] [--yes] [--help]
#
#   --all          every instance that runs another image, in rings: one, then a tenth, then the rest. It stops once
#                  more than --failures have failed. Ctrl-C ends the watching, not the rollout
#   --failures N   so many may fail and it still goes on (default 0)
#   -y, --yes      does not ask
#
# The data is copied aside first. Requests are held meanwhile. Where the new image does not come up, the old one is
# back with its data. scripts/rollback.sh goes back later. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' all='' failures=0 yes=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --all) all=1 ;;
    --failures) [[ $# -ge 2 && $2 =~ ^[0-9]{1,6}$ ]] || die_usage "--failures needs a number"; failures="$2"; shift ;;
    -y | --yes) yes=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name || -n $all ]] || die_usage "which instance? (or --all)"
[[ -z $name || -z $all ]] || die_usage "either a name or --all"
[[ -n $all || $failures == 0 ]] || die_usage "--failures goes with --all"
load_env

upgrade_one() {
  local id before
  resolve_instance "$name"
  id="$(json_field instance_id)" before="$(json_field image)"
  [[ -n $yes ]] || confirm "This restarts $name with $BEAVER_INSTANCE_IMAGE." || die "nothing was changed"
  step "Upgrading $name"
  deploy_api POST "/api/instances/$id/upgrade"
  expect_status "$name was not upgraded" 202
  follow_operation "$(json_field operation_id)"
  resolve_instance "$name"
  if [[ $(json_field image) == "$before" ]]; then
    ok "$name runs this image already"
  else
    ok "$name runs $(json_field image)"
  fi
}

# Says how far the rollout is, each time that is something new, until it has ended.
follow_rollout() {
  local id="$1" shown='' now state at_work
  while :; do
    deploy_api GET "/api/rollouts/$id"
    expect_status "asking for the rollout failed" 200
    state="$(json_field state)" at_work="$(names_of upgrading returning)"
    now="$(json_field "done") of $(json_field total) done, $(json_field failed) failed, $(json_field skipped) left alone"
    now+="${at_work:+; at work: $at_work}"
    [[ $now == "$shown" ]] || say "$now"
    shown="$now"
    [[ $state == running ]] || break
    sleep 0.5
  done
  explain_rest
  [[ $state == succeeded ]] || die "the rollout $state: $(json_field reason)"
}

# names_of STATE...: those of the rollout that are in one of the states.
names_of() {
  json_lines | LC_ALL=C awk -F '\t' -v wanted=" $* " '
    split($1, path, ".") == 3 && path[1] == "members" { field[path[2], path[3]] = $2; if (path[2] + 1 > n) n = path[2] + 1 }
    END {
      for (i = 0; i < n; i++)
        if (index(wanted, " " field[i, "state"] " ")) { printf "%s%s", sep, field[i, "slug"]; sep = ", " }
    }'
}

# Those that do not run the image now, with the reason.
explain_rest() {
  local line
  while IFS= read -r line; do [[ -z $line ]] || warn "$line"; done < <(
    json_lines | LC_ALL=C awk -F '\t' '
      split($1, path, ".") == 3 && path[1] == "members" { field[path[2], path[3]] = $2; if (path[2] + 1 > n) n = path[2] + 1 }
      END {
        for (i = 0; i < n; i++)
          if (field[i, "state"] == "failed" || field[i, "state"] == "skipped")
            print field[i, "slug"] ": " field[i, "state"] ": " field[i, "reason"]
      }'
  )
}

upgrade_all() {
  local id
  [[ -n $yes ]] ||
    confirm "This restarts every instance that does not run $BEAVER_INSTANCE_IMAGE yet, a few at a time." ||
    die "nothing was changed"
  step "Upgrading all"
  deploy_api POST /api/rollouts "{\"failure_limit\":$failures}"
  expect_status "the rollout has not begun" 202
  id="$(json_field rollout_id)"
  say "rollout $id"
  follow_rollout "$id"
  ok "every instance had its turn"
}

if [[ -n $all ]]; then upgrade_all; else upgrade_one; fi

#!/usr/bin/env bash
# Shows what the instances use and may use: processor, memory, processes and disk.
#
# Usage: stats.sh [NAME] [--json] [--help]
#
#   NAME     only the instance of this name; without it, all of them
#   --json   an object a line: the instance and, below "stats", what the API answers
#
# Percent are of one core. Exit code 1 where the figures of an instance were not to be had. Honours
# BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

# Docker takes about a second for the figures of one container: so many are asked for at once.
AT_ONCE=8

name='' json=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --json) json=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
load_env

# The instances of HTTP_BODY, a line each: id, name, state, with tabs between. The prefix is the path of a list.
instances() {
  json_lines | LC_ALL=C awk -F '\t' -v prefix="$1" '
    index($1, prefix) == 1 {
      path = substr($1, length(prefix) + 1)
      number = 0
      if (prefix != "") { split(path, part, "."); number = part[1] + 0; path = part[2] }
      if (path ~ /^(instance_id|slug|state)$/) field[number, path] = $2
      if (number + 1 > count) count = number + 1
    }
    END {
      for (i = 0; i < count; i++)
        print field[i, "instance_id"] "\t" field[i, "slug"] "\t" field[i, "state"]
    }'
}

# Every instance, page after page.
all_instances() {
  local after=''
  while :; do
    deploy_api GET "/api/instances?limit=500${after:+&after=$after}"
    expect_status "the list was not to be had" 200
    [[ $HTTP_BODY != *'"instances":[]'* ]] || break
    instances instances.
    after="$(json_field next)"
    [[ -n $after ]] || break
  done
}

# The figures in HTTP_BODY as cells: processor, memory, processes, disk, each with its limit.
cells() {
  json_lines | LC_ALL=C awk -F '\t' '
    { value[$1] = $2 }
    function of(used, limit, unit) { return used (limit > 0 ? " of " limit : "") unit }
    function mebibytes(bytes) { return sprintf("%.1f", bytes / 1048576) }
    END {
      printf "%s\t%s\t%s\t%s\n", \
        of(sprintf("%.1f", value["cpu_percent"]), value["cpu_limit_percent"] + 0, " %"), \
        of(mebibytes(value["memory_bytes"]), mebibytes(value["memory_limit_bytes"]) + 0, " MiB"), \
        of(value["pids"] + 0, value["pids_limit"] + 0, ""), \
        of(mebibytes(value["disk_bytes"]), mebibytes(value["disk_limit_bytes"]) + 0, " MiB")
    }'
}

# measure FILE ID NAME STATE: writes the instance's line to the file, or to FILE.fault why there is none.
measure() {
  deploy_api GET "/api/instances/$2/stats"
  # Deleted since it was listed.
  [[ $HTTP_STATUS != 404 ]] || return 0
  if [[ $HTTP_STATUS != 200 ]]; then
    printf '%s: %s\n' "$3" "$(problem_text)" >"$1.fault"
  elif [[ -n $json ]]; then
    printf '{"instance_id":%s,"slug":%s,"state":%s,"stats":%s}\n' \
      "$(json_string "$2")" "$(json_string "$3")" "$(json_string "$4")" "$HTTP_BODY" >"$1"
  else
    printf '%s\t%s\t%s\n' "$3" "$4" "$(cells)" >"$1"
  fi
}

work="$(mktemp -d)"
trap 'rm -rf -- "$work"' EXIT
if [[ -n $name ]]; then
  resolve_instance "$name"
  instances '' >"$work/list"
else
  all_instances >"$work/list"
fi
number=0
while IFS=$'\t' read -r id slug state; do
  measure "$work/$(printf '%08d' "$number").line" "$id" "$slug" "$state" &
  number=$((number + 1))
  [[ $((number % AT_ONCE)) -ne 0 ]] || wait
done <"$work/list"
wait

# Through find: there may be more files than fit on a command line.
lines() { find "$work" -name "$1" -print0 | sort -z | xargs -0 --no-run-if-empty cat; }
if [[ -n $json ]]; then
  lines '*.line'
else
  { printf 'NAME\tSTATE\tCPU\tMEMORY\tPIDS\tDISK\n'; lines '*.line'; } | awk -F '\t' -f "$CHECKOUT/scripts/lib/table.awk"
  [[ $number -gt 0 ]] || printf '(no instances)\n'
fi
missing="$(lines '*.fault')"
[[ -z $missing ]] || die "some figures were not to be had:$(printf '\n%s' "$missing")"

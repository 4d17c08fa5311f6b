#!/usr/bin/env bash
# Removes an instance. Its owner's account stays, and so does its data unless --purge is given: when the owner
# orders an instance again, the data is there.
#
# Usage: remove-instance.sh NAME [--purge] [--yes] [--help]
#
#   --purge   removes the data too, for good
#   --yes     does not ask
#
# Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' purge=false yes=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --purge) purge=true ;;
    --yes) yes=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which instance?"
load_env
resolve_instance "$name"
id="$(json_field instance_id)"
if [[ -z $yes ]]; then
  fate="its data stays"
  [[ $purge == false ]] || fate="ITS DATA IS LOST FOR GOOD"
  confirm "This removes the instance $name ($(json_field url)); $fate." || die "nothing was changed"
fi
step "Removing $name"
deploy_api DELETE "/api/instances/$id?purge=$purge"
expect_status "$name was not removed" 200 202
follow_operation "$(json_field operation_id)"
ok "removed $name"

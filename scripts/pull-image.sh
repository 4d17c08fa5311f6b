#!/usr/bin/env bash
# Fetches an image from its registry, shown as it comes: the image of new instances, or another that docker-guard
# lets instances run.
#
# Usage: pull-image.sh [IMAGE] [--help]
#
#   IMAGE   such as registry.example.com/beaver/app:1.2 (default: BEAVER_INSTANCE_IMAGE)
#
# An interruption leaves the pull at work; started again, the script follows the same one. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

image=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $image ]] || die_usage "one image, please"; image="$1" ;;
  esac
  shift
done
load_env
: "${image:=$BEAVER_INSTANCE_IMAGE}"
step "Fetching $image"
deploy_api POST /api/images/pull "$(json_object image "$image")"
expect_status "$image is not fetched" 202
follow_operation "$(json_field operation_id)"
ok "$image is on this machine"

#!/usr/bin/env bash
# Shows the log of the control plane, of one service, or of one instance.
#
# Usage: logs.sh [NAME] [-f] [-n LINES] [--help]
#
#   NAME       docker-guard, authz-service, deploy-control, router-proxy, auth-portal, or an instance's name;
#              without it, the whole control plane
#   -f         go on as the log grows
#   -n LINES   the last so many lines (default 100)
#
# Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

name='' lines=100 follow=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    -f | --follow) follow=(--follow) ;;
    -n | --lines) [[ $# -ge 2 && $2 =~ ^[0-9]+$ ]] || die_usage "$1 needs a number"; lines="$2"; shift ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
load_env
require_docker
if [[ -z $name ]]; then
  compose logs --tail "$lines" "${follow[@]}"
  exit 0
fi
if [[ " ${SERVICES[*]} " == *" $name "* ]]; then
  container="$(container_of "$name")"
  docker container inspect "$container" >/dev/null 2>&1 ||
    die "there is no container $container: the control plane is not up (scripts/up.sh)"
else
  container="$(docker container ls --all --latest --format '{{.Names}}' --filter "label=beaver.slug=$name" \
    --filter "label=beaver.installation=$BEAVER_INSTALLATION")"
  [[ -n $container ]] || die "there is no service and no instance \"$name\" (services: ${SERVICES[*]})"
fi
docker logs --tail "$lines" "${follow[@]}" "$container"

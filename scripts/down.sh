#!/usr/bin/env bash
# Stops the control plane. Instances and their data stay, and the instances run on.
#
# Usage: down.sh [--purge [--keep-images] [--yes]] [--help]
#
#   --purge         also removes every instance WITH ITS DATA, all accounts, the networks, the firewall rules
#                   and the images; asks first. The env file stays.
#   --keep-images   leaves the images
#   --yes           does not ask
#
# Needs root. Honours BEAVER_ENV_FILE (default: .env in the checkout).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/router.sh
source "$CHECKOUT/scripts/lib/router.sh"

parse_options() {
  PURGE='' YES='' KEEP_IMAGES=''
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --purge) PURGE=1 ;;
      --keep-images) KEEP_IMAGES=1 ;;
      --yes) YES=1 ;;
      -h | --help) show_help ;;
      *) die_usage "unknown option $1" ;;
    esac
    shift
  done
}

stop_control_plane() {
  local log
  log="$(mktemp)"
  if ! compose down --timeout 40 >"$log" 2>&1; then
    cat "$log" >&2
    rm -f -- "$log"
    die "the control plane could not be stopped"
  fi
  rm -f -- "$log"
  remove_interim_router
  ok "the control plane is stopped"
}

# The containers of this installation's instances, and the probes of its isolation proof.
instance_containers() {
  docker container ls --all --quiet --no-trunc --filter "label=beaver.managed=true" \
    --filter "label=beaver.installation=$BEAVER_INSTALLATION"
}

remove_instances() {
  local ids
  mapfile -t ids < <(instance_containers)
  [[ ${#ids[@]} -eq 0 ]] || docker container rm --force --volumes "${ids[@]}" >/dev/null
  ok "removed ${#ids[@]} instances"
}

remove_networks() {
  local name names
  mapfile -t names < <(docker network ls --format '{{.Name}}' --filter "label=beaver.installation=$BEAVER_INSTALLATION")
  for name in "${names[@]}"; do docker network rm "$name" >/dev/null; done
  ok "removed the networks ${names[*]:-(there were none)}"
}

remove_images() {
  local service name
  for service in "${SERVICES[@]}" app-instance; do
    name="beaver/$service:$BEAVER_IMAGE_TAG"
    docker image inspect "$name" >/dev/null 2>&1 || continue
    # Another installation on this machine may be using it.
    if docker image rm "$name" >/dev/null 2>&1; then
      ok "removed the image $name"
    else
      say "the image $name is in use; it stays"
    fi
  done
  # Those that newer ones have replaced, unless a container uses them.
  docker image prune --force --filter label=beaver.build >/dev/null 2>&1 || true
}

remove_firewall() {
  local unit="/etc/systemd/system/$BEAVER_INSTALLATION-firewall.service"
  "$CHECKOUT/scripts/firewall.sh" --remove
  if [[ -e $unit ]]; then
    systemctl disable --quiet "$(basename "$unit")" || true
    rm -f -- "$unit"
    systemctl daemon-reload
  fi
}

# Everything below runtime/ but the page that explains it.
remove_state() {
  find "$RUNTIME" -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf -- {} +
  ok "removed the contents of $RUNTIME"
}

parse_options "$@"
[[ -n $PURGE || -z $YES$KEEP_IMAGES ]] || die_usage "--yes and --keep-images go with --purge"
require_root "$@"
load_env
require_docker
if [[ -n $PURGE && -z $YES ]]; then
  confirm "This removes every instance of \"$BEAVER_INSTALLATION\" with its data, and all accounts, below $RUNTIME." ||
    die "nothing was changed"
fi
step "Stopping the control plane of \"$BEAVER_INSTALLATION\""
stop_control_plane
if [[ -z $PURGE ]]; then
  running="$(docker container ls --quiet --filter "label=beaver.managed=true" \
    --filter "label=beaver.installation=$BEAVER_INSTALLATION" | wc -l)"
  say "$running instances run on, their data is in $RUNTIME/instances; scripts/up.sh brings the rest back"
  exit 0
fi
step "Removing what it made"
remove_instances
remove_networks
remove_firewall
[[ -n $KEEP_IMAGES ]] || remove_images
[[ ! -d $RUNTIME ]] || remove_state
say "$ENV_FILE stays: remove it yourself for fresh secrets next time"

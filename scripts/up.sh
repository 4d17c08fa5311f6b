#!/usr/bin/env bash
# Brings the whole of Beaver up on this machine; run it again after a change, or at any time.
#
# Usage: up.sh [--no-build] [--no-start] [--help]
#
#   --no-build   use the images that are there; say which is missing
#   --no-start   prepare everything and start nothing: for systemd's units (docs/OPERATIONS.md)
#
# Says at once what is missing and, on Debian or Ubuntu as root, installs it; makes .env with fresh secrets if
# there is none; builds the binaries and the images; makes folders, the control network and the firewall rules;
# starts the control plane; waits until it is ready; prints the portal's URL. A second run changes nothing.
#
# Needs root. Honours BEAVER_ENV_FILE (default: .env in the checkout) and CARGO_TARGET_DIR.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"
# shellcheck source=lib/host-checks.sh
source "$CHECKOUT/scripts/lib/host-checks.sh"
# shellcheck source=lib/service-env.sh
source "$CHECKOUT/scripts/lib/service-env.sh"
# shellcheck source=lib/health.sh
source "$CHECKOUT/scripts/lib/health.sh"
# shellcheck source=lib/router.sh
source "$CHECKOUT/scripts/lib/router.sh"

ISOLATION_SECONDS=45

parse_options() {
  BUILD=yes START=yes
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --no-build) BUILD='' ;;
      --no-start) START='' ;;
      -h | --help) show_help ;;
      *) die_usage "unknown option $1" ;;
    esac
    shift
  done
}

# 256 bits as letters and digits.
fresh_secret() { head -c 48 /dev/urandom | base64 -w 0 | tr -d '+/=' | head -c 44; }

# From .env.example, with a secret after each `..._TOKEN=`.
make_env_file() {
  local line
  [[ ! -e $ENV_FILE ]] || return 0
  (
    umask 077
    while IFS= read -r line; do
      [[ $line =~ ^[A-Z_]+_TOKEN=$ ]] && line+="$(fresh_secret)"
      printf '%s\n' "$line"
    done <"$CHECKOUT/.env.example" >"$ENV_FILE.new"
    mv "$ENV_FILE.new" "$ENV_FILE"
  )
  ok "made $ENV_FILE with fresh secrets"
}

check_machine() {
  check_ports
  check_subnets
  check_disk "$RUNTIME" 1024 "the instances' data"
  check_disk "$(docker info --format '{{.DockerRootDir}}')" 1024 "Docker"
  if [[ -n $BUILD && ! -d ${CARGO_TARGET_DIR:-$CHECKOUT/target} ]]; then
    check_disk "${CARGO_TARGET_DIR:-$CHECKOUT/target}" 4096 "the build"
  fi
  report_host_faults
  ok "ports, subnets and disk space are fine"
}

# own MODE UID FOLDER: made where missing; mode and owner set.
own() {
  mkdir -p -- "$3"
  chmod "$1" -- "$3"
  chown "$2:$2" -- "$3"
}

# Each folder belongs to the one process that writes to it.
make_folders() {
  own 0755 0 "$RUNTIME"
  own 0711 0 "$RUNTIME/instances"
  own 0711 0 "$RUNTIME/snapshots"
  own 0700 0 "$RUNTIME/deploy"
  own 0755 0 "$RUNTIME/router"
  # Group: the router, which reads the route files that deploy-control writes (setgid: each file gets it).
  mkdir -p -- "$RUNTIME/router/conf.d"
  chown 0:65103 -- "$RUNTIME/router/conf.d"
  chmod 2750 -- "$RUNTIME/router/conf.d"
  own 0700 65103 "$RUNTIME/router/state"
  make_tls_folder
  own 0700 65101 "$RUNTIME/authz"
  own 0750 65105 "$RUNTIME/guard"
}

# Certificates are put there by the operator and read by the router; a folder elsewhere is the operator's own.
make_tls_folder() {
  if [[ $ROUTER_TLS_DIR == "$RUNTIME/router/tls" ]]; then
    mkdir -p -- "$ROUTER_TLS_DIR"
    chown 0:65103 -- "$ROUTER_TLS_DIR"
    chmod 2750 -- "$ROUTER_TLS_DIR"
  elif [[ ! -d $ROUTER_TLS_DIR ]]; then
    die "ROUTER_TLS_DIR: there is no folder $ROUTER_TLS_DIR"
  fi
}

# The bridge that gives every instance one address of the host: the issuer's.
make_control_network() {
  local have want="$BEAVER_CONTROL_SUBNET $CONTROL_IP $CONTROL_INTERFACE"
  have="$(docker network inspect "$CONTROL_NET" --format \
    '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}} {{index .Options "com.docker.network.bridge.name"}}' \
    2>/dev/null)" || true
  if [[ $have == "$want" ]]; then
    ok "network $CONTROL_NET ($CONTROL_IP) is there"
    return
  fi
  [[ -z $have ]] ||
    die "network $CONTROL_NET is \"$have\", and the settings say \"$want\": scripts/down.sh, docker network rm $CONTROL_NET, and run this again"
  docker network create --driver bridge --subnet "$BEAVER_CONTROL_SUBNET" --gateway "$CONTROL_IP" \
    --label beaver.managed=true --label "beaver.installation=$BEAVER_INSTALLATION" \
    --opt "com.docker.network.bridge.name=$CONTROL_INTERFACE" \
    --opt com.docker.network.bridge.enable_icc=false "$CONTROL_NET" >/dev/null ||
    die "the network $CONTROL_NET could not be made"
  ok "made network $CONTROL_NET ($CONTROL_IP on $CONTROL_INTERFACE)"
}

# Rules do not outlive a reboot: with systemd a unit sets them again, before Docker starts any container.
keep_firewall() {
  local unit="/etc/systemd/system/$BEAVER_INSTALLATION-firewall.service" text
  [[ -d /run/systemd/system ]] || return 0
  text="$(sed -e "s|@CHECKOUT@|$CHECKOUT|g" -e "s|@ENV_FILE@|$ENV_FILE|g" "$CHECKOUT/ops/systemd/beaver-firewall.service")"
  [[ ! -e $unit || $text != "$(<"$unit")" ]] || return 0
  printf '%s\n' "$text" >"$unit"
  systemctl daemon-reload
  systemctl enable --quiet "$(basename "$unit")"
  ok "the rules will be set at each start of the machine ($unit)"
}

# Only what is not up to date is (re)created; compose tells by image and configuration.
start_services() {
  local log
  log="$(mktemp)"
  if ! compose up --detach --no-build "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f -- "$log"
    die "the control plane could not be started"
  fi
  rm -f -- "$log"
}

# deploy-control is ready before it has proven the isolation, but until then nobody can sign up.
wait_isolated() {
  local deadline=$((SECONDS + ISOLATION_SECONDS)) told=''
  while probe deploy-control && [[ $(probe_warnings) == *isolation:* && $SECONDS -lt $deadline ]]; do
    [[ ${BEAVER_ALLOW_UNISOLATED:-} != yes ]] || break
    [[ -n $told ]] || say "waiting for the proof that instances are kept apart"
    told=1
    sleep 0.3
  done
  # It may have turned out not to hold: then this says so and ends.
  wait_ready deploy-control
}

# Images of the control plane that newer ones have replaced. Those of instances stay: one may go back to them.
prune_images() {
  docker image prune --force --filter label=beaver.part=control >/dev/null 2>&1 || true
}

tell_warnings() {
  local service line
  for service in "${SERVICES[@]:1}"; do
    probe "$service" || continue
    while IFS= read -r line; do
      [[ -z $line ]] || warn "$service: $line"
    done < <(probe_warnings)
  done
}

# The way to the first administrator. The code goes to a terminal alone, never into a log, and one that lives is not
# replaced: somebody may be about to enter it.
tell_first_admin() {
  authz_api GET /internal/setup-code
  [[ $HTTP_STATUS == 200 && $(json_field open) == true ]] || return 0
  say "first admin:  $PORTAL_PUBLIC_URL/setup"
  if [[ -t 2 && -z $(json_field code_expires_at) ]]; then
    authz_api POST /internal/setup-code
    [[ $HTTP_STATUS != 201 ]] || say "set-up code:  $(json_field code) (once, until $(json_field expires_at))"
  else
    say "set-up code:  scripts/first-admin.sh prints a new one"
  fi
}

main() {
  local service port
  parse_options "$@"
  step "Checking what this machine has"
  if [[ -n $BUILD ]]; then
    meet_prerequisites find_missing_runtime find_missing_build
  else
    meet_prerequisites find_missing_runtime
  fi
  require_root "$@"
  start_docker
  make_env_file
  load_env
  check_machine
  if [[ -n $BUILD ]]; then
    "$CHECKOUT/scripts/build-images.sh"
  else
    "$CHECKOUT/scripts/build-images.sh" --check || die "images are missing: run scripts/build-images.sh"
  fi
  step "Preparing folders, network and firewall"
  make_folders
  write_service_env
  make_control_network
  "$CHECKOUT/scripts/firewall.sh"
  keep_firewall
  "$CHECKOUT/scripts/disk-quota.sh"
  if [[ -z $START ]]; then
    step "Prepared; nothing was started"
    return
  fi
  step "Starting the control plane"
  start_services docker-guard
  wait_ready docker-guard
  if router_is_outdated; then
    # A new router may need what a new authz-service can do.
    start_services authz-service deploy-control
    wait_ready authz-service
    replace_router || warn "the router is restarted instead: connections are refused for a moment"
  fi
  start_services
  for service in "${SERVICES[@]:1}"; do
    if [[ $service == deploy-control ]]; then wait_isolated; else wait_ready "$service"; fi
  done
  tell_warnings
  prune_images
  step "Beaver is up: $PORTAL_PUBLIC_URL"
  say "sign up:      $PORTAL_PUBLIC_URL/register"
  port=":$DEPLOY_PUBLIC_PORT"
  case "$DEPLOY_PUBLIC_SCHEME$port" in http:80 | https:443) port='' ;; esac
  say "instances:    $DEPLOY_PUBLIC_SCHEME://<name>.$DEPLOY_PUBLIC_BASE_DOMAIN$port"
  say "stop it:      scripts/down.sh"
  tell_first_admin
}

main "$@"

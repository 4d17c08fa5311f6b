#!/usr/bin/env bash
# Examines this installation from the host's side and asks deploy-control for its own findings.
#
# Usage: doctor.sh [--json] [--rebuild] [--help]
#
#   --json      the findings as one JSON object: {"ok":...,"checks":[{"name","status","detail","remedy"}]}
#   --rebuild   first makes deploy-control's lost database again, from what Docker, the instances' folders and
#               the routes say: deploy-control is stopped for it, and started afterwards. Instances run on.
#
# Exit code 0: all is well; 1: something does not work; 2: warnings alone; 64: the env file cannot be used.
# Without --rebuild nothing is changed. Needs root. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"
# shellcheck source=lib/health.sh
source "$CHECKOUT/scripts/lib/health.sh"
# shellcheck source=lib/host-checks.sh
source "$CHECKOUT/scripts/lib/host-checks.sh"
# shellcheck source=lib/findings.sh
source "$CHECKOUT/scripts/lib/findings.sh"

EXIT_CONFIG=64
DISK_MEBIBYTES=1024
# Of the missing firewall rules.
RULES_SHOWN=5

parse_options() {
  JSON='' REBUILD=''
  while [[ $# -gt 0 ]]; do
    case "$1" in
      --json) JSON=1 ;;
      --rebuild) REBUILD=1 ;;
      -h | --help) show_help ;;
      *) die_usage "unknown option $1" ;;
    esac
    shift
  done
}

# Ends the script with the code for bad configuration where the env file cannot be used.
examine_env() {
  local fault
  if ! fault="$(load_env 2>&1)"; then
    printf '%s\n' "$fault" >&2
    exit "$EXIT_CONFIG"
  fi
  load_env
  if [[ $BEAVER_DEPLOY_TOKEN == "$BEAVER_ROUTER_TOKEN" || $BEAVER_DEPLOY_TOKEN == "$BEAVER_AUTHZ_INTERNAL_TOKEN" ||
    $BEAVER_ROUTER_TOKEN == "$BEAVER_AUTHZ_INTERNAL_TOKEN" ]]; then
    finding env-file failing "two of the tokens are the same: whoever has the one may do what the other opens" \
      "give BEAVER_DEPLOY_TOKEN, BEAVER_AUTHZ_INTERNAL_TOKEN and BEAVER_ROUTER_TOKEN each its own value, and run scripts/up.sh"
  else
    finding env-file ok "$ENV_FILE can be used, and its tokens differ"
  fi
}

examine_docker() {
  local version
  if version="$(docker version --format '{{.Server.Version}}' 2>&1)"; then
    finding host-docker ok "Docker $version answers"
  else
    finding host-docker failing "Docker does not answer: $version" "start it: systemctl start docker"
  fi
}

examine_firewall() {
  local said missing count
  if said="$("$CHECKOUT/scripts/firewall.sh" --check 2>&1)"; then
    finding host-firewall ok "the rules for $BEAVER_BRIDGE_PREFIX+ are in place"
    return
  fi
  count="$(grep -c '^warning: missing: ' <<<"$said")" || true
  missing="$(sed -n 's/^warning: missing: //p' <<<"$said" | head -n "$RULES_SHOWN" | paste -sd ';' | sed 's/;/; /g')"
  if [[ $count -eq 0 ]]; then
    finding host-firewall failing "the rules cannot be examined: ${said#error: }" "scripts/firewall.sh --check says more"
  else
    [[ $count -le $RULES_SHOWN ]] || missing+=", and $((count - RULES_SHOWN)) more"
    finding host-firewall failing "missing rules ($count): $missing" "run scripts/firewall.sh"
  fi
}

# examine_disk PATH WHAT-FOR
examine_disk() {
  HOST_FAULTS=()
  check_disk "$1" "$DISK_MEBIBYTES" "$2"
  if [[ ${#HOST_FAULTS[@]} -eq 0 ]]; then
    finding host-disk ok "there is room for $2 at $1"
  else
    finding host-disk failing "${HOST_FAULTS[0]}" "free some space"
  fi
}

examine_service() {
  local warnings
  if ! probe "$1"; then
    finding "$1" failing "it is not ready: ${PROBE%$'\n'*}" "scripts/logs.sh $1 says why; scripts/up.sh starts what is not running"
    return
  fi
  [[ $1 == docker-guard ]] || warnings="$(probe_warnings)"
  if [[ -n ${warnings:-} ]]; then
    finding "$1" warning "it is ready, and warns: $warnings"
  else
    finding "$1" ok "it is ready"
  fi
}

# What deploy-control finds. Where it does not answer, what its program finds without it.
examine_control() {
  local container
  container="$(container_of deploy-control)"
  deploy_api GET /api/doctor
  if [[ $HTTP_STATUS == 000 ]]; then
    if container_runs "$container"; then
      HTTP_BODY="$(docker exec "$container" /deploy-control doctor --json 2>/dev/null)" || true
    elif docker image inspect "beaver/deploy-control:$BEAVER_IMAGE_TAG" >/dev/null 2>&1; then
      HTTP_BODY="$(one_off doctor --json 2>/dev/null)" || true
    fi
    if [[ -n $(json_field ok) ]]; then HTTP_STATUS=200; fi
  fi
  if [[ $HTTP_STATUS == 200 ]]; then
    findings_of_body
  else
    finding deploy-control-doctor failing "deploy-control tells no findings: $(problem_text)" \
      "scripts/logs.sh deploy-control says more; an older one must be replaced: scripts/up.sh"
  fi
}

# one_off ARGUMENT...: deploy-control's program in a container that ends with it, with the same image, folders
# and variables. Not while deploy-control's own container runs: older compose would link the two, which the
# host's network does not allow.
one_off() { compose run --rm --no-deps -T deploy-control "$@" </dev/null; }

# Ends the script where nothing was rebuilt. Where some things were left out, that is a finding.
rebuild() {
  local status=0 ran='' container
  container="$(container_of deploy-control)"
  require_docker
  if ! docker container inspect "$container" >/dev/null 2>&1 && probe deploy-control; then
    die "deploy-control does not run in the container $container: stop it where it runs, run \"deploy-control doctor --rebuild\" with its variables, and start it again"
  fi
  ! container_runs "$container" || ran=1
  # It is the way to Docker.
  probe docker-guard || die "docker-guard is not ready, and the rebuild reads Docker through it: ${PROBE%$'\n'*}"
  step "Stopping deploy-control"
  quietly compose stop --timeout 40 deploy-control || die "deploy-control could not be stopped; nothing was rebuilt"
  step "Rebuilding its database"
  one_off doctor --rebuild >&2 || status=$?
  # An empty database must not be taken for the truth: after a failure only one that was there is used again.
  if [[ $status -ne 0 && $status -ne 2 && (-z $ran || ! -s $RUNTIME/deploy/deploy.sqlite) ]]; then
    die "nothing was rebuilt, and deploy-control is not started: mend what is said above, and run this again"
  fi
  step "Starting deploy-control"
  quietly compose up --detach --no-build --no-deps deploy-control || die "deploy-control could not be started"
  wait_ready deploy-control
  # It looks at deploy-control every few seconds, and has missed it.
  ! container_runs "$(container_of auth-portal)" || wait_ready auth-portal
  case "$status" in
    0) finding rebuild ok "deploy-control's database was made again" ;;
    2) finding rebuild warning "deploy-control's database was made again, but for what is named above" ;;
    *) die "nothing was rebuilt; deploy-control runs as before" ;;
  esac
}

parse_options "$@"
require_root "$@"
examine_env
[[ -z $REBUILD ]] || rebuild
examine_docker
examine_firewall
examine_disk "$RUNTIME" "the instances' data"
if docker_root="$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)" && [[ -n $docker_root ]]; then
  examine_disk "$docker_root" Docker
fi
for service in "${SERVICES[@]}"; do examine_service "$service"; done
examine_control
if [[ -n $JSON ]]; then print_findings_json; else print_findings; fi
exit "$(findings_exit_code)"

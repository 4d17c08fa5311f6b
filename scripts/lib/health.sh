# shellcheck shell=bash
# Whether the services are ready, in their own words. Sourced after lib.sh and lib/api.sh.

READY_SECONDS=90

# probe SERVICE: true when it says that it is ready; its words are left in PROBE.
probe() {
  local url
  case "$1" in
    docker-guard)
      PROBE="$(curl -sS --max-time 5 --unix-socket "$RUNTIME/guard/docker.sock" http://guard/_ping 2>&1)" &&
        [[ $PROBE == OK ]]
      return
      ;;
    authz-service) url="$AUTHZ_ADMIN_LISTEN" ;;
    deploy-control) url="$DEPLOY_ADMIN_LISTEN" ;;
    router-proxy) url="$ROUTER_ADMIN_LISTEN" ;;
    auth-portal) url="$PORTAL_ADMIN_LISTEN" ;;
  esac
  # A wildcard address is listened on, not called.
  url="${url/#0.0.0.0:/127.0.0.1:}"
  PROBE="$(curl -sS --noproxy '*' --max-time 5 "http://$url/health/ready" --write-out '\n%{http_code}' 2>&1)" &&
    [[ ${PROBE##*$'\n'} == 200 ]]
}

wait_ready() {
  local service="$1" deadline=$((SECONDS + READY_SECONDS)) told='' container
  container="$(container_of "$service")"
  until probe "$service"; do
    if [[ $SECONDS -ge $deadline || $(docker container inspect --format '{{.RestartCount}}' "$container") -gt 5 ]]; then
      warn "$service is not ready: ${PROBE%$'\n'*}"
      say "the last lines of its log:"
      docker logs --tail 20 "$container" >&2
      die "$service did not become ready; mend what the log says and run this again"
    fi
    if [[ $told != "$PROBE" ]]; then
      say "waiting for $service: ${PROBE%$'\n'*}"
      told="$PROBE"
    fi
    sleep 0.3
  done
  ok "$service is ready"
}

# The checks of the last probe that are no more than warnings, as "name: reason" lines.
probe_warnings() {
  # shellcheck disable=SC2034 # json_lines reads it
  HTTP_BODY="${PROBE%$'\n'*}"
  json_lines 2>/dev/null | LC_ALL=C awk -F '\t' '
    $1 ~ /^checks\..*\.state$/ { split($1, p, "."); state[p[2]] = $2 }
    $1 ~ /^checks\..*\.reason$/ { split($1, p, "."); reason[p[2]] = $2 }
    END { for (name in state) if (state[name] == "warning") print name ": " reason[name] }' || true
}

# shellcheck shell=bash
# Puts a new router in the place of the one that runs, without a refused connection. Sourced after lib.sh, lib/api.sh
# and lib/health.sh.
#
# A router that starts takes the sockets of the one that runs, and that one ends by itself. Compose cannot do this: it
# ends the old container before it makes the new one, and makes no second container of the same service. So an interim
# router, in a project of its own, stands in between: it takes over, compose makes the container anew, and that one
# takes over from the interim router.
#
# Must stay true: at each step one of them serves, and a step that fails leaves the one that serves alone.

# To get ready (30 s), to drain (30 s), and some time to start.
REPLACE_SECONDS=90

interim_router() { printf '%s-interim' "$BEAVER_PROXY_CONTAINER_NAME"; }

# interim_compose ARGUMENT...: compose on the interim router's project.
interim_compose() {
  # shellcheck disable=SC2034 # compose reads it
  local COMPOSE_PROJECT="$BEAVER_INSTALLATION-interim"
  local BEAVER_PROXY_CONTAINER_NAME="$BEAVER_PROXY_CONTAINER_NAME-interim"
  compose "$@"
}

# Of a container, or nothing where it is not there.
router_state() { docker container inspect --format '{{.State.Status}}' "$1" 2>/dev/null || true; }

# router_is_outdated: true when it runs from another image, or with other settings, than it would be given now.
router_is_outdated() {
  local have want
  [[ $(router_state "$BEAVER_PROXY_CONTAINER_NAME") == running ]] || return 1
  have="$(docker container inspect --format '{{.Image}}' "$BEAVER_PROXY_CONTAINER_NAME")"
  want="$(docker image inspect --format '{{.Id}}' "beaver/router-proxy:$BEAVER_IMAGE_TAG")"
  [[ $have != "$want" || " ${CHANGED_ENV[*]:-} " == *' router-proxy '* ]]
}

# wait_left OLD NEW: true once OLD has ended; false when NEW has, or nothing happens.
wait_left() {
  local old="$1" new="$2" deadline=$((SECONDS + REPLACE_SECONDS))
  while [[ $(router_state "$old") == running ]]; do
    if [[ $SECONDS -ge $deadline || $(router_state "$new") != @(running|restarting) ]]; then return 1; fi
    sleep 0.2
  done
}

# Ends it with the drain of a stop: for when there is nothing that should take over.
remove_interim_router() {
  local name
  name="$(interim_router)"
  [[ -n $(router_state "$name") ]] || return 0
  docker container stop --time 40 "$name" >/dev/null || true
  docker container rm --force "$name" >/dev/null
}

# The first step; where it fails the router that runs is as it was.
begin_interim() {
  local old="$BEAVER_PROXY_CONTAINER_NAME" interim
  interim="$(interim_router)"
  # It ends by itself, and must not be brought back for that.
  docker container update --restart no "$old" >/dev/null || return 1
  if quietly interim_compose up --detach --no-build --no-deps --force-recreate router-proxy &&
    docker container update --restart no "$interim" >/dev/null && wait_left "$old" "$interim"; then
    return 0
  fi
  warn "the new router did not take over; the one that runs stays. The last lines of the new one's log:"
  docker container logs --tail 20 "$interim" >&2 || true
  remove_interim_router
  docker container update --restart unless-stopped "$old" >/dev/null
  return 1
}

# replace_router: 0 when a new container serves. 1 when it does not, and the old one does.
replace_router() {
  local name="$BEAVER_PROXY_CONTAINER_NAME" interim
  interim="$(interim_router)"
  if [[ $(router_state "$interim") == running && $(router_state "$name") != running ]]; then
    say "an interim router serves since an earlier run"
  else
    remove_interim_router
    begin_interim || return 1
    say "an interim router serves"
  fi
  if ! quietly compose up --detach --no-build --no-deps --force-recreate router-proxy ||
    ! wait_left "$interim" "$name"; then
    docker container logs --tail 20 "$name" >&2 || true
    die "the new router did not take over; the interim one ($interim) goes on serving: mend what the log says and run scripts/replace-router.sh"
  fi
  docker container rm --force "$interim" >/dev/null
  ok "the new router serves"
}

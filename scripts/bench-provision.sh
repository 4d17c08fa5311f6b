#!/usr/bin/env bash
# Measures sign-up to ready beside a bare `docker create` + `start` of the same image with the same limits, in
# turn, in one run, and prints both medians and their ratio.
#
# Usage: bench-provision.sh [ROUNDS] [--help]
#
#   ROUNDS   how often, default 10
#
# Works on a running installation (BEAVER_ENV_FILE): registers throw-away users at deploy-control and removes
# their instances again. Both sides speak HTTP through curl, so that neither pays for a client program that the
# other does not start. Needs root, for the Docker socket.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

rounds=10
case "${1:-}" in
  '') ;;
  -h | --help) show_help ;;
  *) [[ $1 =~ ^[1-9][0-9]{0,2}$ ]] || die_usage "ROUNDS must be a number from 1 to 999"; rounds="$1" ;;
esac
require_root "$@"
load_env
require_docker

RUN="bench$(head -c 4 /dev/urandom | od -An -tx1 | tr -d ' \n')"
MADE=()
BARE=()

# Whatever happens, what was made goes; it has gone when this returns.
clean_up() {
  local id tries
  for id in "${BARE[@]}"; do docker_api DELETE "/containers/$id?force=true&v=true"; done
  for id in "${MADE[@]}"; do deploy_api DELETE "/api/instances/$id?purge=true"; done
  for id in "${MADE[@]}"; do
    for ((tries = 0; tries < 150; tries++)); do
      deploy_api GET "/api/instances/$id"
      [[ $HTTP_STATUS != 404 ]] || break
      sleep 0.2
    done
    [[ $HTTP_STATUS == 404 ]] || warn "the instance $id is still there"
  done
}
trap clean_up EXIT

# A ULID: 48 bits of time, here none, and 80 of chance.
fresh_ulid() {
  local alphabet=0123456789ABCDEFGHJKMNPQRSTVWXYZ out='01' byte
  for byte in $(head -c 24 /dev/urandom | od -An -tu1); do out+="${alphabet:byte % 32:1}"; done
  printf '%s' "$out"
}

docker_api() { # METHOD PATH [BODY]
  HTTP_BODY="$(curl --silent --show-error --unix-socket /var/run/docker.sock --request "$1" \
    ${3:+--header 'Content-Type: application/json' --data-raw "$3"} "http://docker$2")"
}

# Microseconds.
now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

register() { # NUMBER
  local started
  started="$(now)"
  deploy_api POST /api/instances/register "$(json_object user_id "$(fresh_ulid)" username "$RUN-$1" email "$RUN-$1@example.com")"
  TOOK=$(($(now) - started))
  expect_status "sign-up $1 failed" 201
  MADE+=("$(json_field instance_id)")
}

# The body that the last instance was made with, without its name, address and folders: the same image, limits
# and hardening.
bare_body() {
  docker inspect --format '{"Image":{{json .Image}},"Env":{{json .Config.Env}},"User":"65534:65534","HostConfig":{
    "Memory":{{.HostConfig.Memory}},"MemorySwap":{{.HostConfig.MemorySwap}},"NanoCpus":{{.HostConfig.NanoCpus}},
    "PidsLimit":{{json .HostConfig.PidsLimit}},"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"],
    "ReadonlyRootfs":true,"Init":true,"NetworkMode":{{json .HostConfig.NetworkMode}},
    "Tmpfs":{{json .HostConfig.Tmpfs}}}}' "$1"
}

bare() { # NUMBER BODY
  local started id
  started="$(now)"
  docker_api POST "/containers/create?name=$RUN-bare-$1" "$2"
  id="$(json_field Id)"
  [[ -n $id ]] || die "Docker did not create the bare container: $HTTP_BODY"
  BARE+=("$id")
  docker_api POST "/containers/$id/start"
  TOOK=$(($(now) - started))
  [[ -z $HTTP_BODY ]] || die "Docker did not start the bare container: $HTTP_BODY"
}

median() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

step "Warming up"
register 0
container="$(docker container ls --format '{{.Names}}' --filter "label=beaver.slug=$RUN-0" \
  --filter "label=beaver.installation=$BEAVER_INSTALLATION")"
body="$(bare_body "$container" | tr -d '\n')"
bare 0 "$body"

ours=() theirs=()
for ((round = 1; round <= rounds; round++)); do
  register "$round"
  ours+=("$TOOK")
  bare "$round" "$body"
  theirs+=("$TOOK")
  say "round $round: sign-up to ready $((ours[-1] / 1000)) ms, docker create + start $((theirs[-1] / 1000)) ms"
done
awk -v ours="$(median "${ours[@]}")" -v theirs="$(median "${theirs[@]}")" -v rounds="$rounds" 'BEGIN {
  printf "sign-up to ready:      %7.1f ms (median of %d)\n", ours / 1000, rounds
  printf "docker create + start: %7.1f ms (median of %d)\n", theirs / 1000, rounds
  printf "ratio:                 %7.2f\n", ours / theirs
}'

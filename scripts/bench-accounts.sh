#!/usr/bin/env bash
# Measures authz-service with many accounts on record: what a session check takes, beside JupyterHub's and beside
# SQLite itself in the same run, what 200 sign-ins at once do to memory and to other routes, and whether the time of an
# answer tells if there is an account.
#
# Usage: bench-accounts.sh [--accounts N] [--no-peer] [--help]
#
#   --accounts N   accounts on record, ten sessions each; default 100000
#   --no-peer      without JupyterHub, which is fetched from PyPI and asked with a single user on record
#
# Everything is in a folder and at ports of its own and removed at the end. Takes some minutes; the release binary is
# built first where it is not there. Needs Rust, a C compiler and, for the peer, Python with venv.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"

JUPYTERHUB=jupyterhub==6.1.1

accounts=100000 peer=1
while [[ $# -gt 0 ]]; do
  case "$1" in
    --accounts)
      [[ ${2:-} =~ ^[1-9][0-9]{2,6}$ ]] || die_usage "--accounts needs a number from 100 to 9999999"
      accounts="$2"
      shift
      ;;
    --no-peer) peer='' ;;
    -h | --help) show_help ;;
    *) die_usage "unknown option $1" ;;
  esac
  shift
done

FOLDER="$(mktemp -d)"
HUB=''
end_bench() {
  [[ -z $HUB ]] || { kill "$HUB" && wait "$HUB"; } 2>/dev/null || true
  rm -rf -- "$FOLDER"
}
trap end_bench EXIT

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A hub without its proxy, which no question goes through here.
start_hub() {
  local port tries
  python3 -m venv "$FOLDER/env"
  "$FOLDER/env/bin/pip" install --quiet --disable-pip-version-check "$JUPYTERHUB"
  port="$(free_port)"
  BEAVER_PEER_TOKEN="$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')"
  BEAVER_PEER_URL="http://127.0.0.1:$port/hub/api/user"
  export BEAVER_PEER_TOKEN BEAVER_PEER_URL
  cat >"$FOLDER/config.py" <<EOF
import os
from jupyterhub.proxy import Proxy

class NoProxy(Proxy):
    should_start = False
    routes = {}
    async def get_all_routes(self): return self.routes
    async def add_route(self, routespec, target, data):
        self.routes[routespec] = dict(routespec=routespec, target=target, data=data)
    async def delete_route(self, routespec): self.routes.pop(routespec, None)

c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_bind_url = "http://127.0.0.1:$port"
c.JupyterHub.bind_url = "http://127.0.0.1:$(free_port)"
c.JupyterHub.db_url = "sqlite:///$FOLDER/hub.sqlite"
c.JupyterHub.cookie_secret_file = "$FOLDER/cookie"
c.JupyterHub.services = [dict(name="bench", api_token=os.environ["BEAVER_PEER_TOKEN"])]
c.JupyterHub.load_roles = [dict(name="bench", services=["bench"], scopes=["read:users"])]
c.JupyterHub.authenticator_class = "null"
c.JupyterHub.log_level = "ERROR"
EOF
  (cd "$FOLDER" && exec env/bin/jupyterhub -f config.py >hub.log 2>&1) &
  HUB=$!
  for ((tries = 0; tries < 150; tries++)); do
    curl --silent --fail --output /dev/null --header "@"<(printf 'Authorization: token %s\n' "$BEAVER_PEER_TOKEN") \
      "$BEAVER_PEER_URL" && return
    kill -0 "$HUB" 2>/dev/null || break
    sleep 0.2
  done
  die "JupyterHub does not answer: $(tail -n 5 "$FOLDER/hub.log")"
}

step "Building"
find_missing_build
[[ ${#MISSING_WORDS[@]} -eq 0 ]] || die "missing (scripts/up.sh installs it):$(printf '\n  - %s' "${MISSING_WORDS[@]}")"
target_dir="${CARGO_TARGET_DIR:-$CHECKOUT/target}"
host="$("${BUILDER[@]}" rustc -vV | sed -n 's/^host: //p')"
# As build-images.sh does: what is measured is what is shipped, and the client is as fast as can be.
(cd "$CHECKOUT" && "${BUILDER[@]}" env RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR="$target_dir" \
  SQLX_OFFLINE=true cargo build --locked --quiet --release --target "$host" -p authz-service \
  --bin authz-service --example bench_accounts)
if [[ -n $peer ]]; then
  step "Fetching and starting JupyterHub"
  start_hub
fi
step "Measuring"
"$target_dir/$host/release/examples/bench_accounts" "$target_dir/$host/release/authz-service" "$accounts"

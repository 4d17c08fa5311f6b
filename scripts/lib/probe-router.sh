# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for those who source this
# What the scripts share that ask a router of their own for what its tests have no time for: how it is built, and the
# proxies that it is compared with. Sourced after lib.sh and lib/prerequisites.sh.
#
# Must stay true: every process that was started is ended by its id, also after a failure, and all that is sent goes
# to this machine.

FOLDER=''
declare -A PID=()
ROUTER=''
PROBE=''

begin_probe() {
  FOLDER="$(mktemp -d)"
  chmod 0755 "$FOLDER"
  trap end_probe EXIT
}

end_probe() {
  local name
  for name in "${!PID[@]}"; do kill "${PID[$name]}" 2>/dev/null || true; done
  for name in "${!PID[@]}"; do wait "${PID[$name]}" 2>/dev/null || true; done
  rm -rf -- "$FOLDER"
}

# Builds the router as it is released, and what asks it; sets ROUTER and PROBE.
build_probe() {
  local target_dir="${CARGO_TARGET_DIR:-$CHECKOUT/target}"
  step "Building the router and what asks it"
  (
    cd "$CHECKOUT" || exit
    export CARGO_TARGET_DIR="$target_dir" SQLX_OFFLINE=true
    "${BUILDER[@]}" cargo build --locked --release --quiet -p router-proxy --bin router-proxy
    "${BUILDER[@]}" cargo build --locked --quiet -p router-proxy --example probe_router
  )
  ROUTER="$target_dir/release/router-proxy"
  PROBE="$target_dir/debug/examples/probe_router"
}

# Where a peer listens, and its upstream.
peer_address() {
  case "$1" in
    nginx) printf '127.0.0.1:19522' ;;
    haproxy) printf '127.0.0.1:19523' ;;
  esac
}
peer_upstream() {
  case "$1" in
    nginx) printf '127.1.0.2:19520' ;;
    haproxy) printf '127.1.0.3:19520' ;;
  esac
}

# Their own defaults wherever they decide what is a request; the Host as it came.
start_nginx() {
  cat >"$FOLDER/nginx.conf" <<END
daemon off; worker_processes 1; pid $FOLDER/nginx.pid; error_log $FOLDER/nginx.error;
events { worker_connections 256; }
http {
  access_log off;
  upstream instance { server $(peer_upstream nginx); keepalive 8; }
  server {
    listen $(peer_address nginx);
    location / {
      proxy_pass http://instance; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
    }
  }
}
END
  nginx -p "$FOLDER" -c "$FOLDER/nginx.conf" >"$FOLDER/nginx.log" 2>&1 &
  PID[nginx]=$!
  until_it_listens nginx
}

start_haproxy() {
  cat >"$FOLDER/haproxy.cfg" <<END
global
  nbthread 1
  maxconn 256
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend all
  bind $(peer_address haproxy)
  default_backend instance
backend instance
  server s $(peer_upstream haproxy)
END
  haproxy -db -f "$FOLDER/haproxy.cfg" >"$FOLDER/haproxy.log" 2>&1 &
  PID[haproxy]=$!
  until_it_listens haproxy
}

until_it_listens() {
  local name="$1" address tries
  address="$(peer_address "$name")"
  for ((tries = 0; tries < 100; tries++)); do
    (exec 3<>"/dev/tcp/${address%:*}/${address##*:}") 2>/dev/null && return 0
    kill -0 "${PID[$name]}" 2>/dev/null || break
    sleep 0.1
  done
  die "$name does not listen: $(tail -n 3 "$FOLDER/$name.log")"
}

# shellcheck shell=bash
# What bench-router.sh measures with: the proxies and their settings, one upstream for all, load, and the kernel's
# counts. Sourced after lib.sh.
#
# Must stay true: every process that was started is ended by its id, also after a failure, and all load goes to this
# machine.

PROXIES=(router nginx haproxy caddy)
PROXY_CORE=0
LOAD_CORE=1
CONNECTIONS=64
FOLDER=''
UPSTREAM_PORT=19500
declare -A PID=() TASKS=()
# Figures by "proxy name", separated by blanks.
declare -A FIGURES=()
ROUTER_TOKEN='router-token-router-token-router-token'

begin_bench() {
  FOLDER="$(mktemp -d)"
  chmod 0755 "$FOLDER"
  trap end_bench EXIT
}

end_bench() {
  local name
  for name in "${!PID[@]}"; do kill "${PID[$name]}" 2>/dev/null || true; done
  for name in "${!PID[@]}"; do wait "${PID[$name]}" 2>/dev/null || true; done
  rm -rf -- "$FOLDER"
}

# background NAME CORE COMMAND...: its output goes to a file of its name.
background() {
  local name="$1" core="$2"
  shift 2
  taskset --cpu-list "$core" "$@" >"$FOLDER/$name.log" 2>&1 &
  PID[$name]=$!
}

port_of() {
  case "$1" in
    router) printf 19501 ;;
    nginx) printf 19502 ;;
    haproxy) printf 19503 ;;
    caddy) printf 19504 ;;
  esac
}

host_name() { printf 'host-%s.localhost' "$1"; }

# The upstream address of a number; the same rule as in the neighbours' program.
upstream_of() {
  local number=$(($1 + 1))
  printf '127.1.%d.%d:%d' $((number / 256)) $((number % 256)) "$UPSTREAM_PORT"
}

# Builds the router and its neighbours, and starts the neighbours and the upstream.
start_neighbours() {
  local target_dir host
  HOSTS="$1"
  step "Building the router and its neighbours"
  "$CHECKOUT/scripts/build-images.sh" --binaries
  target_dir="${CARGO_TARGET_DIR:-$CHECKOUT/target}"
  host="$("${BUILDER[@]}" rustc -vV | sed -n 's/^host: //p')"
  ROUTER="$target_dir/$host/release/router-proxy"
  (cd "$CHECKOUT" && "${BUILDER[@]}" env CARGO_TARGET_DIR="$target_dir" \
    cargo build --locked --quiet -p router-proxy --example bench_router)
  step "Starting $1 instances' worth of neighbours, the upstream, and ${PROXIES[*]}"
  mkfifo "$FOLDER/commands"
  taskset --cpu-list "$LOAD_CORE" "$target_dir/debug/examples/bench_router" "$FOLDER" "$1" "$UPSTREAM_PORT" \
    <"$FOLDER/commands" >"$FOLDER/neighbours.log" 2>&1 &
  PID[neighbours]=$!
  exec {COMMANDS}>"$FOLDER/commands"
  ANSWERS=0
  next_answer
  AUTHZ="${REPLY#authz }"
  next_answer
  DEPLOY="${REPLY#deploy }"
  upstream_conf >"$FOLDER/upstream.conf"
  background upstream "$LOAD_CORE" nginx -p "$FOLDER" -c "$FOLDER/upstream.conf"
  load_script >"$FOLDER/load.lua"
}

# The next line of the neighbours' output, in REPLY.
next_answer() {
  local tries
  ANSWERS=$((ANSWERS + 1))
  for ((tries = 0; tries < 6000; tries++)); do
    REPLY="$(sed -n "${ANSWERS}p" "$FOLDER/neighbours.log")"
    [[ -z $REPLY ]] || return 0
    kill -0 "${PID[neighbours]}" 2>/dev/null || break
    sleep 0.1
  done
  die "the neighbours do not answer: $(tail -n 3 "$FOLDER/neighbours.log")"
}

tell_neighbours() {
  printf '%s\n' "$1" >&"$COMMANDS"
  next_answer
}

upstream_conf() {
  cat <<END
daemon off; worker_processes 1; pid $FOLDER/upstream.pid; error_log $FOLDER/upstream.error;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; default_type text/plain;
  server { listen 0.0.0.0:$UPSTREAM_PORT; location / { return 200 "hello from the instance\n"; } }
}
END
}

start_router() {
  local port
  port="$(port_of router)"
  background router "$PROXY_CORE" env -i PROJECT_ROOT="$FOLDER" ROUTER_ROUTES_DIR="$FOLDER/conf.d" \
    ROUTER_STATE_DIR="$FOLDER/state" ROUTER_LISTEN="127.0.0.1:$port" ROUTER_ADMIN_LISTEN=127.0.0.1:19511 \
    BEAVER_BASE_DOMAIN=localhost DEPLOY_PUBLIC_PORT="$port" BEAVER_AUTHZ_URL="http://$AUTHZ" \
    BEAVER_DEPLOY_URL="http://$DEPLOY" BEAVER_ROUTER_TOKEN="$ROUTER_TOKEN" BEAVER_LOG_FORMAT=json RUST_LOG=info "$ROUTER"
}

start_nginx() {
  local n
  {
    cat <<END
daemon off; worker_processes 1; pid $FOLDER/nginx.pid; error_log $FOLDER/nginx.error;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; map_hash_max_size 16384; map_hash_bucket_size 128;
END
    for ((n = 0; n < HOSTS; n++)); do printf 'upstream u%d { server %s; keepalive 8; keepalive_requests 100000000; }\n' "$n" "$(upstream_of "$n")"; done
    printf 'map $%s $%s {\n' host instance
    for ((n = 0; n < HOSTS; n++)); do printf '%s u%d;\n' "$(host_name "$n")" "$n"; done
    cat <<END
}
  server {
    listen 127.0.0.1:$(port_of nginx);
    location / {
      proxy_pass http://\$instance; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host \$http_host; proxy_set_header X-Forwarded-For \$remote_addr;
    }
  }
}
END
  } >"$FOLDER/nginx.conf"
  background nginx "$PROXY_CORE" nginx -p "$FOLDER" -c "$FOLDER/nginx.conf"
}

start_haproxy() {
  local n
  for ((n = 0; n < HOSTS; n++)); do printf '%s u%d\n' "$(host_name "$n")" "$n"; done >"$FOLDER/hosts.map"
  {
    cat <<END
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
  option forwardfor
frontend all
  bind 127.0.0.1:$(port_of haproxy)
  use_backend %[req.hdr(host),field(1,:),lower,map_str($FOLDER/hosts.map)]
END
    for ((n = 0; n < HOSTS; n++)); do printf 'backend u%d\n  server s %s\n' "$n" "$(upstream_of "$n")"; done
  } >"$FOLDER/haproxy.cfg"
  background haproxy "$PROXY_CORE" haproxy -db -f "$FOLDER/haproxy.cfg"
}

start_caddy() {
  local n
  {
    printf '{\n admin off\n auto_https off\n}\n'
    for ((n = 0; n < HOSTS; n++)); do
      printf 'http://%s:%s {\n bind 127.0.0.1\n reverse_proxy %s\n}\n' "$(host_name "$n")" "$(port_of caddy)" "$(upstream_of "$n")"
    done
  } >"$FOLDER/Caddyfile"
  background caddy "$PROXY_CORE" env HOME="$FOLDER" XDG_DATA_HOME="$FOLDER" caddy run --adapter caddyfile --config "$FOLDER/Caddyfile"
}

# Waits until the proxy answers the first and the last host's request, and looks up its threads' processes.
until_it_serves() {
  local name="$1" tries line status
  for line in "$(head -n 1 "$FOLDER/requests.tsv")" "$(tail -n 1 "$FOLDER/requests.tsv")"; do
    for ((tries = 0; ; tries++)); do
      status="$(curl --silent --noproxy '*' --output /dev/null --write-out '%{http_code}' --max-time 5 \
        --header "Host: ${line%%$'\t'*}" --header "Cookie: ${line#*$'\t'}" "http://127.0.0.1:$(port_of "$name")/")" || true
      [[ $status != 200 ]] || break
      [[ $tries -lt 300 ]] || die "$name does not serve (status $status): $(tail -n 3 "$FOLDER/$name.log")"
      sleep 0.1
    done
  done
  TASKS[$name]="${PID[$name]} $({ pgrep --parent "${PID[$name]}" || true; } | tr '\n' ' ')"
}

# Each request of the file in turn, ready made.
load_script() {
  cat <<END
local requests, at = {}, 0
function init()
  for line in io.lines("$FOLDER/requests.tsv") do
    local host, cookie = line:match("^(%S+)\t(.+)$")
    requests[#requests + 1] = wrk.format("GET", "/", { Host = host, Cookie = cookie })
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local errors = summary.errors
  local bad = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("figures %d %d %.1f %.1f %.1f\n", summary.requests, bad,
    summary.requests / summary.duration * 1e6, latency:percentile(50), latency:percentile(99)))
end
END
}

# load NAME SECONDS: REPLY is `requests bad per-second p50 p99`, times in microseconds.
load() {
  REPLY="$(taskset --cpu-list "$LOAD_CORE" wrk --threads 1 --connections "$CONNECTIONS" --duration "$2s" --timeout 10s \
    --script "$FOLDER/load.lua" "http://127.0.0.1:$(port_of "$1")/" | sed -n 's/^figures //p')"
  [[ -n $REPLY ]] || die "the load on $1 told no figures"
  [[ $(cut -d ' ' -f 2 <<<"$REPLY") == 0 ]] || die "$1 answered $(cut -d ' ' -f 2 <<<"$REPLY") requests wrongly"
}

# Nanoseconds of processor time of all threads so far.
cpu_time() {
  local pid
  for pid in ${TASKS[$1]}; do cat "/proc/$pid/task/"*/schedstat; done | awk '{ sum += $1 } END { printf "%.0f", sum }'
}

# Resident megabytes of all its processes.
memory_of() {
  local pid
  for pid in ${TASKS[$1]}; do sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; done |
    awk '{ sum += $1 } END { printf "%.1f", sum / 1024 }'
}

record() { FIGURES["$1 $2"]+=" $3"; } # PROXY NAME VALUE
last() { printf '%s' "${FIGURES["$1 $2"]##* }"; }

median_of() { # PROXY NAME
  tr ' ' '\n' <<<"${FIGURES["$1 $2"]}" | grep . | sort -g |
    awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

measure() { # PROXY SECONDS
  local before after count per_second p50 p99
  load "$1" 1
  before="$(cpu_time "$1")"
  load "$1" "$2"
  after="$(cpu_time "$1")"
  read -r count _ per_second p50 p99 <<<"$REPLY"
  record "$1" cpu "$(awk -v ns=$((after - before)) -v n="$count" 'BEGIN { printf "%.2f", ns / 1000 / n }')"
  record "$1" rate "$per_second"
  record "$1" p50 "$p50"
  record "$1" p99 "$p99"
  record "$1" memory "$(memory_of "$1")"
}

# count_syscalls PROXY SECONDS: those of all its threads while the load lasts.
count_syscalls() {
  local pid args=() tracer count
  for pid in ${TASKS[$1]}; do args+=(--attach "$pid"); done
  taskset --cpu-list "$LOAD_CORE" strace --follow-forks --summary-only --output "$FOLDER/$1.strace" "${args[@]}" 2>"$FOLDER/$1.strace.log" &
  tracer=$!
  sleep_until_traced "$1"
  load "$1" "$2"
  count="$(cut -d ' ' -f 1 <<<"$REPLY")"
  kill -INT "$tracer"
  wait "$tracer" || true
  # Columns: share, seconds, microseconds a call, calls, perhaps errors, name.
  record "$1" calls "$(awk -v n="$count" '$NF == "total" { printf "%.2f", $4 / n }' "$FOLDER/$1.strace")"
}

sleep_until_traced() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    grep -qs '^TracerPid:[^0-9]*[1-9]' "/proc/${TASKS[$1]%% *}/status" && return 0
    sleep 0.1
  done
  die "strace cannot attach to $1: $(tail -n 1 "$FOLDER/$1.strace.log")"
}

# Waits until the router counts so many routes.
sleep_until_known() {
  local tries
  for ((tries = 0; tries < 300; tries++)); do
    curl --silent --noproxy '*' http://127.0.0.1:19511/metrics | grep -q "^beaver_router_routes[^ ]* $1\$" && return 0
    sleep 0.1
  done
  die "the router does not know $1 routes: $(curl --silent --noproxy '*' http://127.0.0.1:19511/metrics | grep '_routes')"
}

print_table() {
  local proxy
  printf '\n%-10s %12s %10s %12s %10s %10s %10s %10s\n' proxy 'cpu us/req' 'x nginx' 'syscalls/req' 'req/s' 'p50 us' 'p99 us' 'MB'
  for proxy in "${PROXIES[@]}"; do
    printf '%-10s %12.2f %10.2f %12.2f %10.0f %10.0f %10.0f %10.1f\n' "$proxy" "$(median_of "$proxy" cpu)" \
      "$(awk -v a="$(median_of "$proxy" cpu)" -v b="$(median_of nginx cpu)" 'BEGIN { print a / b }')" \
      "$(median_of "$proxy" calls)" "$(median_of "$proxy" rate)" "$(median_of "$proxy" p50)" "$(median_of "$proxy" p99)" \
      "$(median_of "$proxy" memory)"
  done
  printf '\n'
}

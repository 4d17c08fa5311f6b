# shellcheck shell=bash
# Checks of the machine before anything is changed: ports, subnets, disk. Sourced after lib.sh.
#
# Must stay true: every fault is found before the first is reported, and each names the variable to change.

HOST_FAULTS=()

# The listen variables and the service whose running container may hold the port.
LISTENERS=(
  PORTAL_LISTEN:auth-portal PORTAL_ADMIN_LISTEN:auth-portal
  AUTHZ_LISTEN:authz-service AUTHZ_INSTANCE_LISTEN:authz-service AUTHZ_ADMIN_LISTEN:authz-service
  DEPLOY_LISTEN:deploy-control DEPLOY_ADMIN_LISTEN:deploy-control
  ROUTER_LISTEN:router-proxy ROUTER_ADMIN_LISTEN:router-proxy ROUTER_TLS_LISTEN:router-proxy
)

container_runs() {
  [[ $(docker container inspect --format '{{.State.Running}}' "$1" 2>/dev/null) == true ]]
}

check_ports() {
  local entry name service address port taken local_address
  taken="$(ss -Hltn | awk '{ print $4 }')"
  for entry in "${LISTENERS[@]}"; do
    name="${entry%%:*}" service="${entry##*:}"
    [[ -n ${!name:-} ]] || continue
    ! container_runs "$(container_of "$service")" || continue
    address="${!name%:*}" port="${!name##*:}"
    # Without root's powers a process may not bind the low ports.
    if [[ $port -lt $(</proc/sys/net/ipv4/ip_unprivileged_port_start) ]]; then
      HOST_FAULTS+=("$name: $service runs without root's powers and may not listen on port $port: choose a port from 1024 up and put Caddy or Nginx in front (see ops/)")
      continue
    fi
    while IFS= read -r local_address; do
      [[ ${local_address##*:} == "$port" ]] || continue
      local_address="${local_address%:*}"
      local_address="${local_address%%%*}"
      case "$local_address:$address" in
        "$address:$address" | '*:'* | '0.0.0.0:'* | '[::]:'* | *':0.0.0.0' | *':[::]')
          HOST_FAULTS+=("port $port, which $service needs, is taken: free it (ss -ltnp 'sport = :$port') or set $name")
          break
          ;;
      esac
    done <<<"$taken"
  done
}

ip_number() {
  local IFS=. parts
  read -r -a parts <<<"$1"
  printf '%s' "$(((parts[0] << 24) + (parts[1] << 16) + (parts[2] << 8) + parts[3]))"
}

# subnets_overlap A B: true when one contains the other.
subnets_overlap() {
  local a="${1%/*}" b="${2%/*}" a_bits="${1#*/}" b_bits="${2#*/}" bits mask
  bits=$((a_bits < b_bits ? a_bits : b_bits))
  mask=$(((0xffffffff << (32 - bits)) & 0xffffffff))
  [[ $(($(ip_number "$a") & mask)) -eq $(($(ip_number "$b") & mask)) ]]
}

check_subnets() {
  local route device name
  if subnets_overlap "$BEAVER_INSTANCE_SUBNET" "$BEAVER_CONTROL_SUBNET"; then
    HOST_FAULTS+=("BEAVER_INSTANCE_SUBNET and BEAVER_CONTROL_SUBNET overlap")
  fi
  while read -r route device; do
    [[ $device != "$BEAVER_BRIDGE_PREFIX"* ]] || continue
    [[ $route == */* ]] || route="$route/32"
    [[ $route =~ ^[0-9.]+/[0-9]+$ && $route != */0 ]] || continue
    for name in BEAVER_INSTANCE_SUBNET BEAVER_CONTROL_SUBNET; do
      ! subnets_overlap "${!name}" "$route" ||
        HOST_FAULTS+=("$name ${!name} overlaps the host's route $route (device $device): choose another subnet")
    done
  done < <(ip -4 route show table all | awk '$1 !~ /^(default|broadcast|multicast|local|unreachable|blackhole|prohibit)$/ {
    device = "-"
    for (i = 2; i < NF; i++) if ($i == "dev") device = $(i + 1)
    print $1, device
  }')
}

# check_disk PATH MEBIBYTES WHAT-FOR
check_disk() {
  local path="$1" free
  while [[ ! -d $path ]]; do path="$(dirname "$path")"; done
  free="$(df -Pk "$path" | awk 'NR == 2 { print int($4 / 1024) }')"
  [[ $free -ge $2 ]] || HOST_FAULTS+=("$free MiB are free at $path, and $3 needs $2 MiB")
}

report_host_faults() {
  [[ ${#HOST_FAULTS[@]} -eq 0 ]] || die "this machine is not ready:$(printf '\n  - %s' "${HOST_FAULTS[@]}")"
}

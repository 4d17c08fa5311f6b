#!/usr/bin/env bash
# Firewall rules that keep instances away from this machine, its network and each other.
#
# Usage: firewall.sh [--check | --remove | --help]
#
#   (nothing)   sets the rules; running it again replaces them by the same
#   --check     changes nothing; exit code 1 when a rule is missing
#   --remove    takes the rules away
#
# From an instance's bridge to this machine: answers to what the router asked, the issuer's address, and name
# servers. From it outward: no private, link-local or carrier range, and no other instance. What
# BEAVER_EGRESS_ALLOW lists (cidr or cidr:port, comma separated) is let through in both. From elsewhere to an
# instance: nothing, the router is on this machine. IPv6: nothing.
#
# Needs root. Works with iptables over nftables or legacy, whichever Docker uses. Reads BEAVER_ENV_FILE
# (default: .env in the checkout).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# Where no instance may go (RFC 6890 and multicast).
CLOSED_RANGES=(
  0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
  192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
)

fw() { iptables --wait 10 "$@"; }
fw6() { ip6tables --wait 10 "$@"; }

# The name servers that Docker hands to containers: those of the host, unless they are the host's own stub.
name_servers() {
  local file=/etc/resolv.conf
  if grep -qs '^nameserver[[:space:]]*127\.' "$file" && [[ -e /run/systemd/resolve/resolv.conf ]]; then
    file=/run/systemd/resolve/resolv.conf
  fi
  awk '$1 == "nameserver" && $2 ~ /^[0-9.]+$/ && $2 !~ /^127\./ { print $2 }' "$file" 2>/dev/null | sort -u
}

# Prints one match a line for each entry of BEAVER_EGRESS_ALLOW.
allowed_matches() {
  local entry entries
  IFS=, read -r -a entries <<<"${BEAVER_EGRESS_ALLOW:-}"
  for entry in "${entries[@]}"; do
    [[ -n $entry ]] || continue
    if [[ $entry =~ ^([0-9.]+(/[0-9]+)?)$ ]]; then
      printf -- '-d %s\n' "${BASH_REMATCH[1]}"
    elif [[ $entry =~ ^([0-9.]+(/[0-9]+)?):([0-9]+)$ ]]; then
      printf -- '-d %s -p tcp --dport %s\n' "${BASH_REMATCH[1]}" "${BASH_REMATCH[3]}"
    else
      die "BEAVER_EGRESS_ALLOW: \"$entry\" is not cidr or cidr:port, such as 10.1.2.3:11434"
    fi
  done
}

# The rules of both chains, one a line, in their order.
rules() {
  local match server range
  printf -- '%s -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n' "$CHAIN_IN"
  printf -- '%s -d %s/32 -p tcp --dport %s -j ACCEPT\n' "$CHAIN_IN" \
    "${AUTHZ_INSTANCE_LISTEN%:*}" "${AUTHZ_INSTANCE_LISTEN##*:}"
  # RETURN: Docker's own rules go on to decide, as they do for any container.
  printf -- '%s -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n' "$CHAIN_FORWARD"
  printf -- '%s -o %s -j REJECT\n' "$CHAIN_FORWARD" "$BRIDGES"
  while IFS= read -r match; do
    [[ -n $match ]] || continue
    printf -- '%s %s -j ACCEPT\n' "$CHAIN_IN" "$match"
    printf -- '%s %s -j RETURN\n' "$CHAIN_FORWARD" "$match"
  done <<<"$ALLOWED"
  while IFS= read -r server; do
    [[ -n $server ]] || continue
    for match in udp tcp; do
      printf -- '%s -d %s/32 -p %s --dport 53 -j ACCEPT\n' "$CHAIN_IN" "$server" "$match"
      printf -- '%s -d %s/32 -p %s --dport 53 -j RETURN\n' "$CHAIN_FORWARD" "$server" "$match"
    done
  done < <(name_servers)
  printf -- '%s -j REJECT\n' "$CHAIN_IN"
  for range in "${CLOSED_RANGES[@]}"; do
    printf -- '%s -d %s -j REJECT\n' "$CHAIN_FORWARD" "$range"
  done
  printf -- '%s -j RETURN\n' "$CHAIN_FORWARD"
}

# The places where the chains are hooked in, one a line: chain, then the rule. Each goes on top of the one
# before. The second keeps strangers that route through this machine from reaching an instance past the router.
hooks() {
  printf -- 'INPUT -i %s -j %s\n' "$BRIDGES" "$CHAIN_IN"
  printf -- 'DOCKER-USER -o %s -m conntrack --ctstate NEW -j DROP\n' "$BRIDGES"
  printf -- 'DOCKER-USER -i %s -j %s\n' "$BRIDGES" "$CHAIN_FORWARD"
}

hooks6() {
  printf -- 'INPUT -i %s -j DROP\n' "$BRIDGES"
  printf -- 'FORWARD -i %s -j DROP\n' "$BRIDGES"
}

has_ipv6() { [[ -e /proc/net/if_inet6 ]] && command -v ip6tables >/dev/null && fw6 -S INPUT >/dev/null 2>&1; }

# split_run LINE COMMAND...: runs the command with the words of the line.
split_run() {
  local words
  read -r -a words <<<"$1"
  "${@:2}" "${words[@]}"
}

insert_hook() { # TOOL CHAIN RULE...: at the top, and only where it is missing
  "$1" -C "${@:2}" 2>/dev/null || "$1" -I "${@:2}"
}

delete_hook() { # TOOL CHAIN RULE...
  while "$1" -D "${@:2}" 2>/dev/null; do :; done
}

# All rules of a chain at once, so that there is no moment without them.
fill_chains() {
  {
    printf '*filter\n:%s - [0:0]\n:%s - [0:0]\n' "$CHAIN_IN" "$CHAIN_FORWARD"
    rules | sed 's/^/-A /'
    printf 'COMMIT\n'
  } | iptables-restore --wait 10 --noflush
}

set_rules() {
  local line
  # Docker makes DOCKER-USER, jumps to it first of all, and leaves its content alone. Before Docker's first
  # start (at boot, say) it is made here.
  if ! fw -S DOCKER-USER >/dev/null 2>&1; then
    fw -N DOCKER-USER
    fw -I FORWARD -j DOCKER-USER
  fi
  fill_chains
  while IFS= read -r line; do split_run "$line" insert_hook fw; done < <(hooks)
  if has_ipv6; then
    while IFS= read -r line; do split_run "$line" insert_hook fw6; done < <(hooks6)
  fi
}

remove_rules() {
  local line chain
  while IFS= read -r line; do split_run "$line" delete_hook fw; done < <(hooks)
  for chain in "$CHAIN_IN" "$CHAIN_FORWARD"; do
    if fw -F "$chain" 2>/dev/null; then fw -X "$chain"; fi
  done
  if has_ipv6; then
    while IFS= read -r line; do split_run "$line" delete_hook fw6; done < <(hooks6)
  fi
}

# Names each missing rule.
check_rules() {
  local line missing=0
  while IFS= read -r line; do
    split_run "$line" fw -C 2>/dev/null || { warn "missing: iptables $line"; missing=1; }
  done < <(rules; hooks)
  if has_ipv6; then
    while IFS= read -r line; do
      split_run "$line" fw6 -C 2>/dev/null || { warn "missing: ip6tables $line"; missing=1; }
    done < <(hooks6)
  fi
  return "$missing"
}

action='set'
case "${1:-}" in
  '') ;;
  --check) action=check ;;
  --remove) action=remove ;;
  -h | --help) show_help ;;
  *) die_usage "unknown option $1" ;;
esac
require_root "$@"
load_env
command -v iptables >/dev/null || die "iptables is not installed: scripts/up.sh installs it"
BRIDGES="$BEAVER_BRIDGE_PREFIX+"
CHAIN_IN="${BEAVER_INSTALLATION^^}-IN"
CHAIN_FORWARD="${BEAVER_INSTALLATION^^}-FWD"
ALLOWED="$(allowed_matches)"

case "$action" in
  set)
    set_rules
    ok "the firewall rules for $BRIDGES are set (chains $CHAIN_IN and $CHAIN_FORWARD)"
    ;;
  check)
    check_rules || die "firewall rules are missing: run scripts/firewall.sh"
    ok "the firewall rules for $BRIDGES are in place"
    ;;
  remove)
    remove_rules
    ok "removed the firewall rules for $BRIDGES"
    ;;
esac

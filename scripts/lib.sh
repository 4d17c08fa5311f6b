# shellcheck shell=bash
# shellcheck disable=SC2034 # the variables are for those who source this
# What every script needs first: paths, messages, the env file and what follows from it. Sourced, never run.
#
# Must stay true: the env file is data, never code (it is parsed, not sourced), and what is in it wins over
# the caller's environment, so that a script does the same whoever calls it. Everything that two installations
# on one machine could fight over is derived here from BEAVER_INSTALLATION or set in the env file.

[[ -n ${BEAVER_LIB_LOADED:-} ]] && return 0
BEAVER_LIB_LOADED=1

CHECKOUT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
ENV_FILE="${BEAVER_ENV_FILE:-$CHECKOUT/.env}"
# The names are those of the processes, the images (beaver/<name>) and the containers (<installation>-<name>).
# They are listed in the order in which they must start.
SERVICES=(docker-guard authz-service deploy-control router-proxy auth-portal)

# --- messages -------------------------------------------------------------------------------------------

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  BOLD=$'\e[1m' RED=$'\e[31m' YELLOW=$'\e[33m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
  BOLD='' RED='' YELLOW='' GREEN='' PLAIN=''
fi

step() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
say() { printf '    %s\n' "$*" >&2; }
ok() { printf '    %sok%s %s\n' "$GREEN" "$PLAIN" "$*" >&2; }
warn() { printf '%swarning:%s %s\n' "$YELLOW" "$PLAIN" "$*" >&2; }
die() {
  printf '%serror:%s %s\n' "$RED" "$PLAIN" "$*" >&2
  exit 1
}
die_usage() {
  printf '%serror:%s %s (see --help)\n' "$RED" "$PLAIN" "$*" >&2
  exit 64
}

# Prints the comment at the head of the calling script: the help is written once.
show_help() {
  sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "$0"
  exit 0
}

# confirm QUESTION: true when the person at the terminal types "yes".
confirm() {
  local answer
  [[ -t 0 ]] || die "this needs a yes, and there is nobody to ask: give --yes"
  read -r -p "$1 Type yes to go on: " answer
  [[ $answer == yes ]]
}

# quietly COMMAND...: its output is shown only where it fails.
quietly() {
  local log status=0
  log="$(mktemp)"
  "$@" >"$log" 2>&1 || status=$?
  [[ $status -eq 0 ]] || cat "$log" >&2
  rm -f -- "$log"
  return "$status"
}

is_root() { [[ $EUID -eq 0 ]]; }

require_root() {
  is_root || die "this changes networks, firewall rules or files of other users: run it with sudo, sudo $0 $*"
}

# --- the env file ---------------------------------------------------------------------------------------

# Every variable that the env file may set. .env.example explains each of them.
ENV_NAMES=(
  PROJECT_ROOT BEAVER_INSTALLATION BEAVER_IMAGE_TAG BEAVER_PROXY_CONTAINER_NAME
  BEAVER_BASE_DOMAIN DEPLOY_PUBLIC_SCHEME DEPLOY_PUBLIC_BASE_DOMAIN DEPLOY_PUBLIC_PORT PORTAL_PUBLIC_URL
  BEAVER_TRUSTED_PROXIES BEAVER_PROXY_PROTOCOL BEAVER_REGISTRATION BEAVER_PASSWORD_MIN BEAVER_LOGIN_BURST
  BEAVER_ADMIN_SECOND_FACTOR
  BEAVER_AUDIT_DAYS BEAVER_AUDIT_SYSLOG BEAVER_AUDIT_WEBHOOK BEAVER_AUDIT_WEBHOOK_SECRET
  BEAVER_SMTP_HOST BEAVER_SMTP_PORT BEAVER_SMTP_TLS BEAVER_SMTP_USER BEAVER_SMTP_PASSWORD BEAVER_SMTP_CA_FILE
  BEAVER_MAIL_FROM BEAVER_EMAIL_VERIFICATION
  BEAVER_UPSTREAM_ISSUER BEAVER_UPSTREAM_CLIENT_ID BEAVER_UPSTREAM_CLIENT_SECRET BEAVER_UPSTREAM_NAME
  BEAVER_UPSTREAM_SCOPES
  BEAVER_DEPLOY_TOKEN BEAVER_AUTHZ_INTERNAL_TOKEN BEAVER_ROUTER_TOKEN
  PORTAL_LISTEN PORTAL_ADMIN_LISTEN AUTHZ_LISTEN AUTHZ_INSTANCE_LISTEN AUTHZ_ADMIN_LISTEN
  DEPLOY_LISTEN DEPLOY_ADMIN_LISTEN ROUTER_LISTEN ROUTER_ADMIN_LISTEN ROUTER_TLS_LISTEN ROUTER_TLS_DIR
  BEAVER_DEPLOY_URL BEAVER_AUTHZ_URL AUTHZ_ISSUER
  BEAVER_NET BEAVER_BRIDGE_PREFIX BEAVER_INSTANCE_SUBNET BEAVER_CONTROL_SUBNET BEAVER_EGRESS_ALLOW
  BEAVER_INSTANCE_IMAGE BEAVER_INSTANCE_MEMORY BEAVER_INSTANCE_CPUS BEAVER_INSTANCE_PIDS BEAVER_INSTANCE_DISK
  BEAVER_INSTANCE_UID_BASE BEAVER_IDLE_SLEEP BEAVER_IDLE_PAUSE BEAVER_ALLOW_UNISOLATED
  BEAVER_OUTLOOK_MCP_URL BEAVER_OUTLOOK_MCP_SERVER_ID
  RUST_LOG BEAVER_LOG_FORMAT
)

# Reads the env file into shell variables. Each fault is named, all of them at once.
read_env_file() {
  local line name value number=0 faults=()
  unset -v "${ENV_NAMES[@]}"
  while IFS= read -r line || [[ -n $line ]]; do
    number=$((number + 1))
    line="${line%$'\r'}"
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
    if [[ ! $line =~ ^([A-Z][A-Z0-9_]*)=(.*)$ ]]; then
      faults+=("line $number is not NAME=value")
      continue
    fi
    name="${BASH_REMATCH[1]}" value="${BASH_REMATCH[2]}"
    if [[ " ${ENV_NAMES[*]} " != *" $name "* ]]; then
      warn "$ENV_FILE: $name is not a variable of Beaver's (line $number); it is ignored"
      continue
    fi
    # Compose and systemd read these values too and treat such characters each in its own way.
    if [[ $value == *[\"\'\\\$\`\#]* || $value =~ [[:space:]] ]]; then
      faults+=("$name (line $number) has a quote, a blank or one of \\ \$ \` #: write the plain value")
      continue
    fi
    printf -v "$name" '%s' "$value"
  done <"$ENV_FILE"
  [[ ${#faults[@]} -eq 0 ]] || die "$ENV_FILE cannot be used:$(printf '\n  - %s' "${faults[@]}")"
}

# Default values of what the scripts need to know themselves. What they do not need is left unset, and the
# services' own defaults hold.
fill_defaults() {
  : "${PROJECT_ROOT:=$CHECKOUT}"
  : "${BEAVER_INSTALLATION:=beaver}"
  : "${BEAVER_IMAGE_TAG:=latest}"
  : "${BEAVER_PROXY_CONTAINER_NAME:=$BEAVER_INSTALLATION-router-proxy}"
  : "${BEAVER_BASE_DOMAIN:=localhost}"
  : "${BEAVER_NET:=$BEAVER_INSTALLATION-instance-edge}"
  if [[ -z ${BEAVER_BRIDGE_PREFIX:-} ]]; then
    BEAVER_BRIDGE_PREFIX="br-${BEAVER_INSTALLATION:0:7}-"
    [[ $BEAVER_INSTALLATION != beaver ]] || BEAVER_BRIDGE_PREFIX=br-bvr-
  fi
  : "${BEAVER_INSTANCE_SUBNET:=10.89.0.0/16}"
  : "${BEAVER_CONTROL_SUBNET:=10.88.0.0/24}"
  : "${BEAVER_INSTANCE_IMAGE:=beaver/app-instance:$BEAVER_IMAGE_TAG}"
  : "${PORTAL_LISTEN:=127.0.0.1:3081}"
  : "${PORTAL_ADMIN_LISTEN:=127.0.0.1:3082}"
  : "${AUTHZ_LISTEN:=127.0.0.1:19090}"
  : "${AUTHZ_ADMIN_LISTEN:=127.0.0.1:19091}"
  : "${DEPLOY_LISTEN:=127.0.0.1:8090}"
  : "${DEPLOY_ADMIN_LISTEN:=127.0.0.1:8091}"
  : "${ROUTER_LISTEN:=0.0.0.0:8088}"
  : "${ROUTER_ADMIN_LISTEN:=127.0.0.1:8089}"
  CONTROL_IP="$(first_address "$BEAVER_CONTROL_SUBNET")"
  : "${AUTHZ_INSTANCE_LISTEN:=$CONTROL_IP:19090}"
  : "${AUTHZ_ISSUER:=http://beaver-authz-service:${AUTHZ_INSTANCE_LISTEN##*:}}"
  : "${BEAVER_DEPLOY_URL:=http://$DEPLOY_LISTEN}"
  : "${BEAVER_AUTHZ_URL:=http://$AUTHZ_LISTEN}"
  : "${DEPLOY_PUBLIC_SCHEME:=http}"
  : "${DEPLOY_PUBLIC_BASE_DOMAIN:=$BEAVER_BASE_DOMAIN}"
  if [[ -z ${DEPLOY_PUBLIC_PORT:-} ]]; then
    DEPLOY_PUBLIC_PORT="${ROUTER_LISTEN##*:}"
    [[ $DEPLOY_PUBLIC_SCHEME != https ]] || DEPLOY_PUBLIC_PORT=443
  fi
  : "${PORTAL_PUBLIC_URL:=http://localhost:${PORTAL_LISTEN##*:}}"
  : "${BEAVER_LOG_FORMAT:=json}"
  : "${RUST_LOG:=info}"
  RUNTIME="$PROJECT_ROOT/runtime"
  : "${ROUTER_TLS_DIR:=$RUNTIME/router/tls}"
  CONTROL_NET="$BEAVER_INSTALLATION-control"
  CONTROL_INTERFACE="${BEAVER_BRIDGE_PREFIX}ctl"
}

# The first host address of a subnet, such as 10.88.0.1 of 10.88.0.0/24; empty for what is no subnet.
first_address() {
  [[ $1 =~ ^([0-9]+\.[0-9]+\.[0-9]+)\.([0-9]+)/[0-9]+$ ]] || return 0
  printf '%s.%s' "${BASH_REMATCH[1]}" "$((BASH_REMATCH[2] + 1))"
}

# Names what is wrong with the settings that end up in commands, names and rules here; the services check
# the rest themselves.
check_settings() {
  local faults=() name token subnet='^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$' listen='^[][0-9a-fA-F.:]+:[0-9]{1,5}$'
  # At most 20: `<NAME>-FWD` is the name of a firewall chain.
  [[ $BEAVER_INSTALLATION =~ ^[a-z](-?[a-z0-9]){2,19}$ && ${#BEAVER_INSTALLATION} -le 20 ]] ||
    faults+=("BEAVER_INSTALLATION: must be 3 to 20 of a-z, 0-9 and single hyphens, beginning with a letter")
  [[ $BEAVER_BRIDGE_PREFIX =~ ^[a-z][a-z0-9-]{0,9}-$ ]] ||
    faults+=("BEAVER_BRIDGE_PREFIX: must be at most 11 of a-z, 0-9 and hyphens, ending with a hyphen")
  for name in PROJECT_ROOT ROUTER_TLS_DIR; do
    [[ ${!name} =~ ^/[^[:space:]:]*$ ]] ||
      faults+=("$name: must be an absolute path without blanks and colons (it becomes a bind mount)")
  done
  for name in BEAVER_INSTANCE_SUBNET BEAVER_CONTROL_SUBNET; do
    [[ ${!name} =~ $subnet ]] || faults+=("$name: must be an IPv4 subnet such as 10.89.0.0/16")
  done
  for name in PORTAL_LISTEN PORTAL_ADMIN_LISTEN AUTHZ_LISTEN AUTHZ_INSTANCE_LISTEN AUTHZ_ADMIN_LISTEN \
    DEPLOY_LISTEN DEPLOY_ADMIN_LISTEN ROUTER_LISTEN ROUTER_ADMIN_LISTEN; do
    [[ ${!name} =~ $listen ]] || faults+=("$name: must be address:port")
  done
  [[ -z ${ROUTER_TLS_LISTEN:-} || $ROUTER_TLS_LISTEN =~ $listen ]] ||
    faults+=("ROUTER_TLS_LISTEN: must be address:port")
  for name in BEAVER_DEPLOY_TOKEN BEAVER_AUTHZ_INTERNAL_TOKEN BEAVER_ROUTER_TOKEN; do
    token="${!name:-}"
    if [[ ${#token} -lt 32 ]]; then
      faults+=("$name: must have at least 32 characters; make one with: head -c 32 /dev/urandom | base64 | tr -d '+/=\\n'")
    fi
  done
  [[ ${#faults[@]} -eq 0 ]] || die "$ENV_FILE needs mending:$(printf '\n  - %s' "${faults[@]}")"
}

# What a script calls first when it works on an installation.
load_env() {
  [[ -e $ENV_FILE ]] || die "there is no $ENV_FILE: run scripts/up.sh first, or set BEAVER_ENV_FILE"
  [[ -r $ENV_FILE ]] || die "$ENV_FILE may not be read by you (it holds secrets): run this with sudo"
  read_env_file
  fill_defaults
  check_settings
}

# --- Docker ---------------------------------------------------------------------------------------------

# Compose in whichever form this machine has it, on this installation's project.
compose() {
  local program=(docker-compose)
  ! docker compose version >/dev/null 2>&1 || program=(docker compose)
  export PROJECT_ROOT BEAVER_INSTALLATION BEAVER_IMAGE_TAG BEAVER_PROXY_CONTAINER_NAME ROUTER_TLS_DIR
  DOCKER_SOCKET_GID="$(stat -Lc %g /var/run/docker.sock)" \
    "${program[@]}" --project-name "${COMPOSE_PROJECT:-$BEAVER_INSTALLATION}" --file "$CHECKOUT/ops/compose.yaml" "$@"
}

# container_of SERVICE: the name of its container.
container_of() {
  if [[ $1 == router-proxy ]]; then
    printf '%s' "$BEAVER_PROXY_CONTAINER_NAME"
  else
    printf '%s-%s' "$BEAVER_INSTALLATION" "$1"
  fi
}

require_docker() {
  command -v docker >/dev/null || die "Docker is not installed: run scripts/up.sh, or install docker.io"
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
    die "Docker does not answer: start it (systemctl start docker), or run this with sudo"
}

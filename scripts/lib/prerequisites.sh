# shellcheck shell=bash
# What the machine must have: found out in one go, then installed on Debian and Ubuntu when root, else named
# all at once with what to do. Sourced after lib.sh by up.sh, build-images.sh and test.sh.
#
# Must stay true: nothing is installed that is already there in another way (a Docker from docker.com, a Rust
# from rustup), and a second run finds nothing to do.

# Where there is no Rust, this one is installed: the checks (clippy above all) were last passed with it. Any newer
# one that is there already is used as it is.
RUST_TO_INSTALL=1.95.0

# What is missing: Debian packages, and in words for people.
MISSING_PACKAGES=()
MISSING_WORDS=()
RUST_MISSING=''

# Rust of the user who called sudo is as good as root's; it must then run as that user.
BUILDER=()

want_command() { # COMMAND PACKAGE... : what it is for is in the caller's comment
  local command="$1"
  shift
  command -v "$command" >/dev/null && return 0
  MISSING_PACKAGES+=("$@")
  MISSING_WORDS+=("$command (Debian package $*)")
}

# The newest package name that this release has.
first_package() {
  local package
  for package; do
    if [[ -n $(apt-cache policy "$package" 2>/dev/null | sed -n 's/^  Candidate: \([^(].*\)/\1/p') ]]; then
      printf '%s' "$package"
      return
    fi
  done
  printf '%s' "${@: -1}"
}

# To run the control plane.
find_missing_runtime() {
  want_command curl curl ca-certificates
  want_command iptables iptables
  want_command ip iproute2
  want_command dockerd docker.io
  # Since Debian 13 the client is a package of its own.
  want_command docker "$(first_package docker-cli docker.io)"
  if ! command -v docker-compose >/dev/null && ! docker compose version >/dev/null 2>&1; then
    local package
    package="$(first_package docker-compose-v2 docker-compose-plugin docker-compose)"
    MISSING_PACKAGES+=("$package")
    MISSING_WORDS+=("docker compose (Debian package $package)")
  fi
}

# To build static binaries: a C compiler for SQLite, the cryptography and the router's allocator, which needs make too,
# and the static C library.
find_missing_build() {
  want_command cc gcc libc6-dev
  want_command make make
  if command -v cc >/dev/null && [[ ! -e $(cc -print-file-name=libc.a) ]]; then
    MISSING_PACKAGES+=(libc6-dev)
    MISSING_WORDS+=("the static C library (Debian package libc6-dev)")
  fi
  find_rust
  [[ -z $RUST_MISSING ]] || MISSING_WORDS+=("$RUST_MISSING")
}

# version_at_least HAVE WANT, such as 1.95.0 1.94
version_at_least() {
  [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# Finds a Rust that is new enough: in PATH, in ~/.cargo/bin, or that of the user who called sudo.
find_rust() {
  local want have='' home
  want="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$CHECKOUT/Cargo.toml")"
  RUST_MISSING=''
  command -v cargo >/dev/null || PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
  have="$(cd "$CHECKOUT" && rustc --version 2>/dev/null | cut -d' ' -f2)" || true
  [[ -z $have ]] || ! version_at_least "$have" "$want" || return 0
  if is_root && [[ -n ${SUDO_USER:-} && $SUDO_USER != root ]]; then
    home="$(getent passwd "$SUDO_USER" | cut -d: -f6)"
    BUILDER=(runuser -u "$SUDO_USER" -- env "HOME=$home" "PATH=$home/.cargo/bin:$PATH" "USER=$SUDO_USER")
    have="$(cd "$CHECKOUT" && "${BUILDER[@]}" rustc --version 2>/dev/null | cut -d' ' -f2)" || true
    [[ -z $have ]] || ! version_at_least "$have" "$want" || return 0
    BUILDER=()
  fi
  RUST_MISSING="Rust $want or newer${have:+ (found $have)}"
}

# Debian's rustup where there is one, else rust-lang.org's own installer.
install_rust() {
  if ! command -v rustup >/dev/null; then
    if [[ $(first_package rustup none) == rustup ]]; then
      apt_install rustup
    else
      install_rustup
    fi
    PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
  fi
  rustup toolchain install "$RUST_TO_INSTALL" --profile minimal >&2
  # Chosen for this run alone: the person's own default stays as it is.
  export RUSTUP_TOOLCHAIN="$RUST_TO_INSTALL"
  find_rust
  [[ -z $RUST_MISSING ]] || die "still missing after the installation: $RUST_MISSING"
}

# The program that https://sh.rustup.rs would fetch, with its checksum compared.
install_rustup() {
  local url folder
  url="https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init"
  folder="$(mktemp -d)"
  say "installing Rust with $url"
  # One chain: in a condition, bash does not stop at the first command that fails.
  if ! (
    cd "$folder" &&
      curl --proto '=https' --tlsv1.2 --fail --silent --show-error --location --remote-name-all "$url" "$url.sha256" &&
      printf '%s  rustup-init\n' "$(cut -d' ' -f1 rustup-init.sha256)" | sha256sum --check --quiet &&
      chmod +x rustup-init &&
      ./rustup-init >/dev/null -y --quiet --no-modify-path --profile minimal --default-toolchain none
  ) >&2; then
    rm -rf -- "$folder"
    die "Rust could not be installed: see https://rustup.rs, then run this again"
  fi
  rm -rf -- "$folder"
}

is_debian() { command -v apt-get >/dev/null && [[ -e /etc/debian_version ]]; }

APT_UPDATED=''
apt_install() {
  if [[ -z $APT_UPDATED ]]; then
    say "apt-get update"
    apt-get update -qq >&2 || warn "apt-get update failed; trying with the lists there are"
    APT_UPDATED=1
  fi
  say "apt-get install $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 ||
    die "apt-get could not install: $*"
}

# meet_prerequisites FINDER...: runs the finders, says everything that is missing, and installs it.
meet_prerequisites() {
  local finder
  MISSING_PACKAGES=() MISSING_WORDS=()
  for finder; do "$finder"; done
  if [[ ${#MISSING_WORDS[@]} -eq 0 ]]; then
    ok "everything that is needed is there"
    return
  fi
  warn "missing on this machine:$(printf '\n  - %s' "${MISSING_WORDS[@]}")"
  is_debian || die "install these in your distribution's way (Rust: https://rustup.rs) and run this again"
  is_root || die "run this with sudo, and it installs them"
  if [[ ${#MISSING_PACKAGES[@]} -gt 0 ]]; then
    # The names were chosen from lists that may have been empty: choose again from fresh ones.
    apt-get update -qq >&2 || warn "apt-get update failed; trying with the lists there are"
    APT_UPDATED=1
    MISSING_PACKAGES=() MISSING_WORDS=()
    for finder; do "$finder"; done
    [[ ${#MISSING_PACKAGES[@]} -eq 0 ]] || apt_install "${MISSING_PACKAGES[@]}"
    hash -r
  fi
  [[ -z $RUST_MISSING ]] || install_rust
  MISSING_PACKAGES=() MISSING_WORDS=()
  for finder; do "$finder"; done
  [[ ${#MISSING_WORDS[@]} -eq 0 ]] ||
    die "still missing after the installation:$(printf '\n  - %s' "${MISSING_WORDS[@]}")"
}

docker_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Starts Docker where it does not run: by systemd, or without it directly.
start_docker() {
  local log=/var/log/beaver-dockerd.log tries
  if docker_answers; then
    ok "Docker $(docker version --format '{{.Server.Version}}') runs"
    return
  fi
  is_root || die "Docker does not answer: run this with sudo, or add yourself to the group docker"
  if [[ -d /run/systemd/system ]]; then
    say "systemctl enable --now docker"
    systemctl enable --now docker >&2 || die "Docker did not start: journalctl -u docker -n 50"
  else
    say "no systemd here: starting dockerd directly, with its log in $log"
    mount_cgroups
    setsid nohup dockerd >>"$log" 2>&1 </dev/null &
  fi
  for ((tries = 0; tries < 120; tries++)); do
    if docker_answers; then
      ok "Docker $(docker version --format '{{.Server.Version}}') runs"
      return
    fi
    ((tries % 20 != 19)) || say "waiting for Docker"
    sleep 0.5
  done
  [[ ! -e $log ]] || tail -n 20 "$log" >&2
  die "Docker does not answer 60 s after its start"
}

# Where no init has done it (a minimal container or virtual machine).
mount_cgroups() {
  [[ ! -e /sys/fs/cgroup/cgroup.controllers && ! -d /sys/fs/cgroup/memory ]] || return 0
  mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || warn "no cgroups could be mounted; Docker may not start"
}

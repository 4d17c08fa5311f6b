#!/usr/bin/env bash
# Builds the static binaries and, from each, an image FROM scratch: beaver/<service>:<tag>.
#
# Usage: build-images.sh [--check | --binaries | --help]
#
#   --check      builds nothing; exit code 1 when an image is missing
#   --binaries   builds the binaries and makes no image
#
# An image whose binary has not changed is left as it is. The tag is BEAVER_IMAGE_TAG of the env file (default
# latest). CARGO_TARGET_DIR is honoured. Needs Docker, Rust, a C compiler and make: scripts/up.sh installs them.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"

# binary:user it runs as. deploy-control is root inside (compose takes all but three capabilities away): it
# gives each instance's folder to that instance's own user. An instance's user is set when it is created.
IMAGES=(docker-guard:65105 authz-service:65101 deploy-control:0 router-proxy:65103 auth-portal:65104 app-instance:65534)

# Goes into each image's label: raise it when build_image makes another image of the same binary.
RECIPE=2

check_images() {
  local entry name missing=0
  for entry in "${IMAGES[@]}"; do
    name="beaver/${entry%%:*}:$BEAVER_IMAGE_TAG"
    docker image inspect "$name" >/dev/null 2>&1 || { warn "there is no image $name"; missing=1; }
  done
  return "$missing"
}

# Builds all binaries; sets BINARIES to their folder.
build_binaries() {
  local target_dir host
  target_dir="${CARGO_TARGET_DIR:-$CHECKOUT/target}"
  host="$("${BUILDER[@]}" rustc -vV | sed -n 's/^host: //p')"
  # With --target the flag reaches our crates but not build scripts and macros, which must stay dynamic.
  (
    cd "$CHECKOUT"
    "${BUILDER[@]}" env RUSTFLAGS="-C target-feature=+crt-static" CARGO_TARGET_DIR="$target_dir" SQLX_OFFLINE=true \
      cargo build --locked --release --target "$host" \
      -p auth-portal -p authz-service -p deploy-control -p router-proxy -p app-instance --bins
  )
  BINARIES="$target_dir/$host/release"
}

# build_image BINARY USER: the binary and three small files, and nothing else. `docker import` makes what a
# Dockerfile with FROM scratch and COPY would, in a tenth of a second, and needs no builder, which an Engine may
# not have.
build_image() {
  local binary="$1" run_as="$2" name="beaver/$1:$BEAVER_IMAGE_TAG" root build have part=control
  [[ $binary != app-instance ]] || part=instance
  build="$({ sha256sum <"$BINARIES/$binary"; printf '%s' "$RECIPE $run_as"; } | sha256sum | cut -c1-32)"
  have="$(docker image inspect --format '{{index .Config.Labels "beaver.build"}}' "$name" 2>/dev/null)" || true
  if [[ $have == "$build" ]]; then
    ok "$name is up to date"
    return
  fi
  root="$(mktemp -d)"
  mkdir -m 0755 "$root/etc"
  # The C library resolves names as this says; without it, /etc/hosts would be left out.
  printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
  printf 'root:x:0:0::/:/none\nbeaver:x:%s:%s::/:/none\n' "$run_as" "$run_as" >"$root/etc/passwd"
  printf 'root:x:0:\nbeaver:x:%s:\n' "$run_as" >"$root/etc/group"
  chmod 0644 "$root"/etc/*
  install -m 0755 "$BINARIES/$binary" "$root/$binary"
  tar --create --directory "$root" --owner 0 --group 0 --numeric-owner --sort name etc "$binary" |
    docker import --change "ENTRYPOINT [\"/$binary\"]" --change "USER $run_as:$run_as" \
      --change "LABEL beaver.build=$build beaver.part=$part" - "$name" >/dev/null ||
    die "the image $name could not be made"
  rm -rf -- "$root"
  ok "built $name ($(docker image inspect --format '{{.Size}}' "$name" | awk '{ printf "%.1f MB", $1 / 1000000 }'))"
}

case "${1:-}" in
  '' | --check | --binaries) ;;
  -h | --help) show_help ;;
  *) die_usage "unknown option $1" ;;
esac
[[ ! -e $ENV_FILE ]] || read_env_file
: "${BEAVER_IMAGE_TAG:=latest}"
if [[ ${1:-} == --check ]]; then
  require_docker
  check_images || exit 1
  exit 0
fi
step "Building the binaries (the first time takes some minutes)"
find_missing_build
[[ ${#MISSING_WORDS[@]} -eq 0 ]] || die "missing (scripts/up.sh installs it):$(printf '\n  - %s' "${MISSING_WORDS[@]}")"
[[ ${1:-} == --binaries ]] || require_docker
build_binaries
[[ ${1:-} != --binaries ]] || exit 0
step "Building the images"
for entry in "${IMAGES[@]}"; do build_image "${entry%%:*}" "${entry##*:}"; done

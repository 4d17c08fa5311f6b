#!/usr/bin/env bash
# Builds the static binaries and, from each, an image FROM scratch: beaver/<service>:<tag>.
#
# Usage: build-images.sh [--check | --help]
#
#   --check   builds nothing; exit code 1 when an image is missing
#
# An image whose binary has not changed is left as it is. The tag is BEAVER_IMAGE_TAG of the env file (default
# latest). CARGO_TARGET_DIR is honoured. Needs Docker, Rust and a C compiler: scripts/up.sh installs them.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"

# binary:user it runs as. deploy-control is root inside (compose takes all but three capabilities away): it
# gives each instance's folder to that instance's own user. An instance's user is set when it is created.
IMAGES=(docker-guard:65105 authz-service:65101 deploy-control:0 router-proxy:65103 auth-portal:65104 app-instance:65534)

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

# build_image BINARY USER
build_image() {
  local binary="$1" run_as="$2" name="beaver/$1:$BEAVER_IMAGE_TAG" context build have
  # What the image is made of: the binary and the recipe.
  build="$({ sha256sum <"$BINARIES/$binary"; sha256sum <"$CHECKOUT/ops/Dockerfile"; printf '%s' "$run_as"; } |
    sha256sum | cut -c1-32)"
  have="$(docker image inspect --format '{{index .Config.Labels "beaver.build"}}' "$name" 2>/dev/null)" || true
  if [[ $have == "$build" ]]; then
    ok "$name is up to date"
    return
  fi
  context="$(mktemp -d)"
  mkdir "$context/etc"
  # The C library resolves names as this says; without it, /etc/hosts would be left out.
  printf 'hosts: files dns\n' >"$context/etc/nsswitch.conf"
  printf 'root:x:0:0::/:/none\n%s' "$([[ $run_as == 0 ]] || echo "$binary:x:$run_as:$run_as::/:/none")" \
    >"$context/etc/passwd"
  printf 'root:x:0:\n' >"$context/etc/group"
  cp "$BINARIES/$binary" "$context/$binary"
  chmod 0755 "$context/$binary" "$context/etc"
  chmod 0644 "$context"/etc/*
  sed "\$a ENTRYPOINT [\"/$binary\"]" "$CHECKOUT/ops/Dockerfile" >"$context/Dockerfile"
  # The builder prints to both; its words are of interest when it fails.
  if ! docker build --tag "$name" --build-arg "BINARY=$binary" --build-arg "BUILD=$build" \
    --build-arg "RUN_AS=$run_as:$run_as" "$context" >"$context.log" 2>&1; then
    cat "$context.log" >&2
    rm -rf -- "$context" "$context.log"
    die "the image $name could not be built"
  fi
  rm -rf -- "$context" "$context.log"
  ok "built $name ($(docker image inspect --format '{{.Size}}' "$name" | awk '{ printf "%.1f MB", $1 / 1000000 }'))"
}

case "${1:-}" in
  '' | --check) ;;
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
require_docker
build_binaries
step "Building the images"
for entry in "${IMAGES[@]}"; do build_image "${entry%%:*}" "${entry##*:}"; done

#!/usr/bin/env bash
# Runs every check: formatting, clippy, shellcheck, unit and service tests, the release binaries, and the
# end-to-end tests against a real Docker Engine and a real browser.
#
# Usage: test.sh [--quick] [--help]
#
#   --quick   leaves out the release binaries and the end-to-end tests (Docker is needed all the same)
#
# As root on Debian or Ubuntu, what is missing is installed first. Shows each step with its time, goes on after a
# failure, and ends with one line: "N passed, M failed". Exit code 0 when nothing failed.
# CARGO_TARGET_DIR is honoured.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/prerequisites.sh
source "$CHECKOUT/scripts/lib/prerequisites.sh"

PASSED=0
FAILED=0
SUMMARY=()

find_missing_checks() {
  want_command shellcheck shellcheck
  # Tests run client libraries and servers of PyPI, in environments of their own below the build folder.
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    MISSING_PACKAGES+=(python3 python3-venv)
    MISSING_WORDS+=("Python's venv (Debian package python3-venv)")
  fi
}

# The browser for the end-to-end tests, and letters for its pages.
find_missing_browser() {
  want_command chromium chromium
  want_command chromedriver chromium-driver
  if [[ -z $(find /usr/share/fonts -name '*.ttf' -print -quit 2>/dev/null) ]]; then
    MISSING_PACKAGES+=(fonts-dejavu-core)
    MISSING_WORDS+=("a font (Debian package fonts-dejavu-core)")
  fi
  if [[ -z $(find /usr/share/fonts -iname '*cjk*' -print -quit -o -iname '*wqy*' -print -quit 2>/dev/null) ]]; then
    MISSING_PACKAGES+=(fonts-wqy-microhei)
    MISSING_WORDS+=("a Chinese font (Debian package fonts-wqy-microhei)")
  fi
}

# The accessibility check takes axe-core from a package of PyPI.
find_missing_pip() {
  want_command python3 python3
  if ! python3 -m pip --version >/dev/null 2>&1; then
    MISSING_PACKAGES+=(python3-pip)
    MISSING_WORDS+=("pip (Debian package python3-pip)")
  fi
}

# The servers of ops/ for the end-to-end tests, and what makes their certificates.
find_missing_servers() {
  want_command nginx nginx
  want_command caddy caddy
  want_command setpriv util-linux
  want_command openssl openssl
}

# Installs them without their services: the tests run the programs themselves, and nobody asked for a web server at
# port 80, where another may stand already. A policy of the machine's own is left as it is.
meet_servers() (
  local policy=/usr/sbin/policy-rc.d
  if is_debian && is_root && [[ ! -e $policy ]]; then
    trap 'rm -f -- "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
  fi
  had_nginx="$(command -v nginx)" || true
  had_caddy="$(command -v caddy)" || true
  meet_prerequisites find_missing_servers
  # Nor should they be there after the next start of the machine.
  [[ -d /run/systemd/system ]] || exit 0
  [[ -n $had_nginx ]] || systemctl disable --quiet nginx || warn "the service nginx is still enabled"
  [[ -n $had_caddy ]] || systemctl disable --quiet caddy || warn "the service caddy is still enabled"
)

# rustfmt and clippy come with rustup's default profile, not with its minimal one.
find_missing_components() {
  "${BUILDER[@]}" cargo fmt --version >/dev/null 2>&1 && "${BUILDER[@]}" cargo clippy --version >/dev/null 2>&1 && return
  step "Adding rustfmt and clippy"
  "${BUILDER[@]}" rustup component add rustfmt clippy >&2 ||
    die "rustfmt and clippy are missing, and there is no rustup to add them"
}

# check NAME COMMAND...: one check, passed or failed.
check() {
  local name="$1" started=$SECONDS
  shift
  step "$name"
  if "$@"; then
    PASSED=$((PASSED + 1))
    SUMMARY+=("$(printf 'ok      %4d s  %s' "$((SECONDS - started))" "$name")")
  else
    FAILED=$((FAILED + 1))
    SUMMARY+=("$(printf 'FAILED  %4d s  %s' "$((SECONDS - started))" "$name")")
  fi
}

# tests NAME COMMAND...: many tests; cargo's result lines are counted. A command that fails without a failed
# test (it did not build, say) counts as one.
tests() {
  local name="$1" started=$SECONDS log code=0 passed failed word=ok
  shift
  step "$name"
  log="$(mktemp)"
  "$@" 2>&1 | tee "$log" || code=$?
  read -r passed failed < <(awk '/^test result: / {
    for (i = 2; i <= NF; i++) { if ($i == "passed;") p += $(i - 1); if ($i == "failed;") f += $(i - 1) }
  } END { print p + 0, f + 0 }' "$log")
  rm -f -- "$log"
  [[ $code -eq 0 || $failed -gt 0 ]] || failed=1
  # A run that tests nothing proves nothing.
  [[ $((passed + failed)) -gt 0 ]] || failed=1
  [[ $failed -eq 0 ]] || word=FAILED
  PASSED=$((PASSED + passed))
  FAILED=$((FAILED + failed))
  SUMMARY+=("$(printf '%-6s  %4d s  %s: %d passed, %d failed' "$word" "$((SECONDS - started))" "$name" "$passed" "$failed")")
}

cargo_here() { (cd "$CHECKOUT" && "${BUILDER[@]}" env SQLX_OFFLINE=true cargo "$@"); }

lint_scripts() {
  (cd "$CHECKOUT/scripts" && shellcheck -x ./*.sh lib/*.sh ../.ci/run)
}

# The settings of a real installation must not reach the tests: they make their own.
leave_environment_alone() {
  unset -v BEAVER_ENV_FILE DATABASE_URL "${ENV_NAMES[@]}"
  ENV_FILE="$CHECKOUT/.env"
}

QUICK=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --quick) QUICK=1 ;;
    -h | --help) show_help ;;
    *) die_usage "unknown option $1" ;;
  esac
  shift
done

leave_environment_alone
STARTED=$SECONDS
step "Checking what this machine has"
[[ -n $QUICK ]] || is_root ||
  die "the end-to-end tests make networks and firewall rules: run this with sudo, or give --quick"
# deploy-control's own tests talk to a Docker Engine too.
needs=(find_missing_runtime find_missing_build find_missing_checks)
[[ -n $QUICK ]] || needs+=(find_missing_browser find_missing_pip)
meet_prerequisites "${needs[@]}"
[[ -n $QUICK ]] || meet_servers
start_docker
find_missing_components

check "formatting" cargo_here fmt --all --check
check "shellcheck" lint_scripts
check "clippy" cargo_here clippy --locked --workspace --all-targets -- -D warnings
tests "unit and service tests" cargo_here test --locked --workspace --exclude e2e --no-fail-fast
if [[ -z $QUICK ]]; then
  # The end-to-end tests make images of a tag of their own from these, and remove them.
  check "release binaries" "$CHECKOUT/scripts/build-images.sh" --binaries
  tests "end-to-end tests" cargo_here test --locked -p e2e --test e2e -- --test-threads=1
  tests "passkeys, and every page in a browser" cargo_here test --locked -p e2e --test passkeys --test pages
fi

step "Summary (after $((SECONDS - STARTED)) s)"
printf '    %s\n' "${SUMMARY[@]}"
printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
[[ $FAILED -eq 0 ]]

#!/usr/bin/env bash
# Refreshes the committed query data (.sqlx/) after a change to a query or a migration. For developers.
#
# Usage: sqlx-prepare.sh [--check] [--help]
#
#   --check   changes nothing; exit code 1 when the data is out of date
#
# Needs cargo-sqlx: cargo install sqlx-cli --version 0.9 --no-default-features --features sqlite
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

option=()
case "${1:-}" in
  '') ;;
  --check) option=(--check) ;;
  -h | --help) show_help ;;
  *) die_usage "unknown option $1" ;;
esac
command -v cargo-sqlx >/dev/null || die "cargo-sqlx is missing (see --help)"
folder="$(mktemp -d)"
trap 'rm -rf -- "$folder"' EXIT
for crate in authz-service deploy-control app-instance; do
  [[ -d $CHECKOUT/$crate/migrations ]] || continue
  step "$crate"
  cd "$CHECKOUT/$crate"
  export DATABASE_URL="sqlite://$folder/$crate.db"
  cargo sqlx database create
  cargo sqlx migrate run
  cargo sqlx prepare "${option[@]}" -- --all-targets
done

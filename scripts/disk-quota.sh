#!/usr/bin/env bash
# Limits what each instance can write, by a project quota of the filesystem that holds runtime/instances.
#
# Usage: disk-quota.sh [--check | --help]
#
#   (nothing)   limits every instance that is there to BEAVER_INSTANCE_DISK; running it again changes nothing
#   --check     changes nothing; exit code 1, with the reason, where the filesystem offers no project quotas
#
# The project of an instance's data/ is the instance's own user id. Works on ext4 (with setquota, from the package
# quota) and xfs (with xfs_quota, from xfsprogs) where the filesystem is mounted with prjquota. Instances that are
# made later get their limit at the next run. Without it use is measured every 5 minutes and a full instance is put
# to sleep.
#
# Needs root. Reads BEAVER_ENV_FILE (default: .env in the checkout).
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

# The filesystem of the instances: FILESYSTEM, MOUNT. Leaves in WHY_NOT what is missing.
find_filesystem() {
  local options program
  WHY_NOT=''
  FILESYSTEM="$(findmnt --noheadings --output FSTYPE --target "$INSTANCES")"
  MOUNT="$(findmnt --noheadings --output TARGET --target "$INSTANCES")"
  options="$(findmnt --noheadings --output OPTIONS --target "$INSTANCES")"
  case "$FILESYSTEM" in
    ext4) program=setquota ;;
    xfs) program=xfs_quota ;;
    *)
      WHY_NOT="$INSTANCES is on $FILESYSTEM: project quotas need ext4 or xfs"
      return
      ;;
  esac
  if [[ ",$options," != *,prjquota,* && ",$options," != *,pquota,* ]]; then
    WHY_NOT="$MOUNT is not mounted with prjquota"
  elif ! command -v "$program" >/dev/null; then
    WHY_NOT="$program is missing: install $([[ $program == setquota ]] && echo quota || echo xfsprogs)"
  fi
}

# bytes_of SIZE: 256m, 1g and the like as a number, as deploy-control reads it.
bytes_of() {
  local text="${1,,}"
  text="${text%b}"
  [[ $text =~ ^([0-9]{1,12})([kmg]?)$ ]] || die "BEAVER_INSTANCE_DISK must be a size such as 256m or 1g"
  case "${BASH_REMATCH[2]}" in
    k) printf '%s' "$((10#${BASH_REMATCH[1]} << 10))" ;;
    m) printf '%s' "$((10#${BASH_REMATCH[1]} << 20))" ;;
    g) printf '%s' "$((10#${BASH_REMATCH[1]} << 30))" ;;
    *) printf '%s' "$((10#${BASH_REMATCH[1]}))" ;;
  esac
}

# limit FOLDER PROJECT BYTES
limit() {
  if [[ $FILESYSTEM == ext4 ]]; then
    chattr -R +P -p "$2" "$1"
    # In units of 1 KiB; no soft limit, no limit of files.
    setquota -P "$2" 0 "$((($3 + 1023) / 1024))" 0 0 "$MOUNT"
  else
    xfs_quota -x -c "project -s -p $1 $2" "$MOUNT" >/dev/null
    xfs_quota -x -c "limit -p bhard=$3 $2" "$MOUNT"
  fi
}

limit_all() {
  local folder project bytes base count=0
  bytes="$(bytes_of "${BEAVER_INSTANCE_DISK:-1g}")"
  base="${BEAVER_INSTANCE_UID_BASE:-200000}"
  for folder in "$INSTANCES"/*/data; do
    [[ -d $folder && ! -L $folder ]] || continue
    project="$(stat -c %u "$folder")"
    if [[ $project -lt $base ]]; then
      warn "$folder belongs to user $project, which is no instance's: it is left without a limit"
      continue
    fi
    limit "$folder" "$project" "$bytes" || die "the limit of $folder could not be set"
    count=$((count + 1))
  done
  ok "disk quotas: $count instances on $MOUNT ($FILESYSTEM) are limited to $bytes bytes each"
}

main() {
  local check=''
  case "${1:-}" in
    '') ;;
    --check) check=yes ;;
    -h | --help) show_help ;;
    *) die_usage "unknown option $1" ;;
  esac
  load_env
  INSTANCES="$RUNTIME/instances"
  [[ -d $INSTANCES ]] || die "there is no $INSTANCES: run scripts/up.sh first"
  find_filesystem
  if [[ -n $check ]]; then
    [[ -z $WHY_NOT ]] || die "no disk quotas: $WHY_NOT"
    ok "$MOUNT ($FILESYSTEM) offers project quotas"
    return
  fi
  if [[ -n $WHY_NOT ]]; then
    say "no disk quotas: $WHY_NOT; use is measured instead, and a full instance is put to sleep"
    return
  fi
  require_root "$@"
  limit_all
}

main "$@"

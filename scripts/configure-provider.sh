#!/usr/bin/env bash
# Chooses the model provider of an instance, restarts it and waits until it is ready. If it does not become
# ready, the old setting is put back.
#
# Usage: configure-provider.sh NAME --provider KIND [--base-url URL] [--model MODEL] [--key-stdin] [--help]
#
#   --provider KIND   openai, anthropic, openai-compatible, or echo (built in, needs no key)
#   --base-url URL    such as https://api.example.com/v1; needed for openai-compatible
#   --model MODEL     needed for openai-compatible
#   --key-stdin       take the key from standard input (one line); from a file: --key-stdin < key.txt
#
# Without --key-stdin the key is asked for at the terminal, unseen; never give it as an argument, where every
# user of this machine could read it. Honours BEAVER_ENV_FILE.
set -euo pipefail
# shellcheck source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=lib/api.sh
source "$CHECKOUT/scripts/lib/api.sh"

name='' provider='' base_url='' model='' key='' key_stdin=''
while [[ $# -gt 0 ]]; do
  case "$1" in
    --provider | --base-url | --model)
      [[ $# -ge 2 ]] || die_usage "$1 needs a value"
      option="${1#--}"
      printf -v "${option//-/_}" '%s' "$2"
      shift
      ;;
    --key-stdin) key_stdin=1 ;;
    -h | --help) show_help ;;
    -*) die_usage "unknown option $1" ;;
    *) [[ -z $name ]] || die_usage "one name, please"; name="$1" ;;
  esac
  shift
done
[[ -n $name ]] || die_usage "which instance?"
case "$provider" in
  openai | anthropic | openai-compatible | echo) ;;
  '') die_usage "which --provider?" ;;
  *) die_usage "--provider must be openai, anthropic, openai-compatible or echo" ;;
esac
load_env
resolve_instance "$name"
if [[ -n $key_stdin ]]; then
  IFS= read -r key || true
  [[ -n $key ]] || die "there was no key on standard input"
elif [[ $provider != echo && -t 0 ]]; then
  read -r -s -p "Key for $provider (leave empty for none): " key
  printf '\n' >&2
fi
step "Configuring $name and restarting it"
deploy_api POST /api/instances/configure-provider "{\"slug\":$(json_string "$name"),\"provider\":$(
  json_object kind "$provider" base_url "$base_url" model "$model" api_key "$key"
)}"
expect_status "$name was not configured" 200
ok "$name uses $provider${model:+ ($model)} and is $(json_field state)"

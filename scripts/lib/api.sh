# shellcheck shell=bash
# Calls to the services' APIs: curl that is told tokens and bodies on its standard input, and JSON both ways.
# Sourced after lib.sh.
#
# Must stay true: no token, password or key is ever an argument of a command, where `ps` would show it.

# The last answer.
HTTP_STATUS=''
HTTP_BODY=''

# json_string TEXT: the text as a JSON string. Control characters are refused: nothing we send may have any.
json_string() {
  local text="$1"
  [[ $text != *[[:cntrl:]]* ]] || die "a value has a control character or more than one line"
  text="${text//\\/\\\\}"
  printf '"%s"' "${text//\"/\\\"}"
}

# json_object NAME TEXT NAME TEXT ...: an object of strings; pairs with an empty text are left out.
json_object() {
  local out=''
  while [[ $# -gt 1 ]]; do
    [[ -z $2 ]] || out+="${out:+,}$(json_string "$1"):$(json_string "$2")"
    shift 2
  done
  printf '{%s}' "$out"
}

# json_lines: HTTP_BODY as lines of path<TAB>value.
json_lines() {
  # Bytes, not characters: awk's substr is then the same in every locale.
  printf '%s' "$HTTP_BODY" | LC_ALL=C awk -f "$CHECKOUT/scripts/lib/json.awk"
}

# json_field PATH: one value of HTTP_BODY; empty where it is absent or null.
json_field() {
  json_lines 2>/dev/null |
    LC_ALL=C awk -F '\t' -v path="$1" '$1 == path && $2 != "null" && !seen++ { print $2 }' || true
}

# A text in the quotes of a curl config file.
curl_quote() {
  local text="${1//\\/\\\\}"
  printf '"%s"' "${text//\"/\\\"}"
}

# http METHOD URL TOKEN [BODY [HEADER...]]: sets HTTP_STATUS (000 when there was no answer) and HTTP_BODY.
http() {
  local method="$1" url="$2" token="$3" body="${4:-}" answer header
  shift $(($# < 4 ? $# : 4))
  answer="$({
    printf 'request = %s\nurl = %s\n' "$(curl_quote "$method")" "$(curl_quote "$url")"
    printf 'header = %s\n' "$(curl_quote "Authorization: Bearer $token")"
    for header; do printf 'header = %s\n' "$(curl_quote "$header")"; done
    if [[ -n $body ]]; then
      printf 'header = "Content-Type: application/json"\ndata-raw = %s\n' "$(curl_quote "$body")"
    fi
  } | curl --config - --silent --noproxy '*' --connect-timeout 3 --max-time 150 \
    --write-out '\n%{http_code}' 2>/dev/null)" || true
  HTTP_STATUS="${answer##*$'\n'}"
  HTTP_BODY="${answer%$'\n'*}"
  [[ $HTTP_STATUS =~ ^[0-9]{3}$ ]] || HTTP_STATUS=000
}

deploy_api() { http "$1" "$BEAVER_DEPLOY_URL$2" "$BEAVER_DEPLOY_TOKEN" "${@:3}"; }
authz_api() { http "$1" "$BEAVER_AUTHZ_URL$2" "$BEAVER_AUTHZ_INTERNAL_TOKEN" "${@:3}"; }

# Says in words why the last call failed: the problem's title and detail and what is wrong with each field.
problem_text() {
  local title detail fields id
  if [[ $HTTP_STATUS == 000 ]]; then
    printf 'the service does not answer; is it running? (scripts/up.sh, scripts/logs.sh)'
    return
  fi
  title="$(json_field title)" detail="$(json_field detail)" id="$(json_field request_id)"
  fields="$(json_lines 2>/dev/null | LC_ALL=C awk -F '\t' '/^errors\./ { printf "\n  - %s: %s", substr($1, 8), $2 }')"
  printf '%s%s%s%s' "${title:-HTTP status $HTTP_STATUS}" "${detail:+: $detail}" "$fields" "${id:+ (request $id)}"
}

# Ends the script with the problem's words unless the last status is one of those given.
expect_status() {
  local status what="$1"
  shift
  for status; do [[ $HTTP_STATUS != "$status" ]] || return 0; done
  die "$what: $(problem_text)"
}

# resolve_instance NAME: the instance with that slug; ends the script where there is none. Leaves the view in
# HTTP_BODY. Does not wake a sleeping one.
resolve_instance() {
  [[ $1 =~ ^[a-z0-9-]+$ ]] || die_usage "\"$1\" is no name of an instance"
  deploy_api POST /api/instances/resolve "{\"slug\":$(json_string "$1"),\"wake\":false}"
  [[ $HTTP_STATUS != 404 ]] || die "there is no instance \"$1\"; scripts/list-instances.sh lists them"
  expect_status "looking for \"$1\" failed" 200
}

# resolve_account NAME: sets ACCOUNT_ID; ends the script where there is none. Leaves the account in HTTP_BODY, below
# accounts.0.
ACCOUNT_ID=''
resolve_account() {
  [[ $1 =~ ^[a-z0-9-]+$ ]] || die_usage "\"$1\" is no user name"
  authz_api GET "/internal/accounts?username=$1"
  expect_status "the accounts were not to be had" 200
  ACCOUNT_ID="$(json_field accounts.0.user_id)"
  [[ -n $ACCOUNT_ID ]] ||
    die "there is no account \"$1\"; it is made at the portal, or with scripts/create-instance.sh"
}

# follow_operation ID: shows each step until the operation has ended; ends the script when it failed.
follow_operation() {
  local id="$1" shown='' now state error
  while :; do
    deploy_api GET "/api/operations/$id"
    expect_status "asking for the operation failed" 200
    state="$(json_field state)" error="$(json_field error)"
    now="$(json_field step_title)"
    case "$state" in
      succeeded) return 0 ;;
      failed | cancelled) die "the operation $state: ${error:-no reason was given}" ;;
    esac
    now="$(json_field percent) % ${now:-$state}${error:+ ($error)}"
    [[ $now == "$shown" ]] || say "$now"
    shown="$now"
    sleep 0.2
  done
}

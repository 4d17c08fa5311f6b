# shellcheck shell=bash
# What the benchmarks of deploy-control share: throw-away instances, bare containers beside them, a visitor with a
# session, clocks and medians. Sourced after lib.sh and api.sh.
#
# Must stay true: whatever happens, all that was made is removed again, and gone when the script ends.

RUN="bench$(head -c 4 /dev/urandom | od -An -tx1 | tr -d ' \n')"
FOLDER=''
MADE=()
BARE=()
VISITOR='' VISITOR_INSTANCE=''
# Microseconds that the last call took.
TOOK=0

begin_bench() {
  FOLDER="$(mktemp -d)"
  trap end_bench EXIT
}

end_bench() {
  remove_bare
  remove_made
  rm -rf -- "$FOLDER"
}

remove_bare() {
  local id
  for id in "${BARE[@]}"; do docker_api DELETE "/containers/$id?force=true&v=true"; done
  BARE=()
}

remove_made() {
  local id tries
  for id in "${MADE[@]}"; do deploy_api DELETE "/api/instances/$id?purge=true"; done
  for id in "${MADE[@]}"; do
    for ((tries = 0; tries < 300; tries++)); do
      deploy_api GET "/api/instances/$id"
      [[ $HTTP_STATUS != 404 ]] || break
      sleep 0.2
    done
    [[ $HTTP_STATUS == 404 ]] || warn "the instance $id is still there"
  done
  MADE=()
}

# A ULID: 48 bits of time, here none, and 80 of chance.
fresh_ulid() {
  local alphabet=0123456789ABCDEFGHJKMNPQRSTVWXYZ out='01' byte
  for byte in $(head -c 24 /dev/urandom | od -An -tu1); do out+="${alphabet:byte % 32:1}"; done
  printf '%s' "$out"
}

docker_api() { # METHOD PATH [BODY]
  HTTP_BODY="$(curl --silent --show-error --unix-socket /var/run/docker.sock --request "$1" \
    ${3:+--header 'Content-Type: application/json' --data-raw "$3"} "http://docker$2")"
}

# Microseconds.
now() { printf '%s' "${EPOCHREALTIME/[.,]/}"; }

# register NAME: a throw-away user's instance, until it is ready.
register() {
  local started body
  body="$(json_object user_id "$(fresh_ulid)" username "$RUN-$1" email "$RUN-$1@example.com")"
  started="$(now)"
  deploy_api POST /api/instances/register "$body"
  TOOK=$(($(now) - started))
  expect_status "sign-up $1 failed" 201
  MADE+=("$(json_field instance_id)")
}

# bare_body SLUG: the body that this instance's container was made with, without its name, address and owner: the
# same image, limits and hardening. The folders are a copy of the instance's for each container (FOLDER, see bare):
# without them the app would end at once, and Docker's tidying up would be in the way of whoever comes next.
bare_body() {
  local container id
  container="$(docker container ls --format '{{.Names}}' --filter "label=beaver.slug=$1" \
    --filter "label=beaver.installation=$BEAVER_INSTALLATION")"
  id="$(docker inspect --format '{{index .Config.Labels "beaver.instance-id"}}' "$container")"
  rm -rf -- "$FOLDER/template"
  cp --recursive "$PROJECT_ROOT/runtime/instances/$id" "$FOLDER/template"
  chown --recursive 65534:65534 "$FOLDER/template"
  docker inspect --format '{"Image":{{json .Image}},"Env":{{json .Config.Env}},"User":"65534:65534","HostConfig":{
    "Binds":["@FOLDER@:/config:ro","@FOLDER@/data:/data"],
    "Memory":{{.HostConfig.Memory}},"MemorySwap":{{.HostConfig.MemorySwap}},"NanoCpus":{{.HostConfig.NanoCpus}},
    "PidsLimit":{{json .HostConfig.PidsLimit}},"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"],
    "ReadonlyRootfs":true,"Init":true,"NetworkMode":{{json .HostConfig.NetworkMode}},
    "Tmpfs":{{json .HostConfig.Tmpfs}}}}' "$container" | tr -d '\n'
}

# bare NAME BODY: creates and starts a container through Docker alone.
bare() {
  local started id folder="$FOLDER/folders-$1" body
  cp --archive "$FOLDER/template" "$folder"
  body="${2//@FOLDER@/$folder}"
  started="$(now)"
  docker_api POST "/containers/create?name=$RUN-bare-$1" "$body"
  [[ $HTTP_BODY =~ \"Id\":\"([0-9a-f]+)\" ]] || die "Docker did not create the bare container: $HTTP_BODY"
  id="${BASH_REMATCH[1]}"
  BARE+=("$id")
  docker_api POST "/containers/$id/start"
  TOOK=$(($(now) - started))
  [[ -z $HTTP_BODY ]] || die "Docker did not start the bare container: $HTTP_BODY"
}

start_bare() { # ID
  local started
  started="$(now)"
  docker_api POST "/containers/$1/start"
  TOOK=$(($(now) - started))
  [[ -z $HTTP_BODY ]] || die "Docker did not start the bare container: $HTTP_BODY"
}

act_and_wait() { # INSTANCE ACTION
  deploy_api POST "/api/instances/$1/$2"
  expect_status "$2 failed" 202
  follow_operation "$(json_field operation_id)" 2>/dev/null
}

# A person with an instance, a session at the portal and one at the instance's host: what a browser would hold.
sign_in_visitor() {
  local password page csrf answer
  VISITOR="$RUN-wake"
  password="$("$CHECKOUT/scripts/create-instance.sh" "$VISITOR" 2>/dev/null | sed -n 's/^password: //p')"
  [[ -n $password ]] || die "the visitor's account was not made"
  resolve_instance "$VISITOR"
  VISITOR_INSTANCE="$(json_field instance_id)"
  MADE+=("$VISITOR_INSTANCE")
  page="$(browse "$PORTAL_PUBLIC_URL/login")"
  csrf="$(sed -n 's/.*name="csrf" value="\([^"]*\)".*/\1/p' <<<"$page" | head -n 1)"
  [[ -n $csrf ]] || die "the sign-in page has no form"
  # The password goes by standard input: arguments are for everybody to see.
  answer="$(printf 'data-urlencode = "password=%s"\n' "$password" | browse "$PORTAL_PUBLIC_URL/login" --config - \
    --data-urlencode "login=$VISITOR" --data-urlencode "csrf=$csrf" --header "Origin: $PORTAL_PUBLIC_URL" \
    --header 'Sec-Fetch-Site: same-origin' --output /dev/null --write-out '%{http_code}')"
  [[ $answer == 303 ]] || die "the visitor could not sign in: status $answer"
  visit
}

# browse URL [OPTION...]: one page, with the visitor's cookies, every host name on this machine.
browse() {
  local url="$1"
  shift
  curl --silent --noproxy '*' --max-time 60 --cookie "$FOLDER/cookies" --cookie-jar "$FOLDER/cookies" \
    --connect-to "::127.0.0.1:" --header 'Accept: text/html' --header 'Sec-Fetch-Mode: navigate' \
    --header 'Sec-Fetch-Dest: document' "$@" "$url"
}

# The time until the first byte of the visitor's own page, where the instance has answered it itself: a waiting
# page or a redirect does not count.
visit() {
  local url answer status
  url="$DEPLOY_PUBLIC_SCHEME://$VISITOR.$DEPLOY_PUBLIC_BASE_DOMAIN:$DEPLOY_PUBLIC_PORT/"
  # Programs wait for the instance itself; people who navigate are shown a waiting page after two seconds.
  answer="$(browse "$url" --location --max-redirs 5 --output "$FOLDER/page" \
    --write-out '%{http_code} %{time_starttransfer} %{num_redirects}')"
  read -r status TOOK _ <<<"$answer"
  [[ $status == 200 ]] || die "the visitor's page answered $status: $(head -c 300 "$FOLDER/page")"
  TOOK="$(awk -v s="$TOOK" 'BEGIN { printf "%d", s * 1000000 }')"
}

median() { printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }

compare() { # OURS MICROSECONDS THEIRS MICROSECONDS HOW
  awk -v a="$1" -v ours="$2" -v b="$3" -v theirs="$4" -v how="$5" 'BEGIN {
    printf "%-24s %8.1f ms (%s)\n", a ":", ours / 1000, how
    printf "%-24s %8.1f ms (%s)\n", b ":", theirs / 1000, how
    printf "%-24s %8.2f\n", "ratio:", ours / theirs
  }'
}

throughput() { # OURS COUNT MICROSECONDS THEIRS COUNT MICROSECONDS
  awk -v a="$1" -v n="$2" -v ours="$3" -v b="$4" -v all="$5" -v theirs="$6" 'BEGIN {
    printf "%-32s %6.2f/s (%d in %.1f s)\n", a ":", n * 1e6 / ours, n, ours / 1e6
    printf "%-32s %6.2f/s (%d in %.1f s)\n", b ":", all * 1e6 / theirs, all, theirs / 1e6
    printf "%-32s %6.2f\n", "throughput ratio:", (n / ours) / (all / theirs)
  }'
}

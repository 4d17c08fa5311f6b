# shellcheck shell=bash
# The one table of which process is given which variable, written to runtime/env/<service>.env (0600), where
# compose and systemd read it. Sourced after lib.sh.
#
# Must stay true: a process gets the tokens that it needs and no other (see "Trust" in docs/SECURITY.md).

# give NAME [VALUE]: one line, left out where the value is empty. Without VALUE, that of the variable NAME.
give() {
  local value="${2-${!1:-}}"
  [[ -z $value ]] || printf '%s=%s\n' "$1" "$value"
}

give_all() {
  local name
  for name; do give "$name"; done
}

service_env() {
  give_all RUST_LOG BEAVER_LOG_FORMAT
  case "$1" in
    docker-guard)
      give_all PROJECT_ROOT BEAVER_INSTALLATION BEAVER_NET BEAVER_BRIDGE_PREFIX BEAVER_INSTANCE_SUBNET \
        BEAVER_CONTROL_SUBNET BEAVER_INSTANCE_IMAGE BEAVER_INSTANCE_UID_BASE
      # The isolation proof runs our own app's image, whatever the instances run.
      give BEAVER_GUARD_IMAGES "beaver/app-instance:$BEAVER_IMAGE_TAG"
      give BEAVER_GUARD_SOCKET "$RUNTIME/guard/docker.sock"
      give DOCKER_HOST unix:///var/run/docker.sock
      ;;
    authz-service)
      give_all AUTHZ_LISTEN AUTHZ_INSTANCE_LISTEN AUTHZ_ADMIN_LISTEN AUTHZ_ISSUER BEAVER_ROUTER_TOKEN \
        BEAVER_DEPLOY_URL BEAVER_REGISTRATION BEAVER_BASE_DOMAIN BEAVER_PASSWORD_MIN BEAVER_LOGIN_BURST \
        BEAVER_ADMIN_SECOND_FACTOR BEAVER_AUDIT_DAYS BEAVER_AUDIT_SYSLOG BEAVER_AUDIT_WEBHOOK \
        BEAVER_AUDIT_WEBHOOK_SECRET \
        BEAVER_SMTP_HOST BEAVER_SMTP_PORT BEAVER_SMTP_TLS BEAVER_SMTP_USER BEAVER_SMTP_PASSWORD \
        BEAVER_SMTP_CA_FILE BEAVER_MAIL_FROM BEAVER_EMAIL_VERIFICATION \
        BEAVER_UPSTREAM_ISSUER BEAVER_UPSTREAM_CLIENT_ID BEAVER_UPSTREAM_CLIENT_SECRET BEAVER_UPSTREAM_NAME \
        BEAVER_UPSTREAM_SCOPES \
        PORTAL_PUBLIC_URL DEPLOY_PUBLIC_SCHEME DEPLOY_PUBLIC_BASE_DOMAIN DEPLOY_PUBLIC_PORT
      give AUTHZ_DATA_DIR "$RUNTIME/authz"
      give AUTHZ_INTERNAL_TOKEN "$BEAVER_AUTHZ_INTERNAL_TOKEN"
      give DEPLOY_API_TOKEN "$BEAVER_DEPLOY_TOKEN"
      ;;
    deploy-control)
      give_all DEPLOY_LISTEN DEPLOY_ADMIN_LISTEN PROJECT_ROOT BEAVER_ROUTER_TOKEN BEAVER_AUTHZ_URL \
        AUTHZ_ISSUER BEAVER_BASE_DOMAIN DEPLOY_PUBLIC_SCHEME DEPLOY_PUBLIC_BASE_DOMAIN DEPLOY_PUBLIC_PORT \
        BEAVER_NET BEAVER_BRIDGE_PREFIX BEAVER_INSTANCE_SUBNET BEAVER_CONTROL_SUBNET BEAVER_INSTANCE_IMAGE \
        BEAVER_INSTANCE_MEMORY BEAVER_INSTANCE_CPUS BEAVER_INSTANCE_PIDS BEAVER_INSTANCE_DISK \
        BEAVER_INSTANCE_UID_BASE BEAVER_IDLE_SLEEP BEAVER_IDLE_PAUSE BEAVER_INSTALLATION BEAVER_ALLOW_UNISOLATED \
        BEAVER_OUTLOOK_MCP_URL BEAVER_OUTLOOK_MCP_SERVER_ID PORTAL_PUBLIC_URL
      give BEAVER_GUARD_SOCKET "$RUNTIME/guard/docker.sock"
      give BEAVER_PROBE_IMAGE "beaver/app-instance:$BEAVER_IMAGE_TAG"
      give DEPLOY_CONTROL_API_TOKEN "$BEAVER_DEPLOY_TOKEN"
      give AUTHZ_INTERNAL_TOKEN "$BEAVER_AUTHZ_INTERNAL_TOKEN"
      ;;
    router-proxy)
      give_all ROUTER_LISTEN ROUTER_ADMIN_LISTEN PROJECT_ROOT BEAVER_BASE_DOMAIN DEPLOY_PUBLIC_SCHEME \
        DEPLOY_PUBLIC_BASE_DOMAIN DEPLOY_PUBLIC_PORT PORTAL_PUBLIC_URL BEAVER_AUTHZ_URL BEAVER_DEPLOY_URL \
        BEAVER_ROUTER_TOKEN AUTHZ_ISSUER BEAVER_TRUSTED_PROXIES BEAVER_PROXY_PROTOCOL
      give ROUTER_ROUTES_DIR "$RUNTIME/router/conf.d"
      give ROUTER_STATE_DIR "$RUNTIME/router/state"
      [[ -z ${ROUTER_TLS_LISTEN:-} ]] || give_all ROUTER_TLS_LISTEN ROUTER_TLS_DIR
      ;;
    auth-portal)
      give_all PORTAL_LISTEN PORTAL_ADMIN_LISTEN PORTAL_PUBLIC_URL BEAVER_AUTHZ_URL BEAVER_DEPLOY_URL \
        BEAVER_BASE_DOMAIN DEPLOY_PUBLIC_SCHEME DEPLOY_PUBLIC_BASE_DOMAIN DEPLOY_PUBLIC_PORT \
        BEAVER_TRUSTED_PROXIES
      give AUTHZ_INTERNAL_TOKEN "$BEAVER_AUTHZ_INTERNAL_TOKEN"
      give DEPLOY_API_TOKEN "$BEAVER_DEPLOY_TOKEN"
      ;;
    *) die "there is no service $1" ;;
  esac
}

# Writes all files; one that would not change is left alone. CHANGED_ENV has the services of the others.
write_service_env() {
  local service file text
  CHANGED_ENV=()
  install -d -m 0700 "$RUNTIME/env"
  for service in "${SERVICES[@]}"; do
    file="$RUNTIME/env/$service.env"
    text="$(service_env "$service")"
    [[ ! -f $file || $text != "$(<"$file")" ]] || continue
    (umask 077 && printf '%s\n' "$text" >"$file.new")
    mv -f "$file.new" "$file"
    # shellcheck disable=SC2034 # up.sh reads it, by way of lib/router.sh
    CHANGED_ENV+=("$service")
    say "wrote ${file#"$PROJECT_ROOT/"}"
  done
}

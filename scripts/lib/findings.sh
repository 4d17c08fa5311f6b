# shellcheck shell=bash
# What an examination found, and how it is shown: the same fields as the answer of deploy-control's
# GET /api/doctor. Sourced after lib.sh and lib/api.sh.

# A line each: name, status (ok, warning, failing), detail, remedy, with tabs between.
FINDINGS=()

# finding NAME STATUS DETAIL [REMEDY]
finding() {
  local detail="${3//[[:cntrl:]]/ }" remedy="${4:-}"
  FINDINGS+=("$1"$'\t'"$2"$'\t'"$detail"$'\t'"${remedy//[[:cntrl:]]/ }")
}

# Adds the checks of the report in HTTP_BODY.
findings_of_body() {
  local line
  while IFS= read -r line; do FINDINGS+=("$line"); done < <(json_lines | LC_ALL=C awk -F '\t' '
    $1 ~ /^checks\.[0-9]+\.[a-z]+$/ {
      split($1, path, ".")
      field[path[2], path[3]] = $2 == "null" ? "" : $2
      if (path[2] + 1 > count) count = path[2] + 1
    }
    END {
      for (i = 0; i < count; i++)
        print field[i, "name"] "\t" field[i, "status"] "\t" field[i, "detail"] "\t" field[i, "remedy"]
    }')
}

count_findings() {
  local line status count=0
  for line in "${FINDINGS[@]}"; do
    IFS=$'\t' read -r _ status _ <<<"$line"
    [[ $status != "$1" ]] || count=$((count + 1))
  done
  printf '%s' "$count"
}

# 1 where something is failing, 2 where there are warnings alone, else 0.
findings_exit_code() {
  if [[ $(count_findings failing) -gt 0 ]]; then
    printf 1
  elif [[ $(count_findings warning) -gt 0 ]]; then
    printf 2
  else
    printf 0
  fi
}

# Names and statuses as a table, below each what to do.
print_findings() {
  local line name status detail remedy
  {
    printf 'CHECK\tSTATUS\tDETAIL\n'
    for line in "${FINDINGS[@]}"; do
      IFS=$'\t' read -r name status detail remedy <<<"$line"
      printf '%s\t%s\t%s\n' "$name" "$status" "$detail"
      [[ -z $remedy ]] || printf '\t\t-> %s\n' "$remedy"
    done
  } | awk -F '\t' -f "$CHECKOUT/scripts/lib/table.awk"
}

print_findings_json() {
  local line name status detail remedy checks='' ok=true
  for line in "${FINDINGS[@]}"; do
    IFS=$'\t' read -r name status detail remedy <<<"$line"
    checks+="${checks:+,}$(json_object name "$name" status "$status" detail "$detail" remedy "$remedy")"
  done
  [[ $(count_findings failing) -eq 0 ]] || ok=false
  printf '{"ok":%s,"checks":[%s]}\n' "$ok" "$checks"
}

# Questions to services by the host's own curl.

# ask KEY CONFIG..: asks at the first place that takes a connection. Each CONFIG is what `curl -K -` reads, in base64, so that
# a login is in no argument; it has curl print how many connections stood, and the status. Prints the key, how many places
# took none, and in base64 the answer and curl's own end.
ask() {
  key=$1
  shift
  skipped=0
  if ! command -v curl >/dev/null; then echo "asked $key 0 $(printf '\n0 000\n127' | base64)"; return; fi
  for config in "$@"; do
    coded=$({ printf '%s' "$config" | base64 -d | curl -q -K - 2>/dev/null; printf '\n%s' "$?"; } | base64 | tr -d '\n')
    case $(printf '%s' "$coded" | base64 -d | tail -n 2 | tr '\n' ' ') in
      '0 000 5' | '0 000 6' | '0 000 7' | '0 000 28') skipped=$((skipped + 1)) ;;
      *) break ;;
    esac
  done
  echo "asked $key $skipped $coded"
}

# Lines leave tables of cron. What is kept stands elsewhere before it goes, and a table is replaced whole, only while it is
# the one that was seen: what a crash leaves stands twice rather than nowhere.

# away SECONDS...: not in these minutes, nor the one before, by this machine's own clock.
away() {
  now=$(date +%s)
  for minute in "$@"; do
    if [ "$now" -ge $((minute - 60)) ] && [ "$now" -lt $((minute + 60)) ]; then exit 75; fi
  done
}

# still PATH SUM: only while it is the one that was seen.
still() {
  [ -f "$1" ] || exit 66
  sum=$(sha256sum < "$1") || exit 1
  [ "${sum%% *}" = "$2" ] || exit 66
}

# take PATH SUM KEPT OWNER GROUP MODE left|empty: what is kept follows, then what is left of the file.
take() {
  still "$1" "$2"
  (replace "$3" root root 600) || exit 1
  directory=${1%/*}
  temporary=$(mktemp "$directory/.reconcile-XXXXXX") || exit 1
  trap 'rm -f "$temporary"' EXIT
  data > "$temporary" || exit 1
  give "$temporary" "$4" "$5" "$6"
  settle "$temporary"
  still "$1" "$2"
  if [ "$7" = left ]; then mv -f -T -- "$temporary" "$1" || exit 1; else rm -f -- "$temporary" "$1" || exit 1; fi
  settle "$directory"
}

# take_own PATH SUM KEPT USER left|empty: the same of a user's own table, which only crontab(1) writes.
take_own() {
  command -v crontab >/dev/null || fail 'the program `crontab` is not there'
  still "$1" "$2"
  (replace "$3" root root 600) || exit 1
  temporary=$(mktemp) || exit 1
  trap 'rm -f "$temporary"' EXIT
  data > "$temporary" || exit 1
  still "$1" "$2"
  if [ "$5" = left ]; then crontab -u "$4" - < "$temporary" || exit 1; else crontab -u "$4" -r || exit 1; fi
  rm -f "$temporary"
}

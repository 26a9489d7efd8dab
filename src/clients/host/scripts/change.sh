# Changes of one host. Each is whole or not at all, and may be repeated.

fail() {
  echo "$*"
  exit 1
}

# Syncs a file or directory; an older `sync` knows no arguments.
settle() {
  sync "$1" 2>/dev/null || sync
}

# Data from standard input: base64 up to a line with a dot.
data() {
  while IFS= read -r line && [ "$line" != . ]; do printf '%s\n' "$line"; done | base64 -d
}

# Gives a file or directory to its owner.
give() {
  if ! said=$(chown -- "$2:$3" "$1" 2>&1); then
    id -u "$2" >/dev/null 2>&1 || fail "there is no user \`$2\` on this host; install what makes it, then apply again"
    fail "$said"
  fi
  chmod -- "$4" "$1" || exit 1
}

# replace PATH OWNER GROUP MODE: what follows becomes the file.
replace() {
  directory=${1%/*}
  [ -d "$1" ] && fail 'a directory stands in its place'
  temporary=$(mktemp "$directory/.reconcile-XXXXXX") || exit 1
  trap 'rm -f "$temporary"' EXIT
  data > "$temporary" || exit 1
  give "$temporary" "$2" "$3" "$4"
  settle "$temporary"
  mv -f -T -- "$temporary" "$1" || exit 1
  settle "${directory:-/}"
}

# directory PATH OWNER GROUP MODE: makes it, and those above it, which are open to pass.
directory() {
  above=${1%/*}
  if [ -n "$above" ]; then (umask 022; mkdir -p -- "$above") || exit 1; fi
  if [ ! -d "$1" ]; then
    mkdir -- "$1" || exit 1
    settle "${above:-/}"
  fi
  # By where we are, not by its name: a link may take its place where somebody else owns the directory above.
  above=$(cd -P -- "${above:-/}" && pwd -P) || exit 1
  cd -P -- "$1" || exit 1
  [ "$(pwd -P)" = "${above%/}/${1##*/}" ] || fail 'it is a link'
  give . "$2" "$3" "$4"
}

# vanish PATH: removes a file that may already be gone.
vanish() {
  rm -f -- "$1" || exit 1
  directory=${1%/*}
  if [ -d "${directory:-/}" ]; then settle "${directory:-/}"; fi
}

# swap PATH FROM TO: replaces a small file, if its checksum is still FROM, or makes it if FROM is `-` and nothing is there.
# With TO `+` what follows becomes the file, with `-` it goes. Answers 3 and the file where something else is there, 4 where
# nothing is.
swap() {
  directory=${1%/*}
  [ -d "$1" ] && fail 'a directory stands in its place'
  temporary= claim=
  trap 'rm -f "$temporary" "$claim"' EXIT
  if [ "$3" = + ]; then
    (umask 022; mkdir -p -- "$directory") || exit 1
    temporary=$(mktemp "$directory/.reconcile-XXXXXX") || exit 1
    data > "$temporary" || exit 1
  fi
  if [ "$2" = - ]; then
    # A second name for the file: made only where there is none, and whole at once.
    said=$(ln -- "$temporary" "$1" 2>&1) && exit 0
    [ -e "$1" ] || [ -L "$1" ] || fail "$said"
    tell "$1"
  fi
  [ -e "$1" ] || exit 4
  # Whoever makes this file first may change the one that it names; it goes with them.
  for _ in 1 2 3 4 5; do
    if (set -C; : > "$1.$2") 2>/dev/null; then
      claim=$1.$2
      break
    fi
    sleep 0.2 2>/dev/null || sleep 1
  done
  [ -f "$1" ] || exit 4
  sum=$(sha256sum < "$1") || exit 1
  [ "${sum%% *}" = "$2" ] || tell "$1"
  if [ -z "$claim" ]; then
    [ -e "$1.$2" ] || fail "$directory: Permission denied"
    fail "somebody began to change it and did not end; if nobody is at it, remove $1.$2 there"
  fi
  if [ "$3" = + ]; then mv -f -T -- "$temporary" "$1"; else rm -f -- "$1"; fi || exit 1
  exit 0
}

# tell PATH: what a small file holds.
tell() {
  [ -f "$1" ] || exit 4
  head -c 65536 "$1" || exit 4
  exit 3
}

# install PATH BLOCKS BYTES SHA256 VERSION: puts a program in its place, once it is whole and starts there. It follows
# compressed, as that many blocks of 65536 bytes of which the first BYTES count.
install() {
  [ -d "$1" ] && fail 'a directory stands in its place'
  directory=${1%/*}
  (umask 022; mkdir -p -- "$directory") || exit 1
  temporary=$(mktemp "$directory/.reconcile-XXXXXX") || exit 1
  trap 'rm -f "$temporary" "$temporary.gz"' EXIT
  dd bs=65536 count="$2" iflag=fullblock of="$temporary.gz" 2>/dev/null || exit 1
  truncate -s "$3" "$temporary.gz" || exit 1
  gzip -dc "$temporary.gz" > "$temporary" || exit 1
  sum=$(sha256sum < "$temporary")
  [ "${sum%% *}" = "$4" ] || fail 'it did not arrive whole; apply again'
  chown 0:0 "$temporary" || exit 1
  chmod 0755 "$temporary" || exit 1
  said=$(timeout 10 "$temporary" --version 2>&1) || fail "it does not start there: $said"
  [ "$said" = "$5" ] || fail "it calls itself \`$said\` there, not \`$5\`"
  settle "$temporary"
  mv -f -T -- "$temporary" "$1" || exit 1
  settle "$directory"
  # For whoever looks: reading it all costs more than everything else that a look does.
  note=$(mktemp "$directory/.reconcile-XXXXXX") || return 0
  printf '%s\n%s %s\n' "$(stat -c '%d %i %s %y %z' -- "$1")" "$4" "$said" > "$note"
  mv -f -T -- "$note" "$directory/.${1##*/}.installed"
}

# run USER COMMAND: as cron would start it.
run() {
  if [ "$1" = "$(id -un)" ]; then sh -c "$2" </dev/null; else su -s /bin/sh -c "$2" "$1" </dev/null; fi
}

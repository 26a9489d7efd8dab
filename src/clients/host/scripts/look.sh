# What a host says of itself and of its files. Each function prints lines `WORD REST`; `pack` comes last.

facts() {
  echo "clock $(date +%s)"
  echo "machine $(uname -nm)"
  { read -r id < /etc/machine-id; read -r boot < /proc/sys/kernel/random/boot_id; } 2>/dev/null
  echo "identity ${id:-} ${boot:-}"
  echo "localtime $(readlink -f /etc/localtime)"
  { read -r zone < /etc/timezone; } 2>/dev/null && echo "timezone $zone"
  [ -d /etc/cron.d ] && echo cron.d
  command -v curl >/dev/null && echo curl
  [ -e /run/systemd/generator/cron.target.wants ] && echo 'cron systemd-cron'
  for process in /proc/[0-9]*; do
    { read -r name < "$process/comm"; } 2>/dev/null || continue
    case $name in
      cron | crond | fcron | bcron-start) echo "cron $name $(readlink "$process/exe")" ;;
    esac
  done
}

# Which of these users there are.
users() {
  if command -v getent >/dev/null; then
    getent passwd "$@"
  else
    for user in "$@"; do grep "^$user:" /etc/passwd; done
  fi | while IFS=: read -r user rest; do echo "user $user"; done
}

# Which of the files in these directories are named after a user.
owned() {
  for directory in "$@"; do
    for file in "$directory"/*; do
      case ${file##*/} in
        -* | *'
'*) continue ;;
      esac
      if [ -f "$file" ] && id -u "${file##*/}" >/dev/null 2>&1; then echo "owned $file"; fi
    done
  done
}

# What a program says of its version: one line, if it answers at all.
version() {
  said=$(timeout 10 "$1" --version 2>/dev/null)
  echo "${said%%
*}"
}

# Where PostgreSQL's programs of these names are, each with what it says of its version. What else `PATH` has is looked at
# only where distributions keep none: on Debian it is a wrapper that looks there itself.
postgresql() {
  for name in "$@"; do
    found=
    for file in /usr/lib/postgresql/*/bin/"$name" /usr/pgsql-*/bin/"$name"; do
      if [ -x "$file" ]; then found=$file; echo "postgresql $name $(version "$file")"; fi
    done
    if [ -z "$found" ] && file=$(command -v "$name"); then echo "postgresql $name $(version "$file")"; fi
  done
}

# The checksum of a program, and what it says of its version: what was noted when it was installed, where nothing has
# touched it since (its change time is the kernel's, and nobody sets it); else it is read and asked.
program() {
  [ -f "$1" ] || return
  is=$(stat -c '%d %i %s %y %z' -- "$1")
  { read -r was; read -r noted; } 2>/dev/null < "${1%/*}/.${1##*/}.installed"
  if [ -n "$noted" ] && [ "$is" = "$was" ]; then echo "program $noted"; return; fi
  sum=$(sha256sum < "$1")
  echo "program ${sum%% *} $(version "$1")"
}

# How much room there is where these directories are, or will be: of the first above them that exists.
space() {
  for wanted in "$@"; do
    directory=$wanted
    while [ -n "$directory" ] && [ ! -d "$directory" ]; do directory=${directory%/*}; done
    df -Pk "${directory:-/}" 2>/dev/null | while read -r _ total _ free _; do
      case $total in
        *[!0-9]*) ;;
        *) echo "space $free $total $wanted" ;;
      esac
    done
  done
}

# Sizes and times of the plain files in a directory.
sizes() {
  directory=$1
  shift
  for file in "$directory"/*; do
    if [ -f "$file" ] && [ ! -L "$file" ]; then set -- "$@" "$file"; fi
  done
  [ $# = 0 ] || stat -c 'size %s %Y %n' -- "$@"
}

# What lies at each of these paths, and of DIRECTORY/*ENDING all that is in it, as a tar archive: kinds, owners, modes and
# contents from one program. What is there but cannot be read, or is too large, is only named.
pack() {
  for path in "$@"; do
    shift
    case $path in
      *'/*'*)
        for inside in "${path%/\**}"/*"${path##*/\*}"; do
          case $inside in
            *'
'*) continue ;;
          esac
          if [ -e "$inside" ] || [ -L "$inside" ]; then set -- "$@" ".$inside"; fi
        done
        ;;
      *) if [ -e "$path" ] || [ -L "$path" ]; then set -- "$@" ".$path"; fi ;;
    esac
  done
  for path in "$@"; do echo "there ${path#.}"; done
  [ $# = 0 ] && return
  large=$(find "$@" -prune -type f -size +8192 2>/dev/null)
  if [ -n "$large" ]; then
    for path in "$@"; do
      shift
      case "
$large
" in
        *"
$path
"*) echo "large ${path#.}" ;;
        *) set -- "$@" "$path" ;;
      esac
    done
  fi
  echo tar
  tar -C / --no-recursion -cf - -- "$@" 2>/dev/null
}

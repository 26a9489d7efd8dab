# The first words on a host: become root where we are not, then serve. The arguments are those of `sh -c`.
# $0 is `ask` where a password follows on standard input, `never` where sudo must not ask, `self` where nobody is to
# become anybody else.
if [ "$0" = self ] || [ "$(id -u)" = 0 ]; then exec sh -c "$@"; fi
if ! command -v sudo >/dev/null; then echo 'sudo: not installed' >&2; exit 127; fi
if [ "$0" = ask ]; then exec sudo -S -p 'reconcile asks for the password of sudo
' -- sh -c "$@"; fi
exec sudo -n -- sh -c "$@"

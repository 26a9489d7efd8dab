# Runs the script in $2, then each one that a line on standard input holds. $1 marks our lines, both ways: whatever else
# is said there (a banner, a password that sudo did not want) is nobody's command.
#   in:   MARK SCRIPT     the script in base64; its data follows as lines that the script reads itself
#   out:  MARK begin      then in base64 lines what it printed, a newline and its status
#         MARK end
LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 077
cd / || exit 1
mark=$1
serve() {
  echo "$mark begin"
  { (eval "$1") 2>&1; printf '\n%s' "$?"; } | base64
  echo "$mark end"
}
serve "$2"
while IFS= read -r line; do
  case $line in
    "$mark "*) serve "$(printf '%s' "${line#"$mark "}" | base64 -d)" ;;
  esac
done

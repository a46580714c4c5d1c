# What the walks share: where the edge is, and how a result is told.
set -u
: "${USHER_URL:?the address of an edge}" "${TD_API_KEY:?a key of kind admin and server}"
export USHER_ADMIN_KEY="$TD_API_KEY" USHER_AUDIENCE="${USHER_AUDIENCE:-1069944}"
PS="$USHER_AUDIENCE"
passed=0
failed=0

# is NAME WANTED FOUND: one result.
is() {
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1))
    echo "ok - $1"
  else
    failed=$((failed + 1))
    echo "not ok - $1: wanted $2, found $3"
  fi
}

# most NAME LEAST FOUND: a number that is at least so large.
most() {
  if [ "$3" -ge "$2" ] 2>/dev/null; then is "$1" yes yes; else is "$1" "at least $2" "$3"; fi
}

end() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}

# RT 2.0's guide `rt-infrastructure`.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
. "$here/infrastructure.sh"
end

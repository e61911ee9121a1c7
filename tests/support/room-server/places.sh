# Where the parts of the room server lie; setup.sh puts them there, start.sh uses them. Sourced with `here` set to this
# folder. The names change with the pinned versions, so nothing outdated is ever used.

pin() { cat "$@" | cksum | cut -d' ' -f1; }

cache=${XDG_CACHE_HOME:-$HOME/.cache}/vision-service
tools=$cache/room-tools-$(pin "$here/requirements.txt")
packages=$here/node_modules
packages_complete=$packages/.complete-$(pin "$here/package-lock.json")
mediasoup_version=$(sed -n 's/.*"mediasoup": "\(.*\)".*/\1/p' "$here/package.json")
recipe=$(find "$here/worker" -type f | LC_ALL=C sort)
# shellcheck disable=SC2086 # one word per file
worker=$cache/mediasoup-worker-$mediasoup_version-$(pin $recipe)

# The libraries are Debian's: after an upgrade of Debian a kept worker may lack one.
worker_is_usable() { [ -x "$worker" ] && ! ldd "$worker" | grep -q 'not found'; }

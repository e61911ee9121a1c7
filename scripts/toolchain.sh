#!/bin/sh
# Says what is wrong when this machine cannot build the project: no Rust, too old a Rust, another processor.
set -eu

needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
advice="Install Rust $needed or newer, with rustup or as your organisation does, and run this again."

if ! command -v cargo >/dev/null; then
    echo "There is no cargo on this machine. $advice" >&2
    exit 1
fi
found=$(cargo --version | cut -d' ' -f2)
if [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
    echo "The Rust on this machine is $found. $advice" >&2
    exit 1
fi
if [ "$(uname -m)" != x86_64 ]; then
    echo "Note: the manifest pins ONNX Runtime for x86-64; on $(uname -m) put your own library into models/manifest.toml." >&2
fi

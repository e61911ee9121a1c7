#!/usr/bin/env bash
# Prints the name of a tar with a minimal Debian of this machine's release, made by debootstrap when the cache has none. As root.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/vision-service/container-check
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
base=$cache/$suite-slim.tar
if [ ! -e "$base" ]; then
    mkdir -p "$cache"
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/vision-base.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/base" >"$work/debootstrap.log" \
        || { tail -n 20 "$work/debootstrap.log" >&2; echo "debootstrap makes no base" >&2; exit 1; }
    rm -rf "$work/base/var/cache/apt/archives/"*.deb "$work/base/var/lib/apt/lists/"*
    # As in Debian's own slim images: dpkg does not wait for the disk, and leaves documentation out.
    printf '%s\n' force-unsafe-io path-exclude=/usr/share/doc/\* path-exclude=/usr/share/man/\* \
        path-exclude=/usr/share/info/\* path-exclude=/usr/share/locale/\* >"$work/base/etc/dpkg/dpkg.cfg.d/slim"
    rm -rf "$work/base/usr/share/"{doc,man,info,locale}
    # What this machine trusts.
    cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/ca-certificates.crt"
    tar -C "$work/base" -cf "$base.part" . && mv "$base.part" "$base"
fi
echo "$base"

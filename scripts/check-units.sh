#!/bin/sh
# Looks at the systemd units, alone and with each of their drop-ins: systemd-analyze finds no mistake in them, and exposure
# (0 is none, 10 is everything) stays where it is. Needs no running systemd.
set -eu
cd "$(dirname "$0")/.."

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
units=$root/etc/systemd/system
mkdir -p "$units" "$root/usr/bin" "$root/usr/lib/systemd/system"
# What the units name has to exist below the root; the targets are systemd's own.
install /bin/true "$root/usr/bin/vision-service"
cp deploy/systemd/*.service "$units"
for place in /usr/lib/systemd/system /lib/systemd/system; do
    if [ -d "$place" ]; then cp -r "$place/." "$root/usr/lib/systemd/system" && break; fi
done

# look UNIT EXPOSURE [DROP-IN]: exposure times ten, the most that is allowed
look() {
    rm -rf "$units/$1.d"
    if [ -n "${3:-}" ]; then install -D -m 644 -t "$units/$1.d" "deploy/systemd/drop-ins/$3.conf"; fi
    # It ends with 0 also after a warning, such as of a name that it does not know.
    complaints=$(systemd-analyze verify --man=no --root="$root" "$1" 2>&1 | grep -e "$1" -e vision || true)
    [ -z "$complaints" ] || { echo "$complaints" >&2 && exit 1; }
    if ! table=$(systemd-analyze security --offline=true --no-pager --root="$root" --threshold="$2" "$1" 2>&1); then
        echo "$table" | grep -v "^✓" >&2
        exit 1
    fi
    echo "$table" | sed -n "s/.*Overall exposure level for \(.*\): \([0-9.]*\) .*/ok: \1${3:+ with $3}: exposure \2/p"
}
look vision-service.service 11
look vision-worker.service 11
look vision-service.service 13 gpu
look vision-service.service 15 low-port
look vision-service.service 11 tls

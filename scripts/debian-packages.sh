#!/bin/sh
# Installs the packages of debian-packages.txt that are missing: debian-packages.sh SECTION...
# With --list it only prints the names of all packages of the sections.
# Costs a tenth of a second when nothing is missing.
set -eu

list="$(dirname "$0")/debian-packages.txt"
only_list=
if [ "${1:-}" = --list ]; then only_list=yes && shift; fi

# Lines "PACKAGE [PROGRAM]" of the named sections.
entries() {
    for section in "$@"; do
        grep -q "^\[$section\]" "$list" || { echo "debian-packages.txt has no section [$section]" >&2; exit 2; }
        awk -v section="[$section]" '
            /^\[/ { inside = ($0 == section); next }
            inside && NF && !/^#/ { print $1, ($2 == "or" ? $3 : "") }
        ' "$list"
    done | sort -u
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wanted=$(entries "$@")
if [ -n "$only_list" ]; then
    echo "$wanted" | cut -d' ' -f1
    exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not Debian, so nothing is installed. Needed here (Debian's names):" >&2
    echo "$wanted" | cut -d' ' -f1 | sed 's/^/  /' >&2
    exit 0
fi

missing=$(echo "$wanted" | while read -r package program; do
    if [ -n "$program" ] && command -v "$program" >/dev/null; then continue; fi
    installed "$package" || printf '%s ' "$package"
done)
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Install these as root, then run this again: $missing" >&2; exit 1; }
    sudo=sudo
fi
echo "Installing Debian packages: $missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get -q update
# shellcheck disable=SC2086 # one word per package
$sudo apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends $missing

# The tests start these servers of their own; Debian's packages also bring them up as services of the machine.
for service in coturn redis-server; do
    case " $missing" in
        *" $service "*)
            if command -v systemctl >/dev/null; then $sudo systemctl disable --quiet "$service"; fi
            if [ -d /run/systemd/system ]; then $sudo systemctl stop "$service"; fi
            ;;
    esac
done

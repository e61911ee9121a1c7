#!/bin/sh
# Installs or updates vision-service out of this folder, without a network: install.sh [PACKAGE...]
# Further packages that are here: redis-server (for session videos), coturn (a TURN server).
set -eu
cd "$(dirname "$0")"

failed() { echo "$*" >&2 && exit 1; }
[ "$(id -u)" -eq 0 ] || failed "Packages are installed by root: run this as root."
[ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" = bookworm ] || failed "These packages are for Debian 12 (bookworm)."
[ "$(dpkg --print-architecture)" = "@ARCHITECTURE@" ] || failed "These packages are for @ARCHITECTURE@."

echo "Verifying checksums ..."
sha256sum --quiet --check SHA256SUMS || failed "This bundle is damaged: copy it here again."

# An apt that knows no other source than this folder, and leaves the machine's own lists and sources alone.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial"
ln -s "$PWD/packages" "$work/packages"
echo "deb [trusted=yes] file:$work/packages ./" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/lists";
Dir::Cache "$work";
Dir::Cache::archives "$work/archives";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
DPkg::Lock::Timeout "600";
END
export APT_CONFIG="$work/apt.conf" DEBIAN_FRONTEND=noninteractive
apt-get -q=2 update
# Settings that were changed stay; an older bundle may go over a newer one.
apt-get -q -y --allow-downgrades -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    install "vision-service=@VERSION@" "$@"

cat <<'END'

Installed. What comes next:
    vision-service models                       the networks that are in use
    vision-service demo                         one complete verification inside this machine
    /etc/vision-service                         settings: vision.toml, and environment for secrets
    systemctl enable --now vision-service       start it, now and with the machine
END

#!/usr/bin/env bash
# Makes what an installation without a network needs, in one file: bundle.sh BINARY-FOLDER
#
# target/bundle/vision-service-VERSION-ARCH.tar holds the service as a Debian package (made here), every Debian package that it
# depends on down to libc, redis-server and coturn likewise, an index of them for apt, and install.sh. Debian's packages come out
# of this machine's package sources, by an apt that knows of no installed package. Nothing is installed here, root is not needed.
# The same commit, models and Debian packages give the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binaries=${1:?the folder of vision-service and libgstvision.so}
extras=(redis-server coturn)

suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$suite" = bookworm ] || { echo "The bundle is for Debian 12 and is made on Debian 12; this is ${suite:-no Debian}." >&2; exit 1; }
scripts/debian-packages.sh bundle

architecture=$(dpkg --print-architecture)
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
# Between releases the commit is part of the version, so that what is installed can be told, and newer goes before older.
if commit=$(git rev-parse --short=9 HEAD 2>/dev/null) && ! git tag --points-at HEAD | grep -qx "v$version"; then
    version=$version+git$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M).$commit
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)
export SOURCE_DATE_EPOCH

name=vision-service-$version-$architecture
out=${CARGO_TARGET_DIR:-target}/bundle
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vision-service/bundle
work=$(mktemp -d "${TMPDIR:-/var/tmp}/vision-bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
bundle=$work/$name package=$work/package
umask 022
mkdir -p "$out" "$bundle/packages" "$package/DEBIAN"
step() { echo "[$1/5] $2 ..."; }

# ---- the service
step 1 "Laying out the service"
library=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)/gstreamer-1.0
share=usr/share/vision-service
install -D --strip -t "$package/usr/bin" "$binaries/vision-service"
install -D --strip -m 644 -t "$package/$library" "$binaries/libgstvision.so"
install -D -m 644 -t "$package/$share/models" models/files/*
install -D -m 644 -t "$package/usr/lib/systemd/system" deploy/systemd/*.service
install -D -m 644 -t "$package/$share/drop-ins" deploy/systemd/drop-ins/*.conf
install -D -m 644 deploy/systemd/sysusers.conf "$package/usr/lib/sysusers.d/vision-service.conf"
install -D -m 644 deploy/systemd/tmpfiles.conf "$package/usr/lib/tmpfiles.d/vision-service.conf"
install -D -m 640 -t "$package/etc/vision-service" deploy/systemd/vision.toml
install -D -m 600 -t "$package/etc/vision-service" deploy/systemd/environment
install -D -m 644 -t "$package/usr/share/doc/vision-service/docs" docs/*.md
install -D -m 644 LICENSE "$package/usr/share/doc/vision-service/copyright"
scripts/licences.py models/files | gzip -9n >"$package/usr/share/doc/vision-service/third-party-licences.txt.gz"

# What the libraries are needed by name and version is read off the binaries; plug-ins and fonts are loaded by name.
mkdir "$work/debian" && printf 'Source: vision-service\n\nPackage: vision-service\nArchitecture: any\n' >"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info package/usr/bin/vision-service "package/$library/libgstvision.so" \
    "package/$share"/models/libonnxruntime.so.* 2>"$work/shlibdeps.log" | sed -n 's/^shlibs:Depends=//p')
[ -n "$libraries" ] || { cat "$work/shlibdeps.log" >&2; exit 1; }
depends="$(scripts/debian-packages.sh --list run | paste -sd , | sed 's/,/, /g'), systemd, $libraries"
cat >"$package/DEBIAN/control" <<END
Package: vision-service
Version: $version
Architecture: $architecture
Maintainer: vision-service <https://github.com/vision-service/vision-service>
Section: video
Priority: optional
Installed-Size: $(du -sk "$package" | cut -f1)
Depends: $depends
Suggests: ${extras[0]}, ${extras[1]}
Description: verifies in a WebRTC video call that a person is live and who they claim to be
 The service, its GStreamer elements and the networks that it sees with.
END
printf '/etc/vision-service/%s\n' environment vision.toml >"$package/DEBIAN/conffiles"
install -m 755 -t "$package/DEBIAN" deploy/bundle/package/*
(cd "$package" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)

step 2 "Packing it"
find "$package" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zzstd -z9 --build "$package" "$bundle/packages" >/dev/null

# ---- what Debian has to give, as if nothing were installed
step 3 "Fetching Debian's packages"
mkdir -p "$cache/lists/partial" "$cache/archives/partial" "$work/none/partial" "$work/state"
: >"$work/state/status"
export APT_CONFIG=$work/apt.conf
cat >"$APT_CONFIG" <<END
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::State::lists "$cache/lists";
Dir::Cache "$work";
Dir::Cache::archives "$cache/archives";
APT::Install-Recommends "false";
APT::Sandbox::User "";
END
apt-get -q=2 update
wanted="$depends, $(IFS=, && echo "${extras[*]}")"
# 'ADDRESS' FILE BYTES SHA256:DIGEST, of all of them, also of those that are in the cache.
apt-get -q -y -o Acquire::ForceHash=SHA256 -o Dir::Cache::archives="$work/none" --print-uris satisfy "$wanted" | sed -n "s/^'.*' \([^ ]*\.deb\) .* SHA256:\([0-9a-f]*\)$/\2  \1/p" |
    sort -k2 >"$work/debs"
[ -s "$work/debs" ] || { echo "apt names no packages for: $wanted" >&2; exit 1; }
echo "    $(wc -l <"$work/debs") packages; what the cache has already is not fetched again"
apt-get -q=2 -y --download-only satisfy "$wanted"
(cd "$cache/archives" && sha256sum --quiet --check "$work/debs" && cut -d' ' -f3 "$work/debs" | xargs cp -t "$bundle/packages")
unset APT_CONFIG

# ---- the bundle
step 4 "Writing the index and the checksums"
(cd "$bundle/packages" && dpkg-scanpackages --multiversion . 2>/dev/null | gzip -9n >Packages.gz)
sed "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/" deploy/bundle/install.sh >"$bundle/install.sh"
chmod 755 "$bundle/install.sh"
install -m 644 -t "$bundle" LICENSE docs/offline.md
(cd "$bundle" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)

step 5 "Writing $out/$name.tar"
tar --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf "$out/$name.tar.part" "$name"
rm -f "$out"/*.tar "$out"/*.tar.sha256
mv "$out/$name.tar.part" "$out/$name.tar"
(cd "$out" && sha256sum "$name.tar" | tee "$name.tar.sha256")
echo "$(wc -l <"$work/debs") packages of Debian, $(du -m "$out/$name.tar" | cut -f1) MB; docs/offline.md says how to install it."

#!/usr/bin/env bash
# Builds the mediasoup worker, a C++ program, from the source in its npm package: build.sh SOURCE RESULT
# The package would fetch the libraries; here they are Debian's, through the small projects of subprojects/, each in a
# folder of the name that the worker's .wrap file gives: meson fetches nothing for which there is a folder. A version
# of mediasoup that wants another version of a library finds no folder, and the build says so.
# Needs meson, ninja and the [test] packages of scripts/debian-packages.txt; JOBS=N sets how much is done at once.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$1 result=$2
jobs=${JOBS:-$(nproc)}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$result.log
: >"$log"

fail() {
    echo "The mediasoup worker cannot be built: $1" >&2
    echo "Everything that was said is in $log" >&2
    exit 1
}

cp -r "$source" "$work/worker"
cp -r "$here/subprojects" "$work/worker/"
cd "$work/worker"
# The worker links each library whole, from a variable of the library's project; these have nothing to give.
for project in "$here"/subprojects/*/; do
    : >"subprojects/$(basename "$project")/nothing.c"
done

# Debian's OpenSSL can do kernel TLS and asks the BIO whether it does. The worker's BIO callback answers 1 to whatever
# is asked, so OpenSSL allocates no buffer and the worker dies at the first DTLS handshake. BIO_set_callback_ex(3) wants
# the operation's own result back.
sed -i 's/(operationType == BIO_CB_RETURN) ?/((operationType \& BIO_CB_RETURN) != 0) ?/' src/RTC/DtlsTransport.cpp
grep -q '(operationType & BIO_CB_RETURN) != 0' src/RTC/DtlsTransport.cpp ||
    fail "DtlsTransport.cpp of this version has another BIO callback"

# Small sources that include much: a precompiled header saves two fifths of the time.
cp "$here/precompiled.hpp" include/
sed -i "s|^  sources: common_sources + \['src/main.cpp'\],|  cpp_pch: 'include/precompiled.hpp',\n&|" meson.build
grep -q precompiled.hpp meson.build || fail "meson.build of this version names its sources in another way"

echo "Building the mediasoup worker on $jobs cores, which takes minutes; it is kept in $(dirname "$result") ..."
meson setup build --buildtype plain -Doptimization=1 -Ddebug=false -Db_ndebug=true --wrap-mode=nodownload \
    >>"$log" 2>&1 || { grep -A3 ERROR "$log" >&2; fail "meson setup failed"; }
{ nice meson compile -C build flatbuffers-generator && nice meson compile -C build -j "$jobs" mediasoup-worker; } 2>&1 |
    tee -a "$log" |
    awk -F'[][/]' '
        # "[12/345] Compiling ...": a line for each tenth
        /^\[[0-9]+\/[0-9]+\]/ && $3 > 50 && int(10 * $2 / $3) > tenths {
            tenths = int(10 * $2 / $3); print "  " 10 * tenths " %"; fflush()
        }
    ' || { grep -A8 -E 'error:|FAILED' "$log" | head -40 >&2; fail "a source does not compile"; }

strip -o "$result.new" build/mediasoup-worker
mv "$result.new" "$result"
rm -f "$log"

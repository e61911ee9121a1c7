#!/usr/bin/env bash
# Installs the bundle on a minimal Debian that has no network, and uses it there: check-bundle.sh [BUNDLE.tar]
#
# As root, on Debian. The machine is a folder that debootstrap made, in namespaces of its own whose only interface is loopback.
# First everything runs in a chroot under strace, which sees whoever asks for an address beyond it, also in vain. Then systemd
# boots there (systemd-nspawn), so that the units run in their sandboxes. What is checked is printed line by line. It takes about
# three minutes and 3 GB under $TMPDIR (/var/tmp when unset); the minimal Debian is kept in the cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

passed() { echo "ok: $*"; }
failed() { echo "FAILED: $*" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || failed "a chroot and a machine in it need root: run this as root"
scripts/debian-packages.sh check-bundle
tar=${1:-$(ls "${CARGO_TARGET_DIR:-target}"/bundle/vision-service-*.tar)}
[ -f "$tar" ] || failed "there is no bundle $tar: make bundle"

base=$(scripts/debian-base.sh)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/vision-bundle-check.XXXXXX")
root=$work/root
finish() { rm -rf "$work"; }
trap finish EXIT
mkdir "$root"
tar -C "$root" -xf "$base"
mkdir "$root/media/bundle"
tar -C "$root/media/bundle" --strip-components 1 -xf "$tar"
# Whatever the base has been given: there are no package sources, no name server and no proxy.
rm -rf "$root/etc/apt/sources.list" "$root/etc/apt/sources.list.d/"* "$root/etc/resolv.conf"

# inside NAME COMMAND...: what it says goes to $work/NAME.log, whom it calls to $work/NAME.trace
inside() {
    local name=$1
    shift
    # shellcheck disable=SC2016 # for the inner shell
    unshare --net --mount --pid --fork --kill-child -- bash -c '
        set -e
        root=$1 trace=$2; shift 2
        ip link set lo up
        mount --make-rprivate /
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys"
        [ "$(ls "$root/sys/class/net")" = lo ] || { echo "there is another interface than loopback" >&2; exit 1; }
        mount -t tmpfs tmpfs "$root/dev"
        cp -a /dev/null /dev/zero /dev/random /dev/urandom /dev/full "$root/dev"
        mkdir -m 1777 "$root/dev/shm"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        exec strace -f --seccomp-bpf -qq -s 0 -e trace=connect,sendto,sendmsg,sendmmsg -e signal=none -o "$trace" \
            chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
    ' inside "$root" "$work/$name.trace" "$@" >"$work/$name.log" 2>&1 || failed "$name: $(tail -n 40 "$work/$name.log")"
    stayed_inside "$name"
}

# Addresses beyond loopback, multicast too; and name servers, which glibc looks for on loopback when it knows none.
stayed_inside() {
    local called
    called=$(grep -oE '(inet_addr\(|AF_INET6, )"[^"]*"' "$work/$1.trace" | cut -d'"' -f2 | sort -u |
        grep -vE '^(127\.[0-9.]+|::1|::ffff:127\.[0-9.]+)$' || true)
    called+=$(grep -m 5 -F 'htons(53)' "$work/$1.trace" || true)
    [ -z "$called" ] || failed "$1 tried to reach the network: $(head -n 20 <<<"$called")"
}

# ---- in a chroot, watched
for bait in 'exec 3<>/dev/tcp/192.0.2.1/80' 'exec 3<>/dev/udp/2001:db8::1/123' 'getent hosts vision-service.example'; do
    if (inside bait bash -c "($bait) 2>/dev/null || true") 2>"$work/bait.txt"; then failed "the watch does not see '$bait'"; fi
    grep -q 'bait tried to reach the network' "$work/bait.txt" || failed "$(cat "$work/bait.txt")"
done
passed "the watch sees who connects, sends and looks up names"
inside install sh /media/bundle/install.sh redis-server coturn
passed "install.sh: $(grep -c '^Setting up ' "$work/install.log") packages"
inside models vision-service models
sed 's/^/    /' "$work/models.log"
grep -q '^face_landmarks .*present' "$work/models.log" || failed "the models are not there"
passed "the models are there and right"
inside elements sh -c 'gst-inspect-1.0 vision && gst-inspect-1.0 webrtcbin && gst-inspect-1.0 nicesrc'
passed "GStreamer knows the service's elements"
inside demo vision-service demo --out /tmp/demo
passed "a whole verification inside (vision-service demo): $(grep -i verified "$work/demo.log" | tail -n 1)"
# shellcheck disable=SC2016 # for the inner shell
inside serve bash -c '
    vision-service serve --config /etc/vision-service/vision.toml &
    for _ in $(seq 120); do
        sleep 0.5
        (exec 3<>/dev/tcp/127.0.0.1/5000 && printf "GET /health HTTP/1.0\r\n\r\n" >&3 && timeout 5 cat <&3) 2>/dev/null | grep "\"status\":\"ok\"" && break
    done
    kill -TERM $! && wait $!
'
grep -q '^{"status":"ok"' "$work/serve.log" || failed "no health: $(tail -n 40 "$work/serve.log")"
passed "serve is healthy, and ends on SIGTERM"
passed "nobody asked for an address beyond loopback; $(cat "$work"/*.trace | wc -l) calls were looked at"

# ---- booted
# The tools of the check are those of the machine: perl is in every Debian, curl is not.
cat >"$root/usr/local/bin/check-installed" <<'END'
#!/bin/bash
set -u
passed() { echo "ok: $*"; }
failed() { echo "FAILED: $*"; journalctl --no-pager -n 40 -u vision-service -u vision-worker; exit 1; }
health() {
    exec 3<>/dev/tcp/127.0.0.1/5000 || return 1
    printf 'GET /health HTTP/1.0\r\n\r\n' >&3 && timeout 5 cat <&3
} 2>/dev/null
healthy() { for _ in $(seq 120); do health | grep -q '"status":"ok"' && return; sleep 0.5; done; return 1; }
main() { systemctl show --property MainPID --value vision-service; }

[ "$(ls /sys/class/net)" = lo ] || failed "there is another interface than loopback: $(ls /sys/class/net)"
systemctl enable --now vision-service || failed "vision-service does not start"
healthy || failed "no health"
passed "systemctl enable --now vision-service; /health: $(health | tail -n 1 | cut -c1-300)"
status=/proc/$(main)/status
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "$status" | tr '\n\t' '  ' && echo
grep -q '^NoNewPrivs:.1' "$status" && grep -q '^Seccomp:.2' "$status" && grep -q '^CapEff:.0*$' "$status" || failed "there is no sandbox around it"
passed "as $(ps -o user= -p "$(main)"), without capabilities, behind a filter of system calls"
journalctl --no-pager -u vision-service -p warning --output cat | grep -i 'denied\|not permitted' && failed "the sandbox is too tight"
[ -s /var/cache/vision-service/gstreamer.bin ] || failed "GStreamer's registry is not kept"
# The same unit around a conversion of pixels, which is compiled as it runs, and around a whole verification, which uses what
# /health does not: codecs, DTLS, ICE, networks, text.
convert="/usr/bin/gst-launch-1.0 -q videotestsrc num-buffers=5 ! video/x-raw,format=I420 ! videoconvert ! video/x-raw,format=RGB ! fakesink"
sed -e "s|^ExecStart=.*|ExecStartPre=$convert\nExecStart=/usr/bin/vision-service demo --out /tmp/demo|" -e 's|^Restart=.*|Type=oneshot|' \
    /usr/lib/systemd/system/vision-service.service >/run/systemd/system/vision-demo.service
systemctl daemon-reload
systemctl start vision-demo || { journalctl --no-pager -u vision-demo; failed "the demo in the unit's sandbox"; }
journalctl --no-pager -u vision-demo | grep 'exec mmap' && failed "GStreamer's compiler for loops over pixels (orc) does not work in the sandbox"
passed "a whole verification in the unit's sandbox: $(journalctl --no-pager --output cat -u vision-demo | grep -i verified | tail -n 1)"
systemctl stop vision-service || failed "it does not stop"
[ "$(systemctl show --property Result --value vision-service)" = success ] || failed "SIGTERM ends it badly"
passed "systemctl stop ends it cleanly"
for unit in vision-service vision-worker; do
    systemd-analyze verify --man=no "$unit.service" 2>&1 | grep vision && failed "systemd-analyze verify $unit"
done
passed "systemd-analyze verify finds nothing"
# The drop-ins that can be tried without a GPU: HTTPS on 443 with a key that only root can read.
install -D -t /etc/systemd/system/vision-service.service.d /usr/share/vision-service/drop-ins/{tls,low-port}.conf
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 1 \
    -keyout /etc/vision-service/tls.key -out /etc/vision-service/tls.crt 2>/tmp/openssl.log || failed "$(cat /tmp/openssl.log)"
chmod 600 /etc/vision-service/tls.key
echo PORT=443 >>/etc/vision-service/environment
systemctl daemon-reload && systemctl start vision-service
secure() { (printf 'GET /health HTTP/1.0\r\n\r\n'; sleep 1) | openssl s_client -quiet -connect 127.0.0.1:443 2>/dev/null; }
for _ in $(seq 60); do secure | grep -q '"status":"ok"' && break; sleep 0.5; done
secure | grep -q '"status":"ok"' || failed "no HTTPS on 443"
passed "tls.conf and low-port.conf: HTTPS on 443, PORT out of the environment file"
systemctl stop vision-service
rm -r /etc/systemd/system/vision-service.service.d /etc/vision-service/tls.* && sed -i '/^PORT=/d' /etc/vision-service/environment
systemctl daemon-reload
if vision-service help worker >/dev/null 2>&1; then
    printf '[REDIS]\nconnectionString = "redis://127.0.0.1:6379"\n' >/etc/vision-service/lunapassvideo.config.toml
    chgrp vision-service /etc/vision-service/lunapassvideo.config.toml && chmod 640 /etc/vision-service/lunapassvideo.config.toml
    systemctl start redis-server vision-worker && sleep 5
    systemctl is-active --quiet vision-worker || failed "vision-worker does not stay up"
    systemctl stop vision-worker
    [ "$(systemctl show --property Result --value vision-worker)" = success ] || failed "SIGTERM ends the worker badly"
    rm /etc/vision-service/lunapassvideo.config.toml
    passed "vision-worker with redis-server starts, and stops on SIGTERM"
else
    echo "SKIPPED: vision-worker (this program has no worker)"
fi
# Settings stay over an update, an update starts again what was running.
systemctl start vision-service && healthy || failed "it does not start again"
echo '# ours' >>/etc/vision-service/vision.toml
before=$(main)
sh /media/bundle/install.sh >/tmp/again.log 2>&1 || { cat /tmp/again.log; failed "install.sh a second time"; }
[ "$before" = "$(main)" ] || failed "what is up to date was started again"
dpkg -i --force-confold /media/bundle/packages/vision-service_*.deb >/tmp/again.log 2>&1 || { cat /tmp/again.log; failed "an update"; }
healthy && [ "$before" != "$(main)" ] || failed "it is not up again after an update"
grep -q '# ours' /etc/vision-service/vision.toml || failed "settings are lost by an update"
passed "an update keeps the settings and starts the service again"
apt-get -q -y purge vision-service >/tmp/purge.log 2>&1 || { cat /tmp/purge.log; failed "apt-get purge vision-service"; }
left=$(ls -d /etc/vision-service /usr/share/vision-service /var/cache/vision-service /usr/bin/vision-service 2>/dev/null)
[ -z "$left" ] || failed "purged, there is still $left"
systemctl is-active --quiet vision-service && failed "purged, it still runs"
passed "apt-get purge leaves nothing but /var/lib/vision-service"
echo "all is well"
END
chmod +x "$root/usr/local/bin/check-installed"
cat >"$root/etc/systemd/system/check-installed.service" <<'END'
[Service]
Type=oneshot
ExecStart=/usr/local/bin/check-installed
StandardOutput=file:/check.log
StandardError=inherit
ExecStopPost=systemctl poweroff --no-block
TimeoutStartSec=8min
[Install]
WantedBy=multi-user.target
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -s ../check-installed.service "$root/etc/systemd/system/multi-user.target.wants/"
ln -sf /dev/null "$root/etc/systemd/system/systemd-networkd-wait-online.service"
ln -sf /dev/null "$root/etc/systemd/system/coturn.service"
timeout 600 unshare --mount --cgroup -- systemd-nspawn --quiet --boot --register=no --keep-unit --private-network \
    --resolv-conf=off --timezone=off --link-journal=no --console=pipe --directory "$root" </dev/null >"$work/boot.log" 2>&1 ||
    echo "    (systemd-nspawn ended with $?)"
[ -e "$root/check.log" ] || failed "it does not boot: $(tail -n 40 "$work/boot.log")"
cat "$root/check.log"
grep -qx "all is well" "$root/check.log" || failed "see above"

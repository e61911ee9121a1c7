#!/usr/bin/env bash
# Builds the images of the Dockerfile and starts them, without a Docker engine: check-container.sh [service] [gpu]
#
# As root, on Debian, with the toolchain of this machine: the base image is made by debootstrap, the Rust image is that
# with this machine's Rust in it, buildah builds in chroots. The image is started as its configuration says, in a chroot
# whose root is read-only, on this machine's network. What it checks is printed line by line. It takes about half
# an hour and 20 GB under $TMPDIR (/var/tmp when unset); the base image is kept in the cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -gt 0 ] || set -- service gpu
port=${CHECK_PORT:-5599}

[ "$(id -u)" -eq 0 ] || { echo "buildah's chroots and a read-only root need root: run this as root" >&2; exit 1; }
scripts/debian-packages.sh check-container

work=$(mktemp -d "${TMPDIR:-/var/tmp}/vision-container.XXXXXX")
mkdir "$work/tmp"
export TMPDIR=$work/tmp BUILDAH_ISOLATION=chroot
build() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
runner=
finish() {
    [ -z "$runner" ] || kill -- "-$runner" 2>/dev/null || true
    build umount --all >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT
passed() { echo "ok: $*"; }
failed() { echo "FAILED: $*" >&2; exit 1; }

# ---- stand-ins for the base images
base=$(scripts/debian-base.sh) || failed "there is no base"
container=$(build from scratch)
build add --quiet "$container" "$base" / >/dev/null
build commit --quiet "$container" stand-in-debian >/dev/null
rust=$(rustc --print sysroot)
build copy --quiet "$container" "$rust/bin" /usr/local/rust/bin >/dev/null
build copy --quiet "$container" "$rust/lib" /usr/local/rust/lib >/dev/null
build config --env CARGO_HOME=/usr/local/cargo \
    --env PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
build commit --quiet "$container" stand-in-rust >/dev/null
build rm "$container" >/dev/null

# ---- inside an image
setting() { build inspect --type image --format "{{range $1}}{{println .}}{{end}}" vision-service | sed '/^$/d'; }

# Its root read-only, its own /tmp and /proc, this machine's devices and network.
inside() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --fork --kill-child -- bash -c '
        set -e
        root=$1 user=$2; shift 2
        mount --make-rprivate /
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --bind /dev "$root/dev"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        mount -o remount,bind,ro "$root"
        cd /
        exec chroot --userspec="$user:$user" "$root" env -i "$@"
    ' inside "$root" "$user" "${environment[@]}" HOME=/var/cache/vision-service PORT="$port" "$@"
}

# ---- what is checked of each image
look_at_files() {
    inside sh -c 'touch /usr/x /var/cache/vision-service/x 2>/dev/null' && failed "the root file system can be written to"
    [ "$(inside id -u)" = "$user" ] || failed "it does not run as user $user"
    passed "user $user, the root file system is read-only"
    inside gst-inspect-1.0 vision >/dev/null || failed "GStreamer does not find the plug-in vision"
    inside gst-launch-1.0 -q videotestsrc num-buffers=5 ! x264enc ! rtph264pay ! rtporientation ! fakesink \
        || failed "gst-launch-1.0 with an element of the plug-in"
    passed "gst-inspect-1.0 and gst-launch-1.0 know the service's elements"
    inside vision-service models | tee "$work/models.txt" | sed 's/^/    /'
    grep -q '^face_landmarks .*present' "$work/models.txt" || failed "the models are not inside"
    passed "the models are inside"
}

look_at_cuda() {
    local library missing
    for library in cuda tensorrt; do
        missing=$(inside ldd "/usr/lib/vision-service/cuda/libonnxruntime_providers_$library.so" |
            awk '/not found/ { print $1 }' | sort -u | paste -sd ' ')
        echo "    $library: not found: ${missing:-none}"
        case "$library $missing" in
            "cuda libcuda.so.1" | "cuda " | "tensorrt libcuda.so.1" | "tensorrt ") ;;
            "tensorrt libnvinfer.so.10 libnvonnxparser.so.10") echo "    (the image was built without TENSORRT)" ;;
            *) failed "libraries of the $library provider are missing" ;;
        esac
    done
    passed "every library of the CUDA provider resolves, but for the driver's"
    if [ ! -e /dev/nvidiactl ]; then
        inside EXECUTION_PROVIDER=cuda vision-service serve >"$work/cuda.log" 2>&1 && failed "cuda starts without a driver"
        grep -q 'cuda does not work here.*libcuda.so.1' "$work/cuda.log" || failed "no word of the driver: $(cat "$work/cuda.log")"
        passed "asked for cuda it does not start without a driver, and says so"
    fi
}

look_at_service() {
    local health command
    mapfile -t command < <(setting .OCIv1.Config.Entrypoint && setting .OCIv1.Config.Cmd)
    mapfile -t health < <(setting .Docker.Config.Healthcheck.Test | tail -n +2)
    set -m
    inside "${command[@]}" >"$work/service.log" 2>&1 &
    runner=$!
    set +m
    for _ in $(seq 120); do
        inside "${health[@]}" >"$work/health.json" 2>/dev/null && break
        kill -0 "$runner" 2>/dev/null || failed "the service ended: $(tail -n 20 "$work/service.log")"
        sleep 0.5
    done
    grep -q '"status":"ok"' "$work/health.json" || failed "no health: $(tail -n 20 "$work/service.log")"
    passed "${command[*]} is healthy: $(cut -c1-400 "$work/health.json")"
    # The innermost process is the service; an engine stops it the same way.
    local process=$runner inner
    while inner=$(pgrep -P "$process"); do process=$inner; done
    kill -TERM "$process"
    wait "$runner" || failed "SIGTERM ends it with $?: $(tail -n 20 "$work/service.log")"
    runner=
    passed "SIGTERM ends it cleanly"
    inside vision-service demo --out /tmp/demo >"$work/demo.log" 2>&1 || failed "the demo: $(tail -n 20 "$work/demo.log")"
    passed "a whole verification inside (vision-service demo)"
}

for target in "$@"; do
    build bud --format docker --pull-never --target "$target" --tag vision-service \
        --build-arg DEBIAN_IMAGE=localhost/stand-in-debian --build-arg RUST_IMAGE=localhost/stand-in-rust \
        ${CARGO_BUILD_JOBS:+--build-arg CARGO_BUILD_JOBS="$CARGO_BUILD_JOBS"} . >"$work/build.log" 2>&1 \
        || { tail -n 60 "$work/build.log" >&2; failed "the image does not build"; }
    passed "the Dockerfile builds, target $target"
    container=$(build from --pull-never vision-service)
    root=$(build mount "$container")
    passed "its size is $(du -sxm "$root" | cut -f1) MB"
    mapfile -t environment < <(setting .OCIv1.Config.Env)
    user=$(build inspect --type image --format '{{.OCIv1.Config.User}}' vision-service)
    [[ $user =~ ^[0-9]+$ && $user -ne 0 ]] || failed "the image's user is '$user'"
    look_at_files
    [ "$target" != gpu ] || look_at_cuda
    look_at_service
    build umount "$container" >/dev/null && build rm "$container" >/dev/null && build rmi vision-service >/dev/null
done

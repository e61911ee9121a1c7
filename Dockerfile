# The service in a container; docs/containers.md has the rest.
#
#   docker build -t vision-service .                        for the processor
#   docker build -t vision-service:gpu --target gpu .       for nodes with an NVIDIA GPU
#   docker run -d --network host vision-service
#
# Models that lie in models/files (`make models`) are taken along; those that do not are fetched while building.

ARG DEBIAN_IMAGE=debian:12.11-slim
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm

# ---- what the service needs to run ------------------------------------------------------------------------
FROM ${DEBIAN_IMAGE} AS runtime
RUN --mount=type=bind,source=scripts,target=/scripts \
    /scripts/debian-packages.sh run container \
    && apt-get -q -y upgrade \
    && rm -rf /var/lib/apt/lists/*
# Fails the build when an element is missing, and leaves GStreamer's plugin registry warm: a cold scan takes 1.4 s.
# ONNX Runtime would look for a place for its telemetry before it is told to send none.
ENV GST_REGISTRY_1_0=/var/cache/vision-service/gstreamer.bin \
    ORT_DISABLE_TELEMETRY=1
RUN useradd --uid 10001 --shell /usr/sbin/nologin --create-home --home-dir /var/cache/vision-service vision \
    && gst-inspect-1.0 webrtcbin >/dev/null \
    && gst-inspect-1.0 nicesrc >/dev/null

# ---- models -----------------------------------------------------------------------------------------------
FROM ${DEBIAN_IMAGE} AS models
WORKDIR /build
RUN --mount=type=bind,source=scripts,target=/scripts \
    /scripts/debian-packages.sh python \
    && rm -rf /var/lib/apt/lists/*
COPY models models
# What is there is only verified; npm, which is large, is installed when something has to come out of its registry.
RUN --mount=type=bind,source=scripts,target=/scripts \
    python3 models/setup || { /scripts/debian-packages.sh models && python3 models/setup; }

# ---- the program and the elements --------------------------------------------------------------------------
FROM ${RUST_IMAGE} AS build
WORKDIR /build
RUN --mount=type=bind,source=scripts,target=/scripts \
    /scripts/debian-packages.sh build \
    && rm -rf /var/lib/apt/lists/*
COPY . .
ARG CARGO_BUILD_JOBS
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --package vision-service --package gst-plugin-vision \
    && install -D -t /out target/release/vision-service target/release/libgstvision.so

# ---- CUDA, cuDNN and ONNX Runtime's providers, for the GPU image --------------------------------------------
FROM ${DEBIAN_IMAGE} AS cuda
RUN --mount=type=bind,source=scripts,target=/scripts \
    /scripts/debian-packages.sh python \
    && rm -rf /var/lib/apt/lists/*
# TensorRT's wheels lie with NVIDIA only, from where this package fetches them: TENSORRT=10.16.1.11 takes them along.
ARG TENSORRT=
RUN --mount=type=bind,source=deploy,target=/deploy \
    --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /wheels \
    && /wheels/bin/pip install --no-deps --only-binary :all: --require-hashes -r /deploy/gpu-requirements.txt \
    && { [ -z "$TENSORRT" ] || /wheels/bin/pip install --no-deps "tensorrt-cu13-libs==$TENSORRT"; } \
    && mkdir /out \
    && find /wheels/lib -name 'lib*.so*' \( -path '*/onnxruntime/capi/*' -o -path '*/nvidia/*' -o -path '*/tensorrt*' \) \
        -exec mv -t /out {} +

# ---- the image, for the processor --------------------------------------------------------------------------
FROM runtime AS service
COPY --from=models /build/models/files /usr/share/vision-service/models
COPY --from=build /out/libgstvision.so /usr/lib/x86_64-linux-gnu/gstreamer-1.0/
COPY --from=build /out/vision-service /usr/bin/
# With the service's own elements in it; as root the registry could not be read-only.
RUN gst-inspect-1.0 vision >/dev/null \
    && mkdir /var/cache/vision-service/engines \
    && chown -R vision: /var/cache/vision-service
USER 10001
WORKDIR /var/cache/vision-service
EXPOSE 5000
# The port speaks HTTP, or HTTPS when a certificate is configured.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["sh", "-c", "curl -fsS http://127.0.0.1:${PORT:-5000}/health || curl -fsSk https://127.0.0.1:${PORT:-5000}/health"]
ENTRYPOINT ["vision-service"]
CMD ["serve"]

# ---- the image, for nodes with an NVIDIA GPU: CUDA 13, driver 580 or newer -----------------------------------
FROM service AS gpu
COPY --from=cuda /out /usr/lib/vision-service/cuda
USER 0
RUN echo /usr/lib/vision-service/cuda >/etc/ld.so.conf.d/vision-service.conf && ldconfig
USER 10001
# The container toolkit reads the NVIDIA_ names; TF32 would round where TensorRT computes.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video \
    NVIDIA_TF32_OVERRIDE=0 \
    ONNXRUNTIME_LIBRARY=/usr/lib/vision-service/cuda/libonnxruntime.so.1.31.1 \
    ENGINE_CACHE=/var/cache/vision-service/engines

# ---- what `docker build` makes when nothing else is named ---------------------------------------------------
FROM service

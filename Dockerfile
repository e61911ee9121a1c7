# syntax=docker/dockerfile:1
#
#   docker build -t vision-service .
#   docker run --rm -p 5000:5000 vision-service
#
# Models that lie in models/files (`make models`) are taken along; those that do not are fetched while building.

ARG DEBIAN_IMAGE=debian:bookworm-slim
ARG RUST_IMAGE=rust:1.95-slim-bookworm

# ---- what the service needs to run ------------------------------------------------------------------------
FROM ${DEBIAN_IMAGE} AS runtime
RUN --mount=type=bind,source=scripts,target=/scripts \
    /scripts/debian-packages.sh run container \
    && rm -rf /var/lib/apt/lists/*
# Fails the build when the element is missing, and leaves GStreamer's plugin registry warm: a cold scan takes 1.4 s.
ENV GST_REGISTRY_1_0=/var/cache/vision-service/gstreamer.bin
RUN useradd --uid 10001 --shell /usr/sbin/nologin --create-home --home-dir /var/cache/vision-service vision \
    && gst-inspect-1.0 webrtcbin >/dev/null \
    && gst-inspect-1.0 nicesrc >/dev/null \
    && chown vision: "$GST_REGISTRY_1_0"

# ---- models -----------------------------------------------------------------------------------------------
FROM ${DEBIAN_IMAGE} AS models
WORKDIR /build
RUN --mount=type=bind,source=scripts,target=/scripts \
    /scripts/debian-packages.sh models \
    && rm -rf /var/lib/apt/lists/*
COPY models models
RUN python3 models/setup

# ---- the program ------------------------------------------------------------------------------------------
FROM ${RUST_IMAGE} AS build
WORKDIR /build
RUN --mount=type=bind,source=scripts,target=/scripts \
    /scripts/debian-packages.sh build \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked \
    && install -D target/release/vision-service /out/vision-service

# ---- the image --------------------------------------------------------------------------------------------
FROM runtime
COPY --from=models /build/models/files /usr/share/vision-service/models
COPY --from=build /out/vision-service /usr/bin/vision-service
USER 10001
WORKDIR /var/cache/vision-service
EXPOSE 5000
# The port speaks HTTP, or HTTPS when a certificate is configured.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["sh", "-c", "curl -fsS http://127.0.0.1:${PORT:-5000}/health || curl -fsSk https://127.0.0.1:${PORT:-5000}/health"]
ENTRYPOINT ["vision-service"]
CMD ["serve"]

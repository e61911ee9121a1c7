# A mediasoup room server to try the service with: that of the tests (tests/support/room-server).
#
#   docker build -t vision-room-server -f deploy/room-server.Dockerfile .

ARG DEBIAN_IMAGE=debian:12.11-slim

FROM ${DEBIAN_IMAGE}
ENV XDG_CACHE_HOME=/var/cache
WORKDIR /srv
COPY scripts/debian-packages.sh scripts/debian-packages.txt scripts/
COPY tests/support/room-server tests/support/room-server
# The worker is built with Debian's libraries: minutes.
RUN scripts/debian-packages.sh room-server \
    && rm -rf /var/lib/apt/lists/* \
    && tests/support/room-server/setup.sh
USER 10002
EXPOSE 4443
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:4443/"]
# It ends when its standard input does: run it with -i.
ENTRYPOINT ["tests/support/room-server/start.sh", "--port", "4443"]

# A small image with the one program in it.
#
#   docker build --tag countersign .
#   docker run --rm --publish 8080:8080 --volume countersign:/srv --env COUNTERSIGN_ISSUER=https://op.example … countersign
#
# It runs as nobody in particular (uid 65532, or any other that `--user` names), needs no capability, and writes to /srv alone:
# give it `--read-only --cap-drop ALL --security-opt no-new-privileges`. docker-compose.yml has all of that.

FROM rust:1.95-slim-bookworm AS build
# OpenSSL is built from source.
RUN apt-get update && apt-get install --yes --no-install-recommends make perl && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --package countersign && \
    install -D target/release/countersign /out/usr/local/bin/countersign && \
    install -d -o 65532 -g 65532 -m 0700 /out/srv

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Countersign" \
      org.opencontainers.image.description="A standalone OpenID Connect provider" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out /
WORKDIR /srv
VOLUME /srv
# Reached by what publishes the port, and by nothing else.
ENV COUNTERSIGN_LISTEN=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/countersign"]

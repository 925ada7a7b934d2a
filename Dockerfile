# docker build -t destination-databricks .
#
# Three stages: one builds with a Rust toolchain, one fetches certificate authorities, and a small image runs the program.
# The image runs as user and group 1000, as Airbyte runs connectors. It also works as any other user, and with
# `--read-only`. The folder of the tables has to be writable for the user that runs:
#   docker run --rm -i -v "$PWD/lake:/local/lake" -v "$PWD/config:/config:ro" destination-databricks \
#     write --config /config/config.json --catalog /config/catalog.json < messages.jsonl
#
# docs/image.md says more, for example how to pin the two base images by digest: `--build-arg BASE_IMAGE=debian@sha256:…`.
ARG RUST_IMAGE=rust:1.95-slim-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
# Some dependencies are C (zstd, the TLS library). This image has a C compiler, because Rust links with it.
WORKDIR /build
COPY Cargo.toml Cargo.lock spec.json ./
COPY tcli_service tcli_service
COPY src src
# `release` builds in a third of the time, for trying things out.
ARG PROFILE=dist
# Cargo requires the files of the tests and the benchmark that the manifest names; empty ones are enough.
RUN mkdir -p integration_tests/memory integration_tests/s3 integration_tests/databricks benches \
 && touch integration_tests/main.rs integration_tests/memory/main.rs integration_tests/s3/main.rs \
      integration_tests/databricks/main.rs benches/stages.rs \
 && cargo build --profile "$PROFILE" --locked --bin destination-databricks \
 && cp "target/$PROFILE/destination-databricks" /destination-databricks

FROM ${BASE_IMAGE} AS certificates
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates

FROM ${BASE_IMAGE}
# The shell stays, because Airbyte starts connectors through it. Setuid and setgid bits are removed. OpenShift starts the image
# with any user number and group 0, and that group may write /local.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && groupadd --gid 1000 airbyte \
 && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /local --shell /usr/sbin/nologin airbyte \
 && install -d -o 1000 -g 0 -m 0775 /local
COPY --from=certificates /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE /usr/share/doc/destination-databricks/LICENSE
COPY --from=build /destination-databricks /usr/local/bin/destination-databricks
# A number, because Kubernetes cannot check that a name is not root. Rows that spill when memory is short go to /tmp, which
# should not be in memory itself; without /tmp, small files are written instead.
USER 1000:1000
WORKDIR /local
ENV AIRBYTE_ENTRYPOINT="/usr/local/bin/destination-databricks"
ENTRYPOINT ["/usr/local/bin/destination-databricks"]
LABEL io.airbyte.name="airbyte/destination-databricks" \
      io.airbyte.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

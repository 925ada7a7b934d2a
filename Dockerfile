# docker build -t destination-databricks .
#
# Two stages: a Rust toolchain that builds, and a small image that only runs. Everything runs in it as user 10001; the
# folder of the tables has to be writable for that user:
#   docker run --rm -i -v "$PWD/lake:/local/lake" -v "$PWD/config:/config:ro" destination-databricks \
#     write --config /config/config.json --catalog /config/catalog.json < messages.jsonl

FROM rust:1.95-slim-bookworm AS build
# Some dependencies are C (zstd, the TLS library); this image has a C compiler, because Rust links with it.
WORKDIR /build
COPY Cargo.toml Cargo.lock spec.json ./
COPY tcli_service tcli_service
COPY src src
# The manifest names the tests and the benchmark; a build without them wants at least the files.
RUN mkdir -p integration_tests/memory benches \
 && touch integration_tests/main.rs integration_tests/memory/main.rs benches/stages.rs \
 && cargo build --profile dist --locked --bin destination-databricks

FROM debian:bookworm-slim
# Rows that spill when memory is short go to /tmp, which must not be memory itself.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin airbyte \
 && install -d -o airbyte -g airbyte /local
COPY --from=build /build/target/dist/destination-databricks /usr/local/bin/destination-databricks
COPY LICENSE /usr/share/doc/destination-databricks/LICENSE
USER airbyte
WORKDIR /local
ENV AIRBYTE_ENTRYPOINT="/usr/local/bin/destination-databricks"
ENTRYPOINT ["/usr/local/bin/destination-databricks"]
LABEL io.airbyte.name="airbyte/destination-databricks" \
      io.airbyte.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

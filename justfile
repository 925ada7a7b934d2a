# The README's commands by name. `just` lists them; `.ci/run` runs what has to pass.

[private]
default:
    @just --list

# Load the example's messages into Delta tables below target/example-lake
example:
    cargo run --release --locked -- write --config examples/config.json --catalog examples/catalog.json < examples/messages.jsonl

# Format, lints and tests
check: fmt clippy test

# Checks the format
fmt:
    cargo fmt --check

# Lints, warnings denied
clippy:
    cargo clippy --all-targets --locked -- -D warnings

# All tests
test:
    cargo test --locked

# The tests with a real S3 server, which is built first if it is missing (needs Go or Python)
bed:
    TEST_S3="$(integration_tests/s3/server)" cargo test --locked --test s3

# The tests with a real Azure Blob Storage server, which is installed first if it is missing (needs Node and npm)
bed-azure:
    TEST_AZURE="$(integration_tests/azure/server)" cargo test --locked --test azure

# The tests with Spark in Databricks' place, which is installed first if it is missing (needs Java, Maven and Python)
bed-databricks:
    TEST_S3="$(integration_tests/s3/server)" TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test databricks

# The same with its tables in containers of the Azure Blob Storage server, one of each kind of case
bed-databricks-azure:
    TEST_AZURE="$(integration_tests/azure/server)" TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test azure_databricks

# All of its cases in Azure: for each format of staged files, over both transports (takes hours)
bed-databricks-azure-all:
    for staging in csv gzip delta; do TEST_STAGING=$staging TEST_AZURE="$(integration_tests/azure/server)" TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test azure_databricks -- --include-ignored || exit 1; done

# The tests with managed tables: Spark in Databricks' place, and no bucket
bed-managed:
    TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test managed

# All of its cases, over both transports (takes an hour)
bed-managed-all:
    TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test managed -- --include-ignored

# The bed with Databricks' stand-in, with Spark 4.0 and with Spark 4.1
bed-databricks-both:
    for spark in 4.0 4.1; do TEST_S3="$(integration_tests/s3/server)" TEST_DATABRICKS="$(integration_tests/databricks/server $spark)" cargo test --locked --test databricks || exit 1; done

# Speed with a bucket on this machine, and the number of requests (needs a release build)
bench-s3 *options:
    TEST_S3="$(integration_tests/s3/server)" benches/s3 {{ options }}

# Speed with a container on this machine, and the formats of staged files by Spark (need a release build)
bench-azure *options:
    TEST_AZURE="$(integration_tests/azure/server)" benches/azure {{ options }}
    TEST_AZURE="$(integration_tests/azure/server)" TEST_DATABRICKS="$(integration_tests/databricks/server)" benches/azure_formats {{ options }}

# Whether loading keeps up with staging, with Spark on the same cores (needs a release build)
bench-databricks *options:
    TEST_S3="$(integration_tests/s3/server)" TEST_DATABRICKS="$(integration_tests/databricks/server)" benches/databricks {{ options }}

# Speed and memory of a large sync into a managed table, by Spark (needs a release build)
bench-managed *options:
    TEST_DATABRICKS="$(integration_tests/databricks/server)" benches/managed {{ options }}

# Speed of whole syncs on this machine (makes a release build, needs Python 3)
bench *options:
    cargo build --release --locked
    benches/end_to_end {{ options }}

# Speed of each stage alone
stages:
    cargo bench --bench stages

# The fuzz targets, a minute each (needs a nightly toolchain and cargo-fuzz)
fuzz:
    mkdir -p fuzz/corpus/scan_line fuzz/corpus/state
    cargo +nightly fuzz run scan_line fuzz/corpus/scan_line fuzz/seeds/scan_line -- -dict=fuzz/json.dict -max_total_time=60
    cargo +nightly fuzz run state fuzz/corpus/state fuzz/seeds/state -- -dict=fuzz/json.dict -max_total_time=60

# Builds the image's binary: whole-program optimisation, slow to build
dist:
    cargo build --profile dist --locked

# Builds the image
image tag="destination-databricks":
    docker build -t {{ tag }} .

# Licences, bans, sources and known vulnerabilities of all dependencies
deny:
    .ci/deny

# Builds the image and tries it: a folder, S3 and Databricks over TLS, users, a read-only root (needs Docker, or docker/engine)
image-try *options:
    docker/try {{ options }}

# The README's commands by name: `just` lists them, `just check` is what the CI runs.

[private]
default:
    @just --list

# Load the example's messages into Delta tables below target/example-lake
example:
    cargo run --release --locked -- write --config examples/config.json --catalog examples/catalog.json < examples/messages.jsonl

# Formatting, lints and tests: what has to pass
check: fmt clippy test

# Is everything formatted?
fmt:
    cargo fmt --check

# Lints, warnings denied
clippy:
    cargo clippy --all-targets --locked -- -D warnings

# All tests
test:
    cargo test --locked

# The tests with a real S3 server, which is built first where it is not there (needs Go or Python)
bed:
    TEST_S3="$(integration_tests/s3/server)" cargo test --locked --test s3

# The tests with Spark in Databricks' place, which is installed first where it is not there (needs Java, Maven and Python)
bed-databricks:
    TEST_S3="$(integration_tests/s3/server)" TEST_DATABRICKS="$(integration_tests/databricks/server)" cargo test --locked --test databricks

# The same with Spark 4.0 and with Spark 4.1
bed-databricks-both:
    for spark in 4.0 4.1; do TEST_S3="$(integration_tests/s3/server)" TEST_DATABRICKS="$(integration_tests/databricks/server $spark)" cargo test --locked --test databricks || exit 1; done

# How fast it is with a bucket on this machine, and how many requests that takes (needs a release build)
bench-s3 *options:
    TEST_S3="$(integration_tests/s3/server)" benches/s3 {{ options }}

# Does loading keep up with staging, with Spark on the same cores (needs a release build)
bench-databricks *options:
    TEST_S3="$(integration_tests/s3/server)" TEST_DATABRICKS="$(integration_tests/databricks/server)" benches/databricks {{ options }}

# How fast it is here (needs Python 3 and a release build)
bench *options:
    cargo build --release --locked
    benches/end_to_end {{ options }}

# How fast each stage is alone
stages:
    cargo bench --bench stages

# The fuzz targets, a minute each (needs a nightly toolchain and cargo-fuzz)
fuzz:
    mkdir -p fuzz/corpus/scan_line fuzz/corpus/state
    cargo +nightly fuzz run scan_line fuzz/corpus/scan_line fuzz/seeds/scan_line -- -dict=fuzz/json.dict -max_total_time=60
    cargo +nightly fuzz run state fuzz/corpus/state fuzz/seeds/state -- -dict=fuzz/json.dict -max_total_time=60

# The binary of the image: whole-program optimisation, slow to build
dist:
    cargo build --profile dist --locked

# The image
image tag="destination-databricks":
    docker build -t {{ tag }} .

# Licences, sources and known holes of all dependencies (needs cargo-deny)
deny:
    cargo deny --locked check

"""Reads tables with every reader that is there: each line of stdin is a JSON list of a table's address, its files, and
null or the endpoint, region, key and secret of its bucket. Prints a line of JSON for each, with a list of what the readers see: the reader's name with the columns and their rows, or with why it is missing or
what it failed with.

Rows are in the order of their ids. Times are microseconds, days are days since 1970, decimal numbers and bytes are texts, maps are
lists of pairs in the order of their keys."""

import functools
import glob
import importlib
import json
import math
import os
import sys

import pyarrow as pa

def values(array):
    kind = array.type
    if pa.types.is_timestamp(kind):
        return array.cast(pa.timestamp("us", kind.tz)).cast(pa.int64()).to_pylist()
    if pa.types.is_date(kind):
        return array.cast(pa.date32()).cast(pa.int32()).to_pylist()
    if pa.types.is_decimal(kind):
        return [None if value is None else str(value) for value in array.to_pylist()]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [None if value is None else value.hex() for value in array.to_pylist()]
    if pa.types.is_floating(kind):
        return [repr(value) if value is not None and not math.isfinite(value) else value for value in array.to_pylist()]
    if pa.types.is_map(kind) or is_list_of_pairs(kind):
        pairs = [None if item.values is None else values(item.values) for item in array]
        return [None if item is None else sorted(list(pair.values()) for pair in item) for item in pairs]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [None if item.values is None else values(item.values) for item in array]
    if pa.types.is_struct(kind):
        fields = {kind.field(at).name: values(array.field(at)) for at in range(kind.num_fields)}
        return [
            {name: column[at] for name, column in fields.items()} if item.is_valid else None
            for at, item in enumerate(array)
        ]
    return array.to_pylist()


def is_list_of_pairs(kind):
    """Polars has no maps."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list or not pa.types.is_struct(kind.value_type):
        return False
    return [field.name for field in kind.value_type] == ["key", "value"]


def told(reader, tables):
    rows = []
    for table in tables:
        columns = [values(column.combine_chunks()) if table.num_rows else [] for column in table.columns]
        rows += [dict(zip(table.column_names, row)) for row in zip(*columns)]
    rows.sort(key=lambda row: row["_airbyte_ab_id"])
    return {"reader": reader, "columns": tables[-1].column_names, "rows": rows}


def options(store):
    return store and {
        "AWS_ENDPOINT_URL": store["endpoint"], "AWS_ALLOW_HTTP": "true", "AWS_REGION": store["region"],
        "AWS_ACCESS_KEY_ID": store["key"], "AWS_SECRET_ACCESS_KEY": store["secret"],
    }


def with_deltalake(folder, _, store):
    from deltalake import DeltaTable

    return [DeltaTable(folder, storage_options=options(store)).to_pyarrow_table()]


def with_polars(folder, _, store):
    import polars

    return [polars.read_delta(folder, storage_options=options(store)).to_arrow(compat_level=polars.CompatLevel.oldest())]


@functools.cache
def duckdb_for(store):
    """Loading the extensions takes a second."""
    import duckdb

    db = duckdb.connect()
    for name in ("httpfs", "delta") if store else ("delta",):
        package = importlib.import_module(f"duckdb_extension_{name}")
        pattern = os.path.dirname(package.__file__) + f"/**/{name}.duckdb_extension"
        db.execute(f"LOAD '{glob.glob(pattern, recursive=True)[0]}'")
    if store:
        store = dict(store)
        db.execute(
            f"""CREATE SECRET (TYPE s3, KEY_ID '{store["key"]}', SECRET '{store["secret"]}', REGION '{store["region"]}',
            URL_STYLE 'path', USE_SSL false, ENDPOINT '{store["endpoint"].removeprefix("http://")}')"""
        )
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET enable_external_file_cache = false")
    return db


def with_duckdb(folder, _, store):
    folder = folder.replace("'", "''")
    return [duckdb_for(store and tuple(sorted(store.items()))).execute(f"SELECT * FROM delta_scan('{folder}')").to_arrow_table()]


def with_pyarrow(_, files, store):
    import pyarrow.fs as fs
    import pyarrow.parquet as parquet

    if not store:
        return [parquet.ParquetFile(file).read() for file in files]
    bucket = fs.S3FileSystem(
        access_key=store["key"], secret_key=store["secret"], region=store["region"], endpoint_override=store["endpoint"]
    )
    return [parquet.ParquetFile(bucket.open_input_file(file.removeprefix("s3://"))).read() for file in files]


def seen(reader, folder, files, store):
    name = reader.__name__.removeprefix("with_")
    try:
        tables = reader(folder, files, store)
    except ImportError as error:
        return {"reader": name, "missing": str(error)}
    except Exception as error:
        return {"reader": name, "failed": f"{type(error).__name__}: {error}"}
    return told(name, tables) if tables else None


for line in sys.stdin:
    folder, files, store = json.loads(line)
    readers = [with_deltalake, with_polars, with_duckdb, with_pyarrow]
    print(json.dumps([one for one in (seen(reader, folder, files, store) for reader in readers) if one]), flush=True)
# Threads of the packages sometimes abort an interpreter that ends in order.
os._exit(0)

"""Filters each column of the table sys.argv[2] with the reader sys.argv[1]; prints what comes out wrong, then how many were tried.

What is right is computed here, row by row, from the table as it is read without any filter.
"""

import datetime
import glob
import operator
import os
import signal
import sys

import pyarrow.compute as pc
from deltalake import DeltaTable

# Threads of DuckDB and pyarrow sometimes wait for each other for ever; the signal ends the process then.
signal.alarm(100)
reader, folder = sys.argv[1:3]
ID, AT, DATA = "_airbyte_ab_id", "_airbyte_emitted_at", "_airbyte_data"
OPERATORS = {"=": operator.eq, "<>": operator.ne, "<": operator.lt, ">": operator.gt}
table = DeltaTable(folder)
rows = table.to_pyarrow_table().to_pylist()
utc = datetime.timezone.utc


def values(column):
    """Values of the column and values around all of them."""
    found = sorted(row[column] for row in rows)
    some = [found[0], found[len(found) // 2], found[-1]] if found else []
    if column == AT:
        return some + [datetime.datetime(1990, 1, 2, tzinfo=utc), datetime.datetime(2030, 1, 1, tzinfo=utc)]
    return some + ["", "x", "{", "{}", "{~", "~"]


def text(value):
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"TIMESTAMPTZ '{value.isoformat(' ')}'"


def cases():
    """Name, column, operator, value; `in` has two values, `null` none."""
    for column in (ID, AT, DATA):
        for value in values(column):
            for name in OPERATORS:
                yield column, name, value
            yield column, "in", [value, values(column)[-1]]
        yield column, "null", None


def right(column, name, value):
    if name == "null":
        return 0
    if name == "in":
        return sum(row[column] in value for row in rows)
    return sum(OPERATORS[name](row[column], value) for row in rows)


def sql(column, name, value):
    if name == "null":
        return f"{column} IS NULL"
    if name == "in":
        return f"{column} IN ({', '.join(map(text, value))})"
    return f"{column} {name} {text(value)}"


def expression(field, column, name, value):
    """An expression of pyarrow or polars, which spell all of it but IN and IS NULL alike."""
    field = field(column)
    if name == "null":
        return field.is_null()
    if name == "in":
        return field.isin(value) if hasattr(field, "isin") else field.is_in(value)
    return OPERATORS[name](field, value)


def duckdb_source(extension):
    import duckdb

    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    if not extension:
        db.register("d", table.to_pyarrow_dataset())
        return lambda where: db.execute(f"SELECT count(*) FROM d WHERE {where}").fetchone()[0], lambda what: db.execute(f"SELECT {what} FROM d").fetchone()
    import duckdb_extension_delta

    found = glob.glob(os.path.dirname(duckdb_extension_delta.__file__) + "/**/delta.duckdb_extension", recursive=True)
    db.execute(f"LOAD '{found[0]}'")
    source = f"delta_scan({text(folder)})"
    return lambda where: db.execute(f"SELECT count(*) FROM {source} WHERE {where}").fetchone()[0], lambda what: db.execute(f"SELECT {what} FROM {source}").fetchone()


def query(statement):
    from deltalake import QueryBuilder

    import pyarrow

    batches = QueryBuilder().register("d", table).execute(statement)
    return pyarrow.table(batches).to_pylist()


extremes = None
if reader == "deltalake":

    def count(column, name, value):
        if name == "null":
            return 0
        name = "!=" if name == "<>" else name
        return table.to_pyarrow_table(filters=[(column, name, value)]).num_rows

elif reader == "pyarrow":
    dataset = table.to_pyarrow_dataset()

    def count(*case):
        return dataset.to_table(filter=expression(pc.field, *case)).num_rows

elif reader in ("duckdb over pyarrow", "duckdb"):
    where, select = duckdb_source(reader == "duckdb")

    def count(*case):
        return where(sql(*case))

    def extremes(column):
        found = select(f"min({column}), max({column})")
        return [value.astimezone(utc) for value in found] if column == AT else found

elif reader == "datafusion":

    def count(*case):
        where = sql(*case).replace("TIMESTAMPTZ ", "TIMESTAMP ")
        return query(f"SELECT count(*) AS n FROM d WHERE {where}")[0]["n"]

    def extremes(column):
        row = query(f"SELECT min({column}) AS a, max({column}) AS b FROM d")[0]
        return row["a"], row["b"]

elif reader in ("polars", "polars over pyarrow"):
    import polars as pl

    frame = pl.scan_delta(folder) if reader == "polars" else pl.scan_pyarrow_dataset(table.to_pyarrow_dataset())

    def count(*case):
        return frame.filter(expression(pl.col, *case)).collect().height

    def extremes(column):
        row = frame.select(pl.col(column).min().alias("a"), pl.col(column).max().alias("b")).collect()
        return row["a"][0], row["b"][0]


tried = 0
for case in cases():
    tried += 1
    found, wanted = count(*case), right(*case)
    if found != wanted:
        print(f"{reader}: {case}: {found} rows, not {wanted}")
if extremes and rows:
    for column in (ID, AT, DATA):
        tried += 1
        wanted = min(row[column] for row in rows), max(row[column] for row in rows)
        found = tuple(extremes(column))
        if found != wanted:
            print(f"{reader}: min and max of {column}: {found}, not {wanted}")
print(f"tried {tried}")
# Threads of the packages sometimes abort an interpreter that ends in order.
sys.stdout.flush()
os._exit(0)

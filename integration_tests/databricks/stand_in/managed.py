"""Statements that Databricks has and Spark has not: about volumes, COPY INTO, and `read_files`.

COPY INTO remembers by their names which files a table has, as long as that table is there, and leaves those out. Sources: the
language reference (https://docs.databricks.com/en/sql/language-manual/delta-copy-into.html), and the error classes beside it.
"""

import fnmatch
import re
import threading
import uuid
from pathlib import Path

from names import NAME, parts

CREATE = re.compile(rf"\s*CREATE\s+VOLUME\s+(IF\s+NOT\s+EXISTS\s+)?{NAME}", re.IGNORECASE)
SHOW = re.compile(rf"\s*SHOW\s+VOLUMES\s+(?:IN|FROM)\s+{NAME}(?:\s+LIKE\s+'([^']*)')?", re.IGNORECASE)
COPY = re.compile(
    rf"\s*COPY\s+INTO\s+{NAME}\s+FROM\s*\(\s*SELECT\s+(.*?)\s+FROM\s+'([^']*)'\s*\)\s*FILEFORMAT\s*=\s*(\w+)"
    r"\s*FILES\s*=\s*\((.*?)\)\s*(?:FORMAT_OPTIONS\s*\((.*?)\))?\s*(?:COPY_OPTIONS\s*\((.*?)\))?\s*$",
    re.IGNORECASE | re.DOTALL,
)
READ = re.compile(r"\bread_files\s*\(\s*'([^']*)'([^)]*)\)", re.IGNORECASE)
MAKE = re.compile(rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}", re.IGNORECASE)
CHANGE = re.compile(rf"\s*(?:COPY\s+INTO|INSERT\s+(?:INTO|OVERWRITE)\s+(?:TABLE\s+)?|MERGE\s+INTO)\s*{NAME}", re.IGNORECASE)
QUERY = re.compile(rf"\s*SELECT\b.*?\bFROM\s+{NAME}", re.IGNORECASE | re.DOTALL)
TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'")
MOST_FILES = 1000


class Managed:
    def __init__(self, engine, volumes, failure, result):
        """`failure` and `result` are what the engine answers with."""
        self.engine, self.volumes, self.failure, self.result = engine, volumes, failure, result
        # Delta's id of a table -> the files that it has; files that are being loaded.
        self.loaded, self.loading, self.lock = {}, set(), threading.Lock()

    def refuse(self, lacks, statement):
        """Raises what is said of a statement for which its user lacks a privilege."""
        def need(privilege, securable):
            if privilege in lacks:
                raise self.failure("BAD_REQUEST", f"PERMISSION_DENIED: User does not have {privilege} on {securable}.")
        for catalog, schema, volume in re.findall(r"/Volumes/([^/']+)/([^/']+)/([^/']+)", statement):
            need("READ VOLUME", f"Volume '{catalog}.{schema}.{volume}'")
        if match := CREATE.match(statement):
            need("CREATE VOLUME", f"Schema '{'.'.join(parts(match[2])[:2])}'")
        elif match := MAKE.match(statement):
            need("CREATE TABLE", f"Schema '{'.'.join(parts(match[1])[:2])}'")
        elif match := CHANGE.match(statement):
            need("MODIFY", f"Table '{'.'.join(parts(match[1]))}'")
        elif match := QUERY.match(statement):
            need("SELECT", f"Table '{'.'.join(parts(match[1]))}'")

    def answer(self, statement, session):
        """The answer to a statement that Spark does not know; None for others."""
        if match := CREATE.match(statement):
            return self.create(match)
        if match := SHOW.match(statement):
            return self.show(match)
        if re.match(r"\s*COPY\s+INTO\b", statement, re.IGNORECASE):
            match = COPY.match(statement)
            if not match:
                raise self.failure("BAD_REQUEST", "[PARSE_SYNTAX_ERROR] Syntax error at or near 'COPY'. SQLSTATE: 42601", "42601")
            return self.copy(match, session)
        return None

    def for_spark(self, statement):
        """The same statement with files of volumes as Spark reads them."""
        def read(found):
            options = dict(re.findall(r"(\w+)\s*=>\s*'?([^',)]*)'?", found[2]))
            if options.pop("format", None) != "parquet" or set(options) - {"ignoreMissingFiles", "schemaEvolutionMode"}:
                raise self.failure("BAD_REQUEST", f"[UNSUPPORTED] The stand-in reads Parquet files, without {sorted(options)}.")
            folder = self.volumes.on_disk(found[1])
            if folder is None or not any(folder.glob("*.parquet")):
                raise self.missing(found[1])
            if options.get("schemaEvolutionMode") != "none":
                return f"(SELECT *, CAST(NULL AS STRING) AS `_rescued_data` FROM parquet.`{folder}`)"
            return f"parquet.`{folder}`"
        return READ.sub(read, statement)

    def create(self, match):
        catalog, schema, volume = parts(match[2])
        self.need_schema(catalog, schema)
        if not self.volumes.create(catalog, schema, volume) and not match[1]:
            said = f"[VOLUME_ALREADY_EXISTS] Cannot create volume `{catalog}`.`{schema}`.`{volume}` because it already exists. SQLSTATE: 42710"
            raise self.failure("BAD_REQUEST", said, "42710")
        return self.result()

    def show(self, match):
        _, catalog, schema = parts(match[1])
        self.need_schema(catalog, schema)
        names = [name for name in self.volumes.of(catalog, schema) if fnmatch.fnmatch(name, match[2] or "*")]
        return self.result(self.texts("database", "volume_name"), [[schema, name] for name in names])

    def copy(self, match, session):
        table, values, folder, format, files, options, _ = match.groups()
        names = [name.replace("\\'", "'") for name in TEXT.findall(files)]
        if format.upper() != "PARQUET" or not 0 < len(names) <= MOST_FILES:
            said = f"[COPY_INTO_SYNTAX_ERROR] {len(names)} files of {format}: at most {MOST_FILES} of PARQUET. SQLSTATE: 42601"
            raise self.failure("BAD_REQUEST", said, "42601")
        place = self.volumes.on_disk(folder)
        paths = [f"{folder}/{name}" for name in names]
        on_disk = {path: place / name for path, name in zip(paths, names)} if place else {}
        missing = [path for path in paths if path not in on_disk or not Path(on_disk[path]).is_file()]
        ignores = re.search(r"'ignoreMissingFiles'\s*=\s*'true'", options or "", re.IGNORECASE) or "ignoreMissingFiles" not in (options or "")
        if missing and not ignores:
            raise self.missing(missing[0])
        name = self.engine.mapped(table)
        id = session.sql(f"DESCRIBE DETAIL {name}").collect()[0]["id"]
        with self.lock:
            known = self.loaded.setdefault(id, set())
            new = [path for path in paths if path not in known and path not in missing]
            if self.loading & set(new):
                said = "[COPY_INTO_DUPLICATED_FILES_COPY_NOT_ALLOWED] Duplicated files were committed in a concurrent COPY INTO operation. Please try again later. SQLSTATE: 25000"
                raise self.failure("BAD_REQUEST", said, "25000")
            self.loading |= set(new)
        try:
            rows = self.insert(session, name, values, [str(on_disk[path]) for path in new]) if new else "0"
            with self.lock:
                self.loaded[id] |= set(new)
        finally:
            with self.lock:
                self.loading -= set(new)
        columns = self.numbers("num_affected_rows", "num_inserted_rows", "num_skipped_corrupt_files")
        return self.result(columns, [[rows, rows, "0"]])

    def insert(self, session, table, values, files):
        view = f"copied_{uuid.uuid4().hex}"
        session.read.parquet(*files).createOrReplaceTempView(view)
        try:
            query = f"SELECT {values} FROM {view}"
            columns = session.sql(query).columns
            there = {column.lower() for column in session.table(table).columns}
            extra = [column for column in columns if column.lower() not in there]
            if extra:
                said = f"[COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE] The schema of the source has the extra columns {extra}. SQLSTATE: 42KDG"
                raise self.failure("BAD_REQUEST", said, "42KDG")
            listed = ", ".join(f"`{column}`" for column in columns)
            count = session.sql(f"SELECT count(*) FROM {view}").collect()[0][0]
            session.sql(f"INSERT INTO {table} ({listed}) {query}")
            return str(count)
        finally:
            session.catalog.dropTempView(view)

    def need_schema(self, catalog, schema):
        if not self.engine.has_schema(schema):
            said = f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found. SQLSTATE: 42704"
            raise self.failure("BAD_REQUEST", said, "42704")

    def missing(self, path):
        return self.failure("BAD_REQUEST", f"[PATH_NOT_FOUND] Path does not exist: dbfs:{path}. SQLSTATE: 42K03", "42K03")

    def texts(self, *names):
        return [(name, self.engine.type_of("''")) for name in names]

    def numbers(self, *names):
        return [(name, self.engine.type_of("0L")) for name in names]

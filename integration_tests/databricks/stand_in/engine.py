"""The SQL engine: one Spark session with Delta Lake, its tables in the bed's store, as a warehouse would have it.

Statements come as they would be sent to Databricks. Catalogs that Databricks has and Spark has not are Spark's one catalog
here. What Databricks answers and Spark does not (how many rows an INSERT wrote) is read from the table's history.
"""

import base64
import datetime
import decimal
import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from copies import Copies
from locations import Locations
from managed import Managed
from names import NAME
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

# Catalogs of the workspace.
CATALOGS = ("hive_metastore", "main", "spark_catalog")
# For many small statements: what a second compiler and code made for each query take is never earned back.
QUICK = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.writeChecksumFile.enabled": "false",
}
# Spark 4.1 puts parameters into a statement's text before it is parsed, and Delta's parser passes that by.
PARAMETERS_AS_IN_4_0 = {"spark.sql.legacy.parameterSubstitution.constantsOnly": "true"}
# Types that parameters may have here.
PARAMETERS = {"STRING": str, "INT": int, "BIGINT": int}
# Statements that run at the same time; further ones wait, as on a warehouse with one cluster.
PARALLEL = 10


class Failure(Exception):
    """A statement failed: Databricks' code, the message with its bracketed class, SQLSTATE."""

    def __init__(self, error_code, message, sql_state=None):
        super().__init__(message)
        self.error_code, self.message, self.sql_state = error_code, message, sql_state


@dataclass
class Result:
    """Columns as (name, Spark's type), rows as lists of texts and None."""

    columns: list[tuple[str, DataType]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)


class Engine:
    def __init__(self, jars, folder, store, thrift_path, memory, quick, volumes):
        Path(folder).mkdir(parents=True, exist_ok=True)
        java = f"-Duser.timezone=UTC -Djava.io.tmpdir={folder} -Dderby.stream.error.file={folder}/derby.log -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m -Xss8m {store.java}"
        settings = {
            "spark.driver.memory": memory,
            "spark.driver.extraJavaOptions": java + (" -XX:TieredStopAtLevel=1" if quick else ""),
            "spark.jars": ",".join(str(jar) for jar in sorted(Path(jars).glob("*.jar"))),
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.scheduler.mode": "FAIR",
            "spark.sql.warehouse.dir": f"{folder}/warehouse",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            # Databricks writes INT96; the bed's readers want to see microseconds without knowing that.
            "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
            "spark.databricks.delta.snapshotPartitions": "1",
            # Databricks has columns with collations.
            "spark.databricks.delta.schema.typeCheck.enabled": "false",
            "spark.hadoop.hive.server2.transport.mode": "http",
            "spark.hadoop.hive.server2.thrift.bind.host": "127.0.0.1",
            "spark.hadoop.hive.server2.thrift.http.path": thrift_path,
        }
        settings |= store.settings | PARAMETERS_AS_IN_4_0
        if quick:
            settings |= QUICK
        builder = SparkSession.builder.master("local[2]").appName("bed")
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.spark = builder.getOrCreate()
        self.spark.sparkContext.setLogLevel("FATAL")
        self.jvm = self.spark.sparkContext._jvm
        for name in store.unset:
            self.spark.sparkContext._jsc.hadoopConfiguration().unset(name)
        self.running = threading.Semaphore(PARALLEL)
        self.local = threading.local()
        self.locations = Locations(self.exists, store.external)
        self.managed = Managed(self, volumes, Failure, Result)
        self.copies = Copies(lambda statement: self.run(statement, "a copy"))

    def session(self):
        """The session of this thread: settings of their own, the same catalog."""
        if not hasattr(self.local, "session"):
            self.local.session = self.spark.newSession()
        return self.local.session

    def exists(self, schema, table):
        """Whether there is such a table, also one whose files are gone."""
        catalog = self.session()._jsparkSession.sessionState().catalog().externalCatalog()
        return catalog.tableExists(schema, table)

    def has_schema(self, schema):
        """Whether there is such a schema."""
        return self.session()._jsparkSession.sessionState().catalog().externalCatalog().databaseExists(schema)

    def mapped(self, name):
        """The name of a table of the workspace as Spark's."""
        return in_spark_catalog(name)

    def type_of(self, expression):
        """Spark's type of an expression."""
        return self.session().sql(f"SELECT {expression} AS a").schema.fields[0].dataType

    def asked(self, statement, group, parameters=(), schema=None, defaults=(), lacks=()):
        """Runs `statement` as the workspace does: with its rules about folders, for a user who lacks privileges, and with copies of it
        that were lost."""
        self.managed.refuse(lacks, statement)
        conflict = self.locations.in_the_way(statement)
        if conflict:
            raise Failure("BAD_REQUEST", conflict)
        result = self.run(statement, group, parameters, schema, defaults)
        self.copies.ran(statement)
        return result

    def run(self, statement, group, parameters=(), schema=None, defaults=()):
        """Runs `statement` to its end; `group` is what `cancel` knows it by, `defaults` are properties of new tables."""
        session, context = self.session(), self.spark.sparkContext
        context.setJobGroup(group, "a statement", interruptOnCancel=True)
        try:
            if schema is not None or defaults:
                session = self.spark.newSession()
            if schema is not None:
                session.sql(f"USE {schema}")
            for name in defaults:
                session.conf.set(f"spark.databricks.delta.properties.defaults.{name}", "true")
            answered = self.managed.answer(statement, session)
            if answered is not None:
                return answered
            mapped = in_spark_catalog(self.managed.for_spark(statement))
            values = {name: PARAMETERS[kind](value) for name, value, kind in parameters}
            frame = session.sql(mapped, values) if values else session.sql(mapped)
            self.locations.note(statement)
            columns = [(column.name, column.dataType) for column in frame.schema.fields]
            if not columns:
                return self.written(session, mapped)
            rows = [[as_text(value) for value in row] for row in frame.collect()]
            return Result(columns, rows)
        except PySparkException as error:
            raise failure(error) from None
        except Failure:
            raise
        except Exception as error:  # Whatever else comes out of the JVM.
            raise failure(error) from None

    def cancel(self, group):
        self.spark.sparkContext.cancelJobGroup(group)

    def written(self, session, statement):
        """What Databricks answers to INSERT and CREATE TABLE AS SELECT, and Spark does not."""
        insert = re.match(rf"\s*INSERT\s+(?:INTO|OVERWRITE)\s+(?:TABLE\s+)?{NAME}", statement, re.IGNORECASE)
        create = re.match(rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?TABLE\s+{NAME}.*\bAS\s*\(?\s*SELECT\b", statement, re.IGNORECASE | re.DOTALL)
        table = insert or create
        if table is None:
            return Result()
        last = session.sql(f"DESCRIBE HISTORY {table[1]} LIMIT 1").collect()[0]
        rows = last["operationMetrics"].get("numOutputRows", "0")
        described = session.sql("SELECT 0L AS num_affected_rows, 0L AS num_inserted_rows").schema
        return Result([(column.name, column.dataType) for column in described.fields], [[rows, rows]])

    def forget(self, schemas, root):
        """Drops what a test has left in the catalog, and lets go of its bucket or container, `root`."""
        session = self.session()
        for schema in schemas:
            session.sql(f"DROP SCHEMA IF EXISTS `spark_catalog`.`{schema}` CASCADE")
        if root is None:
            return
        self.jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
        uri = self.jvm.java.net.URI(root)
        self.jvm.org.apache.hadoop.fs.FileSystem.get(uri, session._jsc.hadoopConfiguration()).close()

    def start_thrift(self, port):
        """Spark's own Thrift server in this JVM, with the same catalog, on `port` of the loopback."""
        session = self.spark.newSession()
        session.conf.set("hive.server2.thrift.http.port", str(port))
        server = self.jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2.startWithContext(session._jsparkSession.sqlContext())
        # A session that ends asks Hive's metastore something that nobody needs, and would build one for it.
        server.getHiveConf().set("hive.metastore.uris", "thrift://127.0.0.1:1")
        server.getHiveConf().set("hive.metastore.connect.retries", "1")
        server.getHiveConf().set("hive.metastore.client.connect.retry.delay", "0s")
        server.getHiveConf().set("hive.metastore.failure.retries", "0")


def failure(error):
    """What Databricks says where Spark raised `error`."""
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    throwable = java
    while throwable is not None and throwable.getCause() is not None and not str(throwable.getMessage()).startswith("["):
        throwable = throwable.getCause()
    message = str(throwable.getMessage()) if throwable is not None else str(error)
    message = message.split("\n\nJVM stacktrace")[0]
    state = None
    try:
        state = throwable.getSqlState()
    except Exception:  # Only Spark's own exceptions have one.
        pass
    if state and "SQLSTATE" not in message:
        message = f"{message} SQLSTATE: {state}"
    return Failure("BAD_REQUEST" if message.lstrip().startswith("[") else "INTERNAL_ERROR", message, state)


TOKEN = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/|`(?:[^`]|``)*`|[A-Za-z_0-9]+|\s+|.", re.DOTALL
)


def in_spark_catalog(statement):
    """The same statement with names of the workspace's catalogs as names of Spark's. Raises where a catalog is not there.

    The first part of a table's three names is a catalog, of a schema's two, and the one name behind SHOW SCHEMAS IN. Behind ALTER
    TABLE there is one table.
    """
    tokens = TOKEN.findall(statement)
    words = [index for index, token in enumerate(tokens) if not token.isspace() and token[:2] not in ("--", "/*")]
    position = 0
    # What follows the table's name are columns, and fields of theirs.
    names_columns = re.match(r"\s*ALTER\s+TABLE\b", statement, re.IGNORECASE) is not None
    while position < (min(3, len(words)) if names_columns else len(words)):
        parts = 0
        while is_name(tokens[words[position + 2 * parts]]):
            parts += 1
            dot = position + 2 * parts - 1
            if dot + 1 >= len(words) or tokens[words[dot]] != ".":
                break
        before = " ".join(tokens[index].upper() for index in words[max(0, position - 5):position])
        schema = re.search(r"\b(SCHEMA|DATABASE)( IF( NOT)? EXISTS| EXTENDED)?$|\b(TABLES|VIEWS) (IN|FROM)$", before)
        catalog = re.search(r"\b(SCHEMAS|DATABASES) (IN|FROM)$", before)
        # Behind a dot they are fields of what stands before it.
        is_inside = position > 0 and tokens[words[position - 1]] == "."
        if parts == (1 if catalog else 2 if schema else 3) and not is_inside:
            tokens[words[position]] = spark_catalog(tokens[words[position]])
        position += max(1, 2 * parts - 1)
    return "".join(tokens)


def is_name(token):
    return token[0] == "`" or re.fullmatch(r"\w+", token) is not None


def spark_catalog(quoted):
    name = quoted.strip("`").replace("``", "`")
    if name.lower() not in CATALOGS:
        if quoted[0] != "`":
            return quoted  # A field of a field.
        message = (
            f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{name}' was not found. Please verify the catalog name and then retry the "
            "query or command again. SQLSTATE: 42704"
        )
        raise Failure("BAD_REQUEST", message, "42704")
    return "`spark_catalog`"


def as_text(value):
    """A value as the API's JSON_ARRAY format has it."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime.datetime():
            return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
        case datetime.date() | decimal.Decimal() | int() | float():
            return str(value)
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case _:
            return json.dumps(plain(value), ensure_ascii=False)


def plain(value):
    if hasattr(value, "asDict"):
        return {name: plain(item) for name, item in value.asDict().items()}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return as_text(value)

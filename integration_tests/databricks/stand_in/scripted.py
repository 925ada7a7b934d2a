"""A warehouse that runs nothing, and answers as if it had: for syncs of so many tables that Spark would take many minutes.

Nothing is there when one looks, all that is made can be made, and what changes rows reports as many as the range of ids has that it
names: this program counts ids up.
"""

import re
import uuid

from engine import Result
from pyspark.sql.types import LongType, StringType

IDS = re.compile(r"BETWEEN '([0-9a-f-]{36})' AND '([0-9a-f-]{36})'")


def answer(statement):
    words = statement.split()
    if words[0] == "SHOW":
        return Result([("databaseName" if words[1] == "SCHEMAS" else "tableName", StringType())], [])
    if words[0] in ("MERGE", "INSERT", "SELECT"):
        first, last = (uuid.UUID(id).int for id in IDS.search(statement).groups())
        rows = str(last - first + 1)
        return Result([(name, LongType()) for name in ("num_affected_rows", "num_inserted_rows")], [[rows, rows]])
    return Result()

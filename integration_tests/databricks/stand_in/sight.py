"""What the user of a token may see: Unity Catalog shows only what one may use, and refuses to make what is there and hidden.

`hidden` names schemas (`shop`) that the user lacks USE SCHEMA on, and tables (`shop.orders`) that it lacks SELECT on.
"""

import re

from engine import Failure, Result

NAME = r"`?([^`.\s]+)`?"
SHOW = re.compile(rf"\s*SHOW\s+(SCHEMAS|DATABASES|TABLES)\s+(?:IN|FROM)\s+{NAME}(?:\.{NAME})?", re.IGNORECASE)
MAKE = re.compile(rf"\s*CREATE\s+(SCHEMA|DATABASE|TABLE)\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}\.{NAME}(?:\.{NAME})?", re.IGNORECASE)
TABLE = re.compile(r"`([^`]+)`\.`([^`]+)`\.`([^`]+)`")


def refuse(hidden, statement):
    """Raises what is said of a statement that needs something hidden."""
    made = MAKE.match(statement)
    if made and made[1].upper() != "TABLE" and made[3] in hidden:
        raise denied(f"CREATE SCHEMA on Catalog '{made[2]}'")
    if made and made[1].upper() == "TABLE" and f"{made[3]}.{made[4]}" in hidden:
        raise denied(f"SELECT on Table '{made[2]}.{made[3]}.{made[4]}'")
    shown = SHOW.match(statement)
    if shown and shown[3] in hidden:
        raise denied(f"USE SCHEMA on Schema '{shown[2]}.{shown[3]}'")
    for catalog, schema, table in TABLE.findall(statement):
        if schema in hidden:
            raise denied(f"USE SCHEMA on Schema '{catalog}.{schema}'")
        if f"{schema}.{table}" in hidden:
            message = (
                f"[TABLE_OR_VIEW_NOT_FOUND] The table or view `{catalog}`.`{schema}`.`{table}` cannot be found. Verify the "
                "spelling and correctness of the schema and catalog. SQLSTATE: 42P01"
            )
            raise Failure("BAD_REQUEST", message, "42P01")


def is_show(statement):
    return SHOW.match(statement) is not None


def shown(hidden, statement, result):
    """The answer to a SHOW without what is hidden; its first column called as Databricks calls it."""
    show = SHOW.match(statement)
    if show is None:
        return result
    if show[1].upper() == "TABLES":
        return Result(result.columns, [row for row in result.rows if f"{row[0]}.{row[1]}" not in hidden])
    columns = [("databaseName", kind) for _, kind in result.columns]
    return Result(columns, [row for row in result.rows if row[0].strip("`") not in hidden])


def filtered(statement):
    """A query of a table's rows, of which a row filter leaves none."""
    return re.sub(r"^(SELECT `_airbyte_data`\nFROM .*)\nLIMIT", r"\1\nWHERE false\nLIMIT", statement)


def denied(what):
    return Failure("BAD_REQUEST", f"PERMISSION_DENIED: User does not have {what}.")

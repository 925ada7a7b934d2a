"""Folders of tables, as Unity Catalog looks after them: that of a table is not another one's, and lies neither in it nor above it."""

import re
import threading
import uuid

from names import NAME, parts

MADE = re.compile(
    rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:EXTERNAL\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{NAME}.*?\bLOCATION\s+'([^']*)'",
    re.IGNORECASE | re.DOTALL,
)
DROPPED = re.compile(rf"\s*DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?{NAME}", re.IGNORECASE)


class Locations:
    def __init__(self, exists, external):
        """`exists` says whether a table, as schema and name, is in the catalog: what is noted here may have been dropped.
        `external` is what addresses in external locations begin with."""
        self.exists, self.external = exists, re.compile(external)
        self.tables, self.lock = {}, threading.Lock()

    def note(self, statement):
        """Remembers the folder of the table that `statement` makes, forgets that of one that it drops."""
        made, dropped = MADE.match(statement), DROPPED.match(statement)
        if not made and not dropped:
            return
        catalog, schema, table = parts((made or dropped)[1])
        with self.lock:
            if made:
                self.tables.setdefault((schema, table), (catalog, folder(made[2])))
            else:
                self.tables.pop((schema, table), None)

    def in_the_way(self, statement):
        """What Unity Catalog says where the folder of the table that `statement` makes is not free, or no place for tables; else nothing.

        The words are those of a real workspace, names without quotes.
        """
        made = MADE.match(statement)
        if not made:
            return None
        if not self.external.match(made[2]):
            # https://docs.databricks.com/aws/en/error-messages/error-classes
            return (
                f"[NO_PARENT_EXTERNAL_LOCATION_FOR_PATH] No parent external location was found for path '{made[2]}'. Please create "
                "an external location on one of the parent paths and then retry the query or command again."
            )
        own, wanted = parts(made[1])[1:], folder(made[2])
        with self.lock:
            others = [(name, place) for name, place in self.tables.items() if name != own and overlap(place[1], wanted)]
        conflicts = []
        for (schema, table), (catalog, _) in others:
            if self.exists(schema, table):
                conflicts.append(f"{catalog}.{schema}.{table}")
            else:
                with self.lock:
                    self.tables.pop((schema, table), None)
        if not conflicts or self.exists(*own):
            return None
        return (
            f"[RequestId={uuid.uuid4()} ErrorClass=INVALID_PARAMETER_VALUE.LOCATION_OVERLAP] Input path url '{made[2]}' "
            "overlaps with other external tables or volumes within 'CreateTable' call. Conflicting tables/volumes: "
            f"{', '.join(sorted(conflicts))}."
        )


def folder(location):
    return re.sub(r"^s3[an]:", "s3:", location).rstrip("/") + "/"


def overlap(one, other):
    return one.startswith(other) or other.startswith(one)

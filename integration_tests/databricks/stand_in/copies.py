"""Statements whose answer was lost and that run beside the one that is sent in their place.

A server that looks for conflicts row by row lets two of them commit that add rows and modify none (deletion vectors,
row-level concurrency). Open-source Delta does not; so what such a copy does is decided here, by Delta's own rules: it begins
when its tables are found, and commits unless the table's metadata has changed since then.
"""

import re
import threading

from names import NAME, parts

CHANGE = re.compile(rf"\s*(?:MERGE\s+INTO|COPY\s+INTO|INSERT\s+OVERWRITE\s+TABLE)\s+{NAME}", re.IGNORECASE)
FENCE = re.compile(rf"\s*ALTER\s+TABLE\s+{NAME}\s+SET\s+TBLPROPERTIES", re.IGNORECASE)
MERGE = re.compile(
    rf"\s*MERGE\s+INTO\s+{NAME}\s+AS\s+target\s+USING\s*\((.*?)\n\)\s*AS\s+staged\b.*\bINSERT\s*(\([^)]*\))", re.IGNORECASE | re.DOTALL
)


class Copy:
    """One statement, and when it begins: "before" the next fence of its table, "between" that and the statement that is
    sent in its place, or "after" that. It commits when the other one has, before anybody hears of that.
    """

    def __init__(self, statement, begins):
        self.statement, self.begins = statement, begins
        self.table = parts(CHANGE.match(statement)[1])[1:]
        self.state, self.metadata = "waits", None


class Copies:
    def __init__(self, run):
        """`run` runs a statement at once."""
        self.run = run
        self.copies, self.lock = [], threading.RLock()

    def lose(self, statement, begins):
        """The answer to `statement` is lost, and it begins as `begins` says."""
        with self.lock:
            copy = Copy(statement, begins)
            self.copies.append(copy)
            if begins == "before":
                self.begin(copy)

    def ran(self, statement):
        """`statement` has run, and nobody has heard of it yet. Says what became of the copies."""
        fence, change = FENCE.match(statement), CHANGE.match(statement)
        if not fence and not change:
            return
        with self.lock:
            table = parts((fence or change)[1])[1:]
            for copy in [copy for copy in self.copies if copy.table == table]:
                if fence and copy.begins == "between" and copy.state == "waits":
                    self.begin(copy)
                elif change:
                    self.copies.remove(copy)
                    if copy.begins == "after":
                        self.begin(copy)
                    self.commit(copy)

    def begin(self, copy):
        """Without its tables it does not."""
        # What is read without a table has to be there when it is read.
        names = [name for name in re.findall(rf"\bFROM\s+{NAME}", copy.statement) if name not in ("read_files", "staged")]
        try:
            for name in names:
                self.run(f"SELECT 1 FROM {name} LIMIT 0")
            copy.metadata, copy.state = self.properties(copy), "begun"
        except Exception:
            copy.state = "failed"

    def commit(self, copy):
        if copy.state != "begun" or self.properties(copy) != copy.metadata:
            copy.state = "failed"
            return
        merge = MERGE.match(copy.statement)
        # One that begins when the other has ended sees its rows; the others do not.
        blind = merge and copy.begins != "after"
        try:
            columns = merge[3].strip("()") if merge else ""
            self.run(f"INSERT INTO {merge[1]} {merge[3]} SELECT {columns} FROM ({merge[2]})" if blind else copy.statement)
            copy.state = "committed"
        except Exception:
            copy.state = "failed"

    def properties(self, copy):
        schema, table = copy.table
        return self.run(f"SHOW TBLPROPERTIES `spark_catalog`.`{schema}`.`{table}`").rows

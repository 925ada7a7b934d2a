"""The Statement Execution API and the part of the warehouses API that goes with it, in front of the engine.

Shapes and words are those of the service's recorded traffic and of its reference; unknown fields of a request are passed
over, unknown values are refused. Results are INLINE and JSON_ARRAY, in chunks.
"""

import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import scripted
import sight
from engine import Failure

# Largest result that comes INLINE.
INLINE_BYTES = 25 << 20
WAREHOUSE = re.compile(r"[0-9a-f]{16}")
# Names of Spark's types as the manifest has them, where they differ.
TYPE_NAMES = {"BIGINT": "LONG", "SMALLINT": "SHORT", "TINYINT": "BYTE", "VOID": "NULL"}


class Refusal(Exception):
    """An answer with another status than 200."""

    def __init__(self, status, error_code, message, headers=()):
        super().__init__(message)
        self.status, self.headers = status, dict(headers)
        self.body = {"error_code": error_code, "message": message} if error_code else "<html><title>Databricks - Sign In</title></html>"


class Statement:
    """A statement from its submission to its end."""

    def __init__(self, text, compute):
        self.id, self.text, self.compute = str(uuid.uuid4()), text, compute
        self.state, self.error, self.result, self.truncated = "PENDING", None, None, False
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.begun = time.monotonic()
        self.record = {"id": self.id, "statement": text, "state": self.state, "seconds": 0}
        compute.statements.append(self.record)

    def move(self, state, error=None, result=None):
        """Moves to another state, unless it has ended already."""
        with self.lock:
            if self.ended.is_set():
                return False
            self.state, self.error, self.result = state, error, result
            self.record.update(state=state, seconds=round(time.monotonic() - self.begun, 3))
            if state not in ("PENDING", "RUNNING"):
                self.ended.set()
            return True


class StatementApi:
    def __init__(self, engine, workspace):
        self.engine, self.workspace = engine, workspace
        self.statements = {}
        self.pool = ThreadPoolExecutor(32)

    # -- What is asked. -----------------------------------------------------------------------------------------------

    def submit(self, compute, request):
        text = request.get("statement")
        if not isinstance(text, str) or not text.strip():
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "statement must be provided and not be empty.")
        wait = seconds(request.get("wait_timeout", "10s"))
        on_timeout = one_of(request, "on_wait_timeout", ("CONTINUE", "CANCEL"))
        disposition = one_of(request, "disposition", ("INLINE", "EXTERNAL_LINKS"))
        format = one_of(request, "format", ("JSON_ARRAY", "ARROW_STREAM", "CSV"))
        if disposition == "INLINE" and format != "JSON_ARRAY":
            raise Refusal(400, "INVALID_PARAMETER_VALUE", "The format field must be JSON_ARRAY when the disposition field is INLINE.")
        if disposition != "INLINE":
            raise Refusal(501, "NOT_IMPLEMENTED", "Results come INLINE here.")
        statement = Statement(text, compute)
        self.statements[statement.id] = statement
        compute.start()
        self.pool.submit(self.run, statement, request)
        statement.ended.wait(wait)
        if wait > 0 and on_timeout == "CANCEL" and not statement.ended.is_set():
            self.stop(statement)
        return self.describe(statement)

    def lose(self, compute, text, begins):
        """A statement of which nobody hears; it runs beside the next one."""
        compute.statements.append({"id": "", "statement": text, "state": "LOST", "seconds": 0})
        self.engine.copies.lose(text, begins)

    def find(self, id):
        statement = self.statements.get(id)
        if statement is None:
            raise Refusal(404, "NOT_FOUND", f"The statement {id} was not found.")
        return statement

    def stop(self, statement):
        if statement.move("CANCELED"):
            self.engine.cancel(statement.id)

    def chunk(self, statement, index):
        if statement.state == "CLOSED":
            raise Refusal(404, "NOT_FOUND", f"The statement {statement.id} is closed: its result is no longer available.")
        if statement.state != "SUCCEEDED":
            raise Refusal(400, "BAD_REQUEST", f"The statement {statement.id} has no result in state {statement.state}.")
        chunks = self.chunks(statement)
        if index >= len(chunks):
            raise Refusal(404, "NOT_FOUND", f"Chunk {index} was not found: the result has {len(chunks)} chunks.")
        return self.data(statement, chunks, index)

    # -- What is done. ------------------------------------------------------------------------------------------------

    def run(self, statement, request):
        compute = statement.compute
        while compute.now() != "RUNNING":
            if statement.ended.wait(0.02):
                return
            if compute.state in ("DELETED", "DELETING"):
                statement.move("FAILED", error("NOT_FOUND", f"SQL warehouse {compute.id} was deleted."))
                return
        if not self.wait_for_turn(statement):
            return
        try:
            if not statement.move("RUNNING"):
                return
            rule = compute.rule("run", statement.text, ("fail",))
            if rule is not None:
                statement.move("FAILED", error(**rule.value))
                return
            rule = compute.rule("run", statement.text, ("cancel",))
            if rule is not None and rule.value != "done":
                statement.ended.wait(rule.value)
                statement.move("CANCELED")
                return
            by_others = rule is not None
            rule = compute.rule("run", statement.text, ("hold",))
            if rule is not None and statement.ended.wait(rule.value):
                return
            parameters = [(item["name"], item.get("value"), item.get("type", "STRING")) for item in request.get("parameters", [])]
            sight.refuse(compute.hidden, statement.text)
            text = sight.filtered(statement.text) if compute.filtered else statement.text
            if compute.scripted:
                result = scripted.answer(text, self.engine.managed.volumes)
            else:
                result = self.engine.asked(text, statement.id, parameters, request.get("schema"), compute.new_tables, compute.lacks)
            result = sight.shown(compute.hidden, statement.text, result)
            size = sum(len(value or "") + 3 for row in result.rows for value in row)
            limit = int(request.get("row_limit", 0))
            if limit and len(result.rows) > limit:
                result.rows, statement.truncated = result.rows[:limit], True
            if size > INLINE_BYTES:
                message = (
                    f"Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of at "
                    f"most {INLINE_BYTES} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to "
                    "download the full result."
                )
                statement.move("FAILED", error("BAD_REQUEST", message))
            elif by_others:
                statement.move("CANCELED")
            elif compute.rule("run", statement.text, ("close",)):
                statement.move("CLOSED")
            else:
                statement.move("SUCCEEDED", result=result)
        except Failure as failure:
            statement.move("FAILED", error(failure.error_code, failure.message, failure.sql_state))
        except Exception as unknown:
            statement.move("FAILED", error("INTERNAL_ERROR", f"{type(unknown).__name__}: {unknown}"))
        finally:
            self.engine.running.release()

    def wait_for_turn(self, statement):
        while not self.engine.running.acquire(timeout=0.1):
            if statement.ended.is_set():
                return False
        return True

    # -- What is answered. --------------------------------------------------------------------------------------------

    def describe(self, statement):
        with statement.lock:
            state, failed, result = statement.state, statement.error, statement.result
        answer = {"statement_id": statement.id, "status": {"state": state}}
        if failed is not None:
            answer["status"].update(failed)
        if result is not None:
            chunks = self.chunks(statement)
            columns = [
                {"name": name, "type_text": kind.simpleString().upper(), "type_name": type_name(kind), "position": position}
                for position, (name, kind) in enumerate(result.columns)
            ]
            schema = {"column_count": len(columns)} | ({"columns": columns} if columns else {})
            answer["manifest"] = {"format": "JSON_ARRAY", "schema": schema, "total_chunk_count": len(chunks)}
            if chunks:
                answer["manifest"]["chunks"] = chunks
            answer["manifest"] |= {"total_row_count": len(result.rows), "truncated": statement.truncated}
            answer["result"] = self.data(statement, chunks, 0) if chunks else {}
        return answer

    def chunks(self, statement):
        size, rows = statement.compute.chunk_rows, len(statement.result.rows)
        offsets = range(0, rows, size)
        return [
            {"chunk_index": index, "row_offset": offset, "row_count": min(size, rows - offset)}
            for index, offset in enumerate(offsets)
        ]

    def data(self, statement, chunks, index):
        chunk = dict(chunks[index])
        if index + 1 < len(chunks):
            chunk["next_chunk_index"] = index + 1
            chunk["next_chunk_internal_link"] = f"/api/2.0/sql/statements/{statement.id}/result/chunks/{index + 1}?row_offset={chunks[index + 1]['row_offset']}"
        offset = chunk["row_offset"]
        chunk["data_array"] = statement.result.rows[offset:offset + chunk["row_count"]]
        return chunk


def error(error_code, message, sql_state=None):
    """`status` of a statement that failed."""
    status = {"error": {"error_code": error_code, "message": message}}
    return status | ({"sql_state": sql_state} if sql_state else {})


def type_name(kind):
    name = kind.typeName().upper()
    text = kind.simpleString().upper()
    return TYPE_NAMES.get(text, TYPE_NAMES.get(name, "INT" if text == "INT" else name))


def seconds(text):
    """`wait_timeout`: 0s, or 5s to 50s."""
    found = re.fullmatch(r"(\d+)s", text) if isinstance(text, str) else None
    if found is None or not (int(found[1]) == 0 or 5 <= int(found[1]) <= 50):
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "wait_timeout must be 0 seconds or between 5 seconds and 50 seconds.")
    return int(found[1])


def one_of(request, name, values):
    value = request.get(name, values[0])
    if value not in values:
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{name} must be one of {', '.join(values)}, not {value}.")
    return value

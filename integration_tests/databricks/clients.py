"""Other people's clients drive the stand-in: the official `databricks-sdk` its Statement Execution API, `impyla` its Thrift.

What they take for right or wrong is what the stand-in is held to. Run by `honest.rs`; the stand-in's address is the first
argument.
"""

import base64
import json
import logging
import sys
import time
import unittest
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor

from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.core import Config
from databricks.sdk.service.sql import (
    Disposition, ExecuteStatementRequestOnWaitTimeout, Format, ServiceErrorCode, State, StatementParameterListItem,
    StatementState,
)
from impala.dbapi import connect
from impala.error import Error as ImpalaError, HttpError

ADDRESS = sys.argv.pop(1)
# The SDK says at each start that a workspace tells nothing of itself.
logging.getLogger("databricks.sdk").setLevel(logging.ERROR)


def control(method, path, body):
    request = urllib.request.Request(f"{ADDRESS}/stand-in/{path}", json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class Case(unittest.TestCase):
    """A warehouse or cluster of its own for each test."""

    def setUp(self):
        self.id, self.token = uuid.uuid4().hex[:16], uuid.uuid4().hex
        self.set(token=self.token)
        self.addCleanup(control, "DELETE", f"computes/{self.id}", {"schemas": [], "root": None})

    def set(self, **settings):
        control("PUT", f"computes/{self.id}", settings)

    def client(self, token=None):
        config = Config(host=ADDRESS, token=token or self.token, auth_type="pat", retry_timeout_seconds=20)
        return WorkspaceClient(config=config)


class Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(self, *_):
        return None


class Statements(Case):
    def setUp(self):
        super().setUp()
        self.sdk = self.client()

    def execute(self, statement, **options):
        return self.sdk.statement_execution.execute_statement(statement, self.id, **options)

    def ended(self, id):
        for _ in range(600):
            answer = self.sdk.statement_execution.get_statement(id)
            if answer.status.state not in (StatementState.PENDING, StatementState.RUNNING):
                return answer
            time.sleep(0.05)
        self.fail("the statement does not end")

    def test_a_result_comes_as_text_with_the_types_told(self):
        answer = self.execute(
            "SELECT 1 AS a, TIMESTAMP'2021-01-01 10:00:00.789' AS b, NULL AS c, 'x' AS d, true AS e, 2L AS f",
            wait_timeout="50s", format=Format.JSON_ARRAY, disposition=Disposition.INLINE,
        )
        self.assertEqual(answer.status.state, StatementState.SUCCEEDED)
        self.assertEqual(answer.result.data_array, [["1", "2021-01-01T10:00:00.789Z", None, "x", "true", "2"]])
        columns = answer.manifest.schema.columns
        self.assertEqual([column.name for column in columns], list("abcdef"))
        self.assertEqual([column.type_name.name for column in columns], ["INT", "TIMESTAMP", "NULL", "STRING", "BOOLEAN", "LONG"])
        self.assertEqual((answer.manifest.total_chunk_count, answer.manifest.total_row_count), (1, 1))

    def test_a_statement_without_result_has_no_columns_and_no_chunks(self):
        answer = self.execute("CREATE SCHEMA IF NOT EXISTS `hive_metastore`.`default`", wait_timeout="50s")
        self.assertEqual((answer.manifest.schema.column_count, answer.manifest.total_chunk_count), (0, 0))
        self.assertIsNone(answer.result.data_array)

    def test_chunks_are_fetched_one_by_one(self):
        self.set(chunk_rows=3)
        answer = self.execute("SELECT id FROM range(0, 8, 1, 1)", wait_timeout="50s")
        rows, chunk = list(answer.result.data_array), answer.result
        while chunk.next_chunk_index is not None:
            chunk = self.sdk.statement_execution.get_statement_result_chunk_n(answer.statement_id, chunk.next_chunk_index)
            rows += chunk.data_array
        self.assertEqual(rows, [[str(n)] for n in range(8)])
        self.assertEqual([chunk.row_count for chunk in answer.manifest.chunks], [3, 3, 2])
        with self.assertRaises(errors.NotFound):
            self.sdk.statement_execution.get_statement_result_chunk_n(answer.statement_id, 3)

    def test_without_a_wait_the_statement_is_polled(self):
        self.set(rules=[{"action": "hold", "value": 0.5}])
        answer = self.execute("SELECT 7", wait_timeout="0s")
        self.assertIn(answer.status.state, (StatementState.PENDING, StatementState.RUNNING))
        self.assertIsNone(answer.manifest)
        self.assertEqual(self.ended(answer.statement_id).result.data_array, [["7"]])

    def test_a_statement_is_cancelled(self):
        self.set(rules=[{"action": "hold", "value": 60}])
        answer = self.execute("SELECT 7", wait_timeout="0s")
        self.sdk.statement_execution.cancel_execution(answer.statement_id)
        self.assertEqual(self.ended(answer.statement_id).status.state, StatementState.CANCELED)

    def test_a_statement_that_computes_is_cancelled(self):
        answer = self.execute("SELECT count(*) FROM range(100000000000) WHERE hash(id) = 5", wait_timeout="0s")
        time.sleep(1)
        self.sdk.statement_execution.cancel_execution(answer.statement_id)
        self.assertEqual(self.ended(answer.statement_id).status.state, StatementState.CANCELED)

    def test_a_wait_that_is_over_cancels_where_that_was_asked_for(self):
        self.set(rules=[{"action": "hold", "value": 60}])
        answer = self.execute("SELECT 7", wait_timeout="5s", on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL)
        self.assertEqual(answer.status.state, StatementState.CANCELED)

    def test_a_statement_that_fails_says_so_in_its_status(self):
        for statement, error_class, state in [
            ("INSER INTO x", "[PARSE_SYNTAX_ERROR]", "42601"),
            ("SELECT * FROM `hive_metastore`.`default`.`not_there`", "[TABLE_OR_VIEW_NOT_FOUND]", "42P01"),
            ("SELECT * FROM `no_catalog`.`default`.`not_there`", "[NO_SUCH_CATALOG_EXCEPTION]", "42704"),
        ]:
            answer = self.execute(statement, wait_timeout="50s")
            self.assertEqual(answer.status.state, StatementState.FAILED)
            self.assertEqual(answer.status.error.error_code, ServiceErrorCode.BAD_REQUEST)
            self.assertIn(error_class, answer.status.error.message)
            self.assertIn(f"SQLSTATE: {state}", answer.status.error.message)
            self.assertIsNone(answer.manifest)

    def test_a_closed_statement_has_no_result(self):
        self.set(rules=[{"action": "close"}])
        answer = self.execute("SELECT 7", wait_timeout="50s")
        self.assertEqual((answer.status.state, answer.result), (StatementState.CLOSED, None))
        with self.assertRaises(errors.NotFound):
            self.sdk.statement_execution.get_statement_result_chunk_n(answer.statement_id, 0)

    def test_parameters_and_limits(self):
        parameter = StatementParameterListItem(name="n", value="5", type="INT")
        answer = self.execute("SELECT id FROM range(9) WHERE id < :n", wait_timeout="50s", parameters=[parameter], row_limit=2)
        self.assertEqual(answer.status.state, StatementState.SUCCEEDED, answer.status.error)
        self.assertEqual((len(answer.result.data_array), answer.manifest.truncated), (2, True))

    def test_errors_have_the_classes_of_the_sdk(self):
        api = self.sdk.statement_execution
        with self.assertRaises(errors.NotFound):
            api.get_statement(str(uuid.uuid4()))
        with self.assertRaises(errors.NotFound):
            api.execute_statement("SELECT 1", "ffffffffffffffff")
        with self.assertRaises(errors.InvalidParameterValue):
            api.execute_statement("SELECT 1", "no id")
        with self.assertRaises(errors.InvalidParameterValue):
            self.execute("SELECT 1", wait_timeout="3s")
        with self.assertRaises(errors.InvalidParameterValue):
            self.execute(" ")
        with self.assertRaisesRegex(errors.PermissionDenied, "Invalid access token"):
            self.client("wrong").statement_execution.execute_statement("SELECT 1", self.id)
        other = Statements("setUp")
        other.setUp()
        self.addCleanup(other.doCleanups)
        with self.assertRaisesRegex(errors.PermissionDenied, "permission"):
            api.execute_statement("SELECT 1", other.id)
        with self.assertRaises(errors.NotFound):
            self.sdk.api_client.do("GET", "/api/2.0/sql/nothing")

    def test_no_token_is_the_recorded_401(self):
        request = urllib.request.Request(f"{ADDRESS}/api/2.0/sql/statements/{uuid.uuid4()}")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        self.assertEqual(refused.exception.code, 401)
        self.assertIn("Bearer", refused.exception.headers["www-authenticate"])
        message = "Credential was not sent or was of an unsupported type for this API."
        self.assertEqual(json.load(refused.exception), {"error_code": 401, "message": message})

    def test_storms_are_ridden_out_by_the_sdk(self):
        for status, code in [(429, "RESOURCE_EXHAUSTED"), (503, "TEMPORARILY_UNAVAILABLE")]:
            body = json.dumps({"error_code": code, "message": "later"})
            self.set(rules=[{"action": "reply", "times": 2, "value": {"status": status, "headers": {"retry-after": 1}, "body": body}}])
            self.assertEqual(self.execute("SELECT 1", wait_timeout="50s").status.state, StatementState.SUCCEEDED)

    def test_a_stopped_warehouse_starts_with_the_first_statement(self):
        self.set(state="STOPPED", starts_in=1)
        self.assertEqual(self.sdk.warehouses.get(self.id).state, State.STOPPED)
        answer = self.execute("SELECT 7", wait_timeout="0s")
        self.assertEqual(self.sdk.statement_execution.get_statement(answer.statement_id).status.state, StatementState.PENDING)
        self.assertEqual(self.sdk.warehouses.get(self.id).state, State.STARTING)
        self.assertEqual(self.ended(answer.statement_id).result.data_array, [["7"]])
        self.assertEqual(self.sdk.warehouses.get(self.id).state, State.RUNNING)

    def test_a_stopped_warehouse_is_started(self):
        self.set(state="STOPPED", starts_in=1)
        self.sdk.warehouses.start(self.id).result()
        self.assertEqual(self.sdk.warehouses.get(self.id).state, State.RUNNING)
        with self.assertRaises(errors.NotFound):
            self.sdk.warehouses.get("ffffffffffffffff")

    def test_statements_run_at_the_same_time(self):
        self.set(rules=[{"action": "hold", "value": 2}])
        begun = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: self.execute("SELECT 1", wait_timeout="50s"), range(6)))
        self.assertEqual({answer.status.state for answer in answers}, {StatementState.SUCCEEDED})
        self.assertLess(time.monotonic() - begun, 8)

    def request(self, path="", token=None, **headers):
        """One request past the SDK, which repeats what is turned away."""
        headers = {"Authorization": f"Bearer {token or self.token}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{ADDRESS}/api/2.0/sql/warehouses/{self.id}{path}", headers=headers)
        opener = urllib.request.build_opener(Unmoved)
        try:
            with opener.open(request) as answer:
                return answer.status, answer.headers
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers

    def test_who_asks_too_often_is_turned_away_and_the_sdk_comes_back(self):
        self.set(requests_a_second=2)
        answers = [self.request()]
        # However slow the machine is.
        while answers[-1][0] == 200 and len(answers) < 100:
            answers.append(self.request())
        self.assertEqual({status for status, _ in answers[:-1]}, {200})
        self.assertEqual(answers[-1][0], 429)
        self.assertEqual(answers[-1][1]["retry-after"], "1")
        self.assertEqual(self.sdk.warehouses.get(self.id).state, State.RUNNING)
        self.assertEqual(control("GET", f"computes/{self.id}", {})["turned_away"] >= 1, True)

    def test_a_shared_host_wants_to_know_the_workspace(self):
        self.set(org="123")
        for headers in ({}, {"x_databricks_org_id": "124"}):
            status, headers = self.request(**headers)
            self.assertEqual((status, headers["location"]), (303, "/login.html"))
        self.assertEqual(self.request(x_databricks_org_id="123")[0], 200)

    def test_what_may_not_be_seen_is_not_shown_and_cannot_be_made(self):
        schema = f"s{self.id}"
        self.execute(f"CREATE SCHEMA `main`.`{schema}`", wait_timeout="50s")
        self.addCleanup(control, "POST", "sql", {"statement": f"DROP SCHEMA `main`.`{schema}` CASCADE"})
        self.execute(f"CREATE TABLE `main`.`{schema}`.`t` (a INT) USING parquet", wait_timeout="50s")
        show = f"SHOW SCHEMAS IN `main` LIKE '{schema}'"
        answer = self.execute(show, wait_timeout="50s")
        self.assertEqual((answer.manifest.schema.columns[0].name, answer.result.data_array), ("databaseName", [[schema]]))
        self.set(hidden=[f"{schema}.t"])
        self.assertIsNone(self.execute(f"SHOW TABLES IN `main`.`{schema}`", wait_timeout="50s").result.data_array)
        answer = self.execute(f"SELECT * FROM `main`.`{schema}`.`t`", wait_timeout="50s")
        self.assertIn("[TABLE_OR_VIEW_NOT_FOUND]", answer.status.error.message)
        self.set(hidden=[schema])
        self.assertIsNone(self.execute(show, wait_timeout="50s").result.data_array)
        answer = self.execute(f"CREATE SCHEMA IF NOT EXISTS `main`.`{schema}`", wait_timeout="50s")
        self.assertIn("does not have CREATE SCHEMA on Catalog 'main'", answer.status.error.message)
        answer = self.execute(f"SHOW TABLES IN `main`.`{schema}`", wait_timeout="50s")
        self.assertIn("does not have USE SCHEMA", answer.status.error.message)

    def test_a_statement_is_cancelled_by_somebody_else(self):
        for value in (0.2, "done"):
            self.set(rules=[{"action": "cancel", "value": value, "times": 1}])
            self.assertEqual(self.execute("SELECT 7", wait_timeout="50s").status.state, StatementState.CANCELED)
            self.assertEqual(self.execute("SELECT 7", wait_timeout="50s").status.state, StatementState.SUCCEEDED)

    def test_a_lost_answer_is_lost_and_the_work_is_done(self):
        self.set(rules=[{"action": "lose", "on": "submit"}])
        body = json.dumps({"warehouse_id": self.id, "statement": "SELECT 7", "wait_timeout": "50s"}).encode()
        request = urllib.request.Request(f"{ADDRESS}/api/2.0/sql/statements", body, {"Authorization": f"Bearer {self.token}"})
        with self.assertRaises(OSError):
            urllib.request.urlopen(request)
        (ran,) = control("GET", f"computes/{self.id}", {})["statements"]
        self.assertEqual((ran["statement"], ran["state"]), ("SELECT 7", "SUCCEEDED"))


class Thrift(Case):
    def cursor(self, token=None):
        host, _, port = ADDRESS.removeprefix("http://").partition(":")
        connection = connect(
            host, int(port), use_http_transport=True, http_path=f"sql/protocolv1/o/0/{self.id}", auth_mechanism="PLAIN",
            user="token", password=token or self.token,
        )
        cursor = connection.cursor()
        self.addCleanup(connection.close)
        return cursor

    def test_statements_run(self):
        cursor = self.cursor()
        cursor.execute("SELECT 1 AS a, 'x' AS b")
        self.assertEqual((cursor.fetchall(), [column[0] for column in cursor.description]), ([(1, "x")], ["a", "b"]))

    def test_a_statement_that_fails_says_why(self):
        with self.assertRaisesRegex(ImpalaError, "TABLE_OR_VIEW_NOT_FOUND"):
            self.cursor().execute("SELECT * FROM `spark_catalog`.`default`.`not_there`")

    def test_a_failure_that_was_asked_for_is_one(self):
        self.set(rules=[{"action": "fail", "value": {"error_code": "BAD_REQUEST", "message": "[DELTA_X] so", "sql_state": "2D521"}}])
        with self.assertRaisesRegex(ImpalaError, "DELTA_X"):
            self.cursor().execute("SELECT 1")

    def test_a_statement_is_cancelled_by_somebody_else(self):
        for value in (0.2, "done"):
            self.set(rules=[{"action": "cancel", "value": value, "times": 1}])
            cursor = self.cursor()
            cursor.execute("SELECT 1")
            self.assertEqual(cursor.status(), "CANCELED_STATE")
            cursor.execute("SELECT 1")
            self.assertEqual((cursor.status(), cursor.fetchall()), ("FINISHED_STATE", [(1,)]))

    def test_schemas_are_shown_as_databricks_shows_them(self):
        cursor = self.cursor()
        cursor.execute("SHOW SCHEMAS IN `spark_catalog` LIKE 'default'")
        self.assertEqual((cursor.description[0][0], cursor.fetchall()), ("databaseName", [("default",)]))
        self.set(hidden=["default"])
        cursor.execute("SHOW SCHEMAS IN `spark_catalog` LIKE 'default'")
        self.assertEqual(cursor.fetchall(), [])
        with self.assertRaisesRegex(ImpalaError, "does not have USE SCHEMA on Schema 'spark_catalog.default'"):
            cursor.execute("SHOW TABLES IN `spark_catalog`.`default`")

    def test_a_lost_session_is_told_of_in_three_ways(self):
        for told, kind, words in [
            ("handle", ImpalaError, "Invalid SessionHandle"),
            ("uninitialized", ImpalaError, "has not been initialized or had already closed"),
            ("http", HttpError, "HTTP code 400"),
        ]:
            cursor = self.cursor()
            control("POST", f"computes/{self.id}/restart", {"told": told})
            with self.assertRaisesRegex(kind, words):
                cursor.execute("SELECT 1")

    def test_a_wrong_token_is_refused(self):
        with self.assertRaises(HttpError) as refused:
            self.cursor("wrong")
        self.assertEqual(refused.exception.code, 403)

    def test_a_cluster_that_starts_says_so_and_is_there_later(self):
        self.set(state="STOPPED", starts_in=1)
        authorization = "Basic " + base64.b64encode(f"token:{self.token}".encode()).decode()
        # An OpenSession of nobody: the gateway does not look into it.
        body = base64.b64decode("gAEAAQAAAAtPcGVuU2Vzc2lvbgAAAAAA")
        request = urllib.request.Request(f"{ADDRESS}/sql/protocolv1/o/0/{self.id}", body, {"Authorization": authorization})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        self.assertEqual((refused.exception.code, refused.exception.headers["retry-after"]), (503, "1"))
        time.sleep(1.1)
        self.cursor().execute("SELECT 1")


if __name__ == "__main__":
    unittest.main(verbosity=2)

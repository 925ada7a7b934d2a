"""Clusters: Spark's own Thrift server, reached as Databricks' is, by the workspace's address and with its tokens.

Requests go through as they are, but for what Spark's server does otherwise: it wants a user and a password where
Databricks wants a token, it has one path for all, and it shows everything to everybody. A cluster that is starting answers 503, as
Databricks' gateway does. A session that it has lost it tells of in Spark's words ("handle"), as Databricks' gateway does ("http":
400 and a header), or as Spark does while the session ends ("uninitialized").
"""

import base64
import http.client
import socket
import threading
import time

from impala._thrift_gen.TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

import sight
from engine import Failure
from statements import Refusal

UNDER_WAY = (
    ttypes.TOperationState.INITIALIZED_STATE, ttypes.TOperationState.PENDING_STATE, ttypes.TOperationState.RUNNING_STATE,
)
KINDS = {"ExecuteStatement": "submit", "GetOperationStatus": "poll", "FetchResults": "chunk", "CancelOperation": "cancel"}


class Thrift:
    def __init__(self, engine, workspace, path):
        self.engine, self.workspace, self.path = engine, workspace, path
        self.server, self.lock = None, threading.Lock()

    def port(self):
        """The port of Spark's server, which is started by the first who asks."""
        with self.lock:
            if self.server is None:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    port = probe.getsockname()[1]
                self.server = (self.engine.start_thrift(port), port)
                deadline = time.monotonic() + 30
                while time.monotonic() < deadline:
                    with socket.socket() as probe:
                        if probe.connect_ex(("127.0.0.1", port)) == 0:
                            break
                    time.sleep(0.02)
            return self.server[1]

    def answer(self, handler, path, body):
        compute = self.workspace.find(path.rpartition("/")[2])
        name, sequence, statement = called(body)
        kind = KINDS.get(name, "session")
        record = rule = cancelled = None
        if compute is not None:
            compute.requests += 1
            rule = compute.rule(kind, statement, ("reply", "lose", "refuse", "kill", "double"))
            if rule is not None and rule.action == "double":
                compute.statements.append({"id": str(sequence), "statement": statement, "state": "LOST", "seconds": 0})
                self.engine.copies.lose(statement, rule.value)
                return handler.cut()
            if handler.goes_wrong_before(compute, rule):
                return
        handler.server.gateway.admit(compute, None, handler.headers, limited=False)
        handler.sign_in(compute, bearer(handler.headers["Authorization"] or ""))
        if compute is None:
            id = path.rpartition("/")[2]
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"No cluster found matching: {id}")
        compute.start()
        if compute.now() != "RUNNING":
            message = "TEMPORARILY_UNAVAILABLE: Cluster is starting."
            raise Refusal(503, "TEMPORARILY_UNAVAILABLE", message, {"retry-after": 1, "x-thriftserver-error-message": message})
        if any(guid in body for guid in compute.lost) and self.tells_of_loss(handler, compute.told, name, sequence):
            return
        if statement is not None:
            record = {"id": str(sequence), "statement": statement, "state": "RUNNING", "seconds": 0}
            compute.statements.append(record)
            fails = compute.rule("run", statement, ("fail",))
            if fails is not None:
                record["state"] = "FAILED"
                return handler.say(200, failed(sequence, **fails.value), {"content-type": "application/x-thrift"})
            held = compute.rule("run", statement, ("hold",))
            if held is not None:
                time.sleep(held.value)
            cancelled = compute.rule("run", statement, ("cancel",))
            if cancelled is not None:
                if cancelled.value == "done":
                    self.engine.asked(statement, "done")
                # It does not end before it is cancelled.
                body = instead(body, "SELECT java_method('java.lang.Thread', 'sleep', 60000L)")
            elif compute.filtered:
                body = instead(body, sight.filtered(statement))
            elif sight.is_show(statement):
                body = self.seen(compute, statement, body)
            try:
                sight.refuse(compute.hidden, statement)
                self.engine.managed.refuse(compute.lacks, statement)
                body = self.for_spark(statement, body)
            except Failure as failure:
                record["state"] = "FAILED"
                said = failed(sequence, failure.error_code, failure.message, failure.sql_state)
                return handler.say(200, said, {"content-type": "application/x-thrift"})
            conflict = self.engine.locations.in_the_way(statement)
            if conflict:
                record["state"] = "FAILED"
                answer = failed(sequence, "BAD_REQUEST", conflict)
                return handler.say(200, answer, {"content-type": "application/x-thrift"})
        status, headers, content = self.forward(without(body, compute.lost))
        if cancelled is not None:
            time.sleep(0 if cancelled.value == "done" else cancelled.value)
            self.cancel(content)
        elif statement is not None:
            self.engine.locations.note(statement)
            if self.engine.copies.copies:
                self.wait_for_end(content)
                self.engine.copies.ran(statement)
        if name == "OpenSession" and status == 200:
            compute.sessions |= opened(content)
        if rule is not None:
            if statement is not None:
                self.wait_for_end(content)
            if rule.action == "kill":
                compute.kill_client()
            return handler.cut()
        handler.say(status, content, headers)

    def tells_of_loss(self, handler, told, name, sequence):
        """Answers a call for a lost session, unless Spark's own words are wanted."""
        if told == "http":
            said = "BAD_REQUEST: Invalid SessionHandle: Session [01f05276-6147-1fa3-97ce-77356bbde400] is closed."
            handler.say(400, "", {"content-type": "application/x-thrift", "x-thriftserver-error-message": said})
        elif told == "uninitialized" and name == "ExecuteStatement":
            said = "requirement failed: Session handle: SessionHandle [01f05276] has not been initialized or had already closed."
            handler.say(200, failed(sequence, "", said), {"content-type": "application/x-thrift"})
        else:
            return False
        return True

    def for_spark(self, statement, body):
        """The call with what Spark knows in place of what Databricks alone has: what is done already, as its answer."""
        done = self.engine.managed.answer(statement, self.engine.session())
        if done is not None:
            return instead(body, as_select(done) if done.columns else "SELECT 1 WHERE false")
        plain = self.engine.managed.for_spark(statement)
        return body if plain == statement else instead(body, plain)

    def seen(self, compute, statement, body):
        """The call in place of a SHOW that answers what the user may see; the same where Spark has to say what is wrong."""
        try:
            result = self.engine.run(statement, "a look")
        except Failure:
            return body
        return instead(body, as_select(sight.shown(compute.hidden, statement, result)))

    def cancel(self, answer):
        """Cancels the statement that an ExecuteStatement has begun, as somebody else would."""
        begun = result(answer, TCLIService.ExecuteStatement_result())
        if begun and begun.operationHandle:
            request = ttypes.TCancelOperationReq(operationHandle=begun.operationHandle)
            self.forward(encoded("CancelOperation", TMessageType.CALL, 0, TCLIService.CancelOperation_args(req=request)))

    def wait_for_end(self, answer):
        """Waits until the statement that an ExecuteStatement has begun is done."""
        begun = result(answer, TCLIService.ExecuteStatement_result())
        operation = begun and begun.operationHandle
        deadline = time.monotonic() + 60
        while operation and time.monotonic() < deadline:
            request = ttypes.TGetOperationStatusReq(operationHandle=operation)
            call = encoded("GetOperationStatus", TMessageType.CALL, 0, TCLIService.GetOperationStatus_args(req=request))
            status = result(self.forward(call)[2], TCLIService.GetOperationStatus_result())
            if status is None or status.operationState not in UNDER_WAY:
                return
            time.sleep(0.02)

    def forward(self, body):
        """Sends the request to Spark's server."""
        headers = {
            "Content-Type": "application/x-thrift",
            "Accept": "application/x-thrift",
            "Authorization": "Basic " + base64.b64encode(b"bed:bed").decode(),
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=300)
        try:
            connection.request("POST", f"/{self.path}", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return answer.status, {"content-type": answer.headers.get("Content-Type", "application/x-thrift")}, content


def bearer(header):
    """Databricks takes `token` and the token as user and password too."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "basic":
        user, _, password = base64.b64decode(value).decode().partition(":")
        if user == "token":
            return f"Bearer {password}"
    return header


def called(body):
    """Name and number of the call, and its statement if it has one."""
    protocol = TBinaryProtocol(TMemoryBuffer(body))
    try:
        name, _, sequence = protocol.readMessageBegin()
        if name != "ExecuteStatement":
            return name, sequence, None
        arguments = TCLIService.ExecuteStatement_args()
        arguments.read(protocol)
        return name, sequence, arguments.req.statement
    except Exception:
        raise Refusal(400, "MALFORMED_REQUEST", "The body is no Thrift call.") from None


def instead(body, statement):
    """The same ExecuteStatement with another statement."""
    protocol = TBinaryProtocol(TMemoryBuffer(body))
    name, kind, sequence = protocol.readMessageBegin()
    arguments = TCLIService.ExecuteStatement_args()
    arguments.read(protocol)
    arguments.req.statement = statement
    return encoded(name, kind, sequence, arguments)


def as_select(shown):
    """A query with this result."""
    names = [name for name, _ in shown.columns]
    if not shown.rows:
        return "SELECT " + ", ".join(f"CAST(NULL AS {kind.simpleString()}) AS `{name}`" for name, kind in shown.columns) + " WHERE false"
    literal = [(lambda value: value) if kind.simpleString() == "boolean" else (lambda value: f"'{value}'") for _, kind in shown.columns]
    rows = ", ".join("(" + ", ".join(made(value) for made, value in zip(literal, row)) + ")" for row in shown.rows)
    return f"SELECT * FROM VALUES {rows} AS shown({', '.join(f'`{name}`' for name in names)})"


def opened(answer):
    """The id of the session that an OpenSession has opened."""
    session = result(answer, TCLIService.OpenSession_result())
    return {session.sessionHandle.sessionId.guid} if session and session.sessionHandle else set()


def without(body, lost):
    """The request with ids that Spark's server has never given in place of those of lost sessions."""
    for guid in lost:
        body = body.replace(guid, bytes(len(guid)))
    return body


def failed(sequence, error_code, message, sql_state=None):
    """The answer to an ExecuteStatement whose statement failed."""
    status = ttypes.TStatus(statusCode=ttypes.TStatusCode.ERROR_STATUS, errorMessage=message, sqlState=sql_state, errorCode=0)
    answer = TCLIService.ExecuteStatement_result(success=ttypes.TExecuteStatementResp(status=status))
    return encoded("ExecuteStatement", TMessageType.REPLY, sequence, answer)


def encoded(name, kind, sequence, content):
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.writeMessageBegin(name, kind, sequence)
    content.write(protocol)
    protocol.writeMessageEnd()
    return buffer.getvalue()


def result(answer, into):
    """What a call has answered, if it was answered."""
    protocol = TBinaryProtocol(TMemoryBuffer(answer))
    protocol.readMessageBegin()
    into.read(protocol)
    return into.success

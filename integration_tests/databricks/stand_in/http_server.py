"""The workspace's address: HTTP/1.1 on one port of the loopback, in front of the statements, the warehouses, the clusters'
Thrift, and of `/stand-in/`, by which tests say what shall go wrong.
"""

import copy
import json
import re
import socket
import sys
import traceback
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import control
import files
from engine import Failure
from authority import ME, Authority, bearer
from gateway import Gateway
from statements import WAREHOUSE, Refusal

STATEMENTS = "/api/2.0/sql/statements"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, engine, workspace, api, thrift, of_volumes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine, self.workspace, self.api, self.thrift, self.files = engine, workspace, api, thrift, of_volumes
        self.gateway, self.authority = Gateway(), Authority()

    def handle_error(self, request, client_address):
        # A client that has gone is none of our business.
        if not isinstance(sys.exc_info()[1], (ConnectionError, BrokenPipeError, TimeoutError)):
            traceback.print_exc()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        self.answer()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_GET

    def log_message(self, *_):
        pass

    def answer(self):
        path, _, query = self.path.partition("?")
        chunked = self.headers.get("Transfer-Encoding")
        body = self.chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if chunked and not files.is_for_files(path):
            return self.say(411, {"error_code": "MALFORMED_REQUEST", "message": "Content-Length is needed."})
        try:
            self.take_token()
            if path.startswith("/stand-in/"):
                self.say(200, control.answer(self.server, self.command, path.removeprefix("/stand-in/"), parsed(body)))
            elif path == ME and self.server.workspace.knows(bearer(self.original)):
                self.say(200, {"userName": "loader@example.com"})
            elif self.server.authority.answers(path):
                address = f"http://{self.headers['Host']}"
                status, said, headers = self.server.authority.answer(self.command, path, query, self.original, body, address)
                self.say(status, said, headers)
            elif files.is_for_files(path):
                self.files_answer(path, query, body)
            elif "/sql/protocolv1/" in path:
                self.server.thrift.answer(self, path, body)
            else:
                self.workspace_answer(path, body)
        except Refusal as refusal:
            self.say(refusal.status, refusal.body, refusal.headers)
        except Failure as failure:
            self.say(500, {"error_code": failure.error_code, "message": failure.message})
        except (ConnectionError, BrokenPipeError):
            self.close_connection = True
        except Exception:
            traceback.print_exc()
            self.say(500, {"error_code": "INTERNAL_ERROR", "message": "The stand-in has a fault of its own: see its log."})

    def take_token(self):
        """A token of the authorization server counts as that of its warehouse or cluster from here on."""
        self.original = copy.deepcopy(self.headers)
        compute = self.server.workspace.find(self.server.authority.compute_of(self.headers))
        if compute is not None:
            self.headers.replace_header("Authorization", f"Bearer {compute.token}")

    def workspace_answer(self, path, body):
        # A rule of the warehouse comes first: what a gateway says, it says without a look at tokens.
        kind, compute, statement, request = self.look_up(path, body)
        self.server.gateway.admit(compute, self.headers.get("Authorization"), self.headers)
        text = statement.text if statement is not None else (request or {}).get("statement")
        rule = None
        if compute is not None:
            compute.requests += 1
            rule = compute.rule(kind, text, ("reply", "lose", "refuse", "kill", "double"))
        if rule is not None and rule.action == "double":
            self.server.api.lose(compute, text, rule.value)
            return self.cut()
        if self.goes_wrong_before(compute, rule):
            return
        self.sign_in(compute, self.headers.get("Authorization") or "")
        answer = self.do(kind, compute, statement, request, path)
        if rule is not None:
            if kind == "submit":
                # Done means done, not begun.
                self.server.api.statements[answer["statement_id"]].ended.wait(60)
            if rule.action == "kill":
                compute.kill_client()
            return self.cut()
        self.say(200, answer)

    def chunks(self):
        """A body that comes in chunks: a file whose length its sender does not know."""
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def files_answer(self, path, query, body):
        authorization = self.headers.get("Authorization") or ""
        compute = self.server.workspace.of(authorization.partition(" ")[2])
        if compute is None:
            return self.sign_in(None, authorization)
        if compute.org is not None:
            self.server.gateway.admit(compute, authorization, self.headers, limited=False)
        if not self.server.gateway.takes(f"files of {authorization}", files.MOST):
            raise Refusal(429, "REQUEST_LIMIT_EXCEEDED", "Too many requests to the Files API.", {"retry-after": 1})
        compute.requests += 1
        rule = compute.rule("file", f"{self.command} {self.path}", ("reply", "lose", "refuse", "kill"))
        if self.goes_wrong_before(compute, rule):
            return
        status, headers, content = self.server.files.answer(compute, self.command, path, query, body, self.headers)
        if rule is not None:
            if rule.action == "kill":
                compute.kill_client()
            return self.cut()
        self.say(status, content, headers)

    def look_up(self, path, body):
        """What the request is about: its kind, the warehouse, the statement if there is one, and the body."""
        workspace, parts = self.server.workspace, path.rstrip("/").removeprefix("/api/2.0/sql/").split("/")
        try:
            match [self.command, *parts]:
                case ["POST", "statements"]:
                    request = parsed(body)
                    return "submit", workspace.find(request.get("warehouse_id")), None, request
                case ["GET", "statements", id]:
                    kind = "poll"
                case ["GET", "statements", id, "result", "chunks", _]:
                    kind = "chunk"
                case ["POST", "statements", id, "cancel"]:
                    kind = "cancel"
                case ["GET", "warehouses", id]:
                    return "warehouse", workspace.find(id), None, {"id": id}
                case ["POST", "warehouses", id, "start"]:
                    return "start", workspace.find(id), None, {"id": id}
                case ["POST", "warehouses", id, "stop"]:
                    return "stop", workspace.find(id), None, {"id": id}
                case _:
                    return "unknown", None, None, None
            statement = self.server.api.statements.get(id)
            return kind, statement and statement.compute, statement, {"id": id}
        except Refusal:
            return "malformed", None, None, None

    def goes_wrong_before(self, compute, rule):
        if rule is None:
            return False
        match rule.action, rule.value:
            case "reply", value:
                self.say(value["status"], value.get("body", ""), value.get("headers", {}))
            case "refuse", _:
                self.cut()
            case "kill", "before":
                compute.kill_client()
                self.cut()
            case _:
                return False
        return True

    def sign_in(self, compute, authorization):
        """401 without a token, 403 with one that nobody has or that is for another warehouse."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            message = "Credential was not sent or was of an unsupported type for this API."
            raise Refusal(401, 401, message, {"www-authenticate": 'Bearer realm="DatabricksRealm"', "x-databricks-reason-phrase": message})
        if not self.server.workspace.knows(token):
            raise Refusal(403, 403, "Invalid access token.", {"x-databricks-reason-phrase": "Invalid access token."})
        if compute is not None and token != compute.token:
            raise Refusal(403, "PERMISSION_DENIED", f"You do not have permission to use the SQL warehouse {compute.id}.")

    def do(self, kind, compute, statement, request, path):
        api = self.server.api
        if kind == "unknown":
            raise Refusal(404, "ENDPOINT_NOT_FOUND", f"No API found for '{self.command} {path}'")
        if kind == "malformed":
            raise Refusal(400, "MALFORMED_REQUEST", "Could not parse request object: it is not JSON.")
        if compute is None and kind in ("submit", "warehouse", "start", "stop"):
            id = request.get("warehouse_id", request.get("id")) or ""
            if not isinstance(id, str) or WAREHOUSE.fullmatch(id) is None:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{id} is not a valid endpoint id.")
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"SQL warehouse {id} does not exist.")
        match kind:
            case "submit":
                return api.submit(compute, request)
            case "warehouse":
                return {"id": compute.id, "name": "of the bed", "size": "XXSMALL", "state": compute.now(), "num_clusters": 1,
                        "health": {"status": "HEALTHY"}, "warehouse_type": "PRO", "enable_serverless_compute": True}
            case "start":
                compute.start()
                return {}
            case "stop":
                compute.state = "STOPPED"
                return {}
        statement = api.find(request["id"])
        match kind:
            case "poll":
                return api.describe(statement)
            case "cancel":
                api.stop(statement)
                return {}
            case "chunk":
                index = path.rstrip("/").rpartition("/")[2]
                if not re.fullmatch(r"\d+", index):
                    raise Refusal(400, "INVALID_PARAMETER_VALUE", "chunk_index must be a number.")
                return api.chunk(statement, int(index))

    def say(self, status, body, headers=()):
        content = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        headers = {"content-type": "application/json", "x-request-id": str(uuid.uuid4()), "content-length": len(content)} | dict(headers)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def cut(self):
        """Ends the connection without an answer."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def parsed(body):
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Refusal(400, "MALFORMED_REQUEST", "Could not parse request object: it is not a JSON object.")
    return value

"""The cloud's storage behind volumes: takes parts of files by URLs that the Files API has signed, on a port of its own.

It refuses an Authorization header, as S3 does where a URL is signed already, and URLs that have expired or were changed. As S3 and Azure it
takes parts in any order; as Google's storage the pieces of a file one after the other.
"""

import hashlib
import hmac
import os
import re
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# Google's storage keeps whole multiples of this of a piece that is not the last one.
GRAIN = 256 << 10


class Session:
    """An upload that has begun."""

    def __init__(self, compute, path, target, overwrite, folder):
        self.token, self.compute, self.path, self.target, self.overwrite = uuid.uuid4().hex, compute, path, target, overwrite
        self.folder = folder / self.token
        self.folder.mkdir(parents=True)
        self.google, self.ended, self.lock = compute.cloud == "google", False, threading.Lock()
        # How long the whole file is, when it is there.
        self.length = None

    def part(self, number):
        return self.folder / str(number)

    def join(self, numbers):
        """The parts as one file in the volume; `False` if one is there that must not be replaced."""
        whole = self.folder / "whole"
        with whole.open("wb") as out:
            for number in numbers:
                out.write(self.part(number).read_bytes())
        return place(whole, self.target, self.overwrite)

    def clear(self):
        self.ended = True
        for left in self.folder.iterdir():
            left.unlink()
        self.folder.rmdir()


def place(file, target, overwrite):
    """Moves `file` to `target` at once; `False` if there is one and it must not be replaced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        os.replace(file, target)
        return True
    try:
        os.link(file, target)
    except FileExistsError:
        return False
    finally:
        file.unlink()
    return True


class Cloud(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.sessions, self.key = {}, os.urandom(16)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, session, what):
        """A signed URL, with the headers that belong to it."""
        path = f"/{session.token}/{what}"
        end = time.time() + session.compute.url_seconds
        headers = [{"name": "x-ms-blob-type", "value": "BlockBlob"}] if session.compute.cloud == "azure" else []
        query = f"expires={end}&signature={self.signature(path, str(end))}"
        return {"url": f"http://127.0.0.1:{self.server_address[1]}{path}?{query}", "headers": headers}

    def signature(self, path, end):
        return hmac.new(self.key, f"{path} {end}".encode(), hashlib.sha256).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_PUT(self):
        self.answer()

    do_DELETE = do_GET = do_POST = do_PUT

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        token, _, what = address.path.strip("/").partition("/")
        session = self.server.sessions.get(token)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        end, signature = query.get("expires", "0"), query.get("signature", "")
        if self.headers.get("Authorization"):
            return self.refuse(400, "InvalidArgument", "Only one auth mechanism allowed; only one signature should be specified.")
        if not hmac.compare_digest(signature, self.server.signature(address.path, end)):
            return self.refuse(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if session is not None and session.length is not None and self.command == "PUT":
            # As Google's storage does: whoever asks again after the end is told that it has ended.
            return self.say(200, b"{}", {})
        if session is None or session.ended:
            return self.refuse(404, "NoSuchUpload", "The specified upload does not exist.")
        rule = session.compute.rule("part", f"{self.command} {session.path} {what}", ("reply", "lose", "refuse", "kill"))
        if rule and (rule.action == "refuse" or rule.action == "kill" and rule.value == "before"):
            if rule.action == "kill":
                session.compute.kill_client()
            return self.cut()
        if rule and rule.action == "reply":
            return self.say(rule.value["status"], rule.value.get("body", "").encode(), rule.value.get("headers", {}))
        if session.compute.cloud == "blocked":
            return self.refuse(403, "AuthorizationFailure", "This request is not authorized to perform this operation.")
        if float(end) < time.time():
            if session.compute.cloud == "azure":
                detail = "Signature not valid in the specified time frame"
                return self.refuse(403, "AuthenticationFailed", "Server failed to authenticate the request.", detail)
            return self.refuse(403, "AccessDenied", "Request has expired")
        done = self.piece(session, body) if session.google else self.part(session, what, body)
        if rule:
            if rule.action == "kill":
                session.compute.kill_client()
            return self.cut()
        self.say(*done)

    def part(self, session, what, body):
        if self.command == "DELETE":
            session.clear()
            return 204, b"", {}
        if not re.fullmatch(r"[1-9]\d{0,4}", what):
            return 400, b"<Error><Code>InvalidArgument</Code></Error>", {}
        written = session.folder / f"{what}.{uuid.uuid4().hex}"
        written.write_bytes(body)
        os.replace(written, session.part(what))
        return 200, b"", {"etag": f'"{hashlib.md5(body).hexdigest()}"'}

    def piece(self, session, body):
        if self.command == "DELETE":
            session.clear()
            return 499, b"", {}
        with session.lock:
            whole = session.part(1)
            there = whole.stat().st_size if whole.exists() else 0
            found = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", self.headers.get("Content-Range") or "")
            if found is None:
                return 400, b"", {}
            first, last, total = found.groups()
            if first is not None:
                if int(first) > there or int(last) - int(first) + 1 != len(body):
                    return 400, b"", {}
                body = body[there - int(first):]
                is_last = total != "*" and int(last) + 1 == int(total)
                with whole.open("ab") as out:
                    out.write(body if is_last else body[:len(body) // GRAIN * GRAIN])
                there = whole.stat().st_size
            if total != "*" and there == int(total):
                whole.touch()
                placed = session.join([1])
                session.clear()
                session.length = there if placed else None
                return (200, b"{}", {}) if placed else (412, b"", {})
            return 308, b"", {"range": f"bytes=0-{there - 1}"} if there else {}

    def refuse(self, status, code, message, detail=None):
        more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>'
        self.say(status, body.encode(), {"content-type": "application/xml"})

    def say(self, status, body, headers):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, str(value))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cut(self):
        self.close_connection = True
        try:
            self.connection.shutdown(2)
        except OSError:
            pass

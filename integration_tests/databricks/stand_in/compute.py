"""Warehouses and clusters: who may use them, what state they are in, and what shall go wrong with them.

Each test makes one for itself, with a token of its own, so that tests at the same time do not meet. A rule says which of
its requests or statements go wrong, and how; `control` sets it.
"""

import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field


@dataclass
class Rule:
    """What happens to requests: those of the kind `on` ("submit", "poll", "cancel", "chunk", "session", "warehouse", "any";
    "file" of the Files API, "part" of the cloud's storage behind it) whose statement, or method and path, `statement` is found in (None:
    any); the first `skip` go well, then `times` do not.

    `action` is one of
      reply   nothing is done; {"status", "headers", "body"} comes back
      fail    the statement is taken and fails with {"error_code", "message", "sql_state"}
      hold    the statement runs for so many seconds longer
      lose    all is done, and then the connection ends without an answer
      refuse  nothing is done, and the connection ends
      cancel  somebody else cancels the statement when it has run for so many seconds, or as soon as all is "done"
      close   the statement is closed as soon as it has ended: no result any more
      double  the connection ends without an answer, and the statement begins "before" the next fence, "between" that and the
              one that is sent in its place, or "after" that; both may commit, see `copies.py`
      kill    SIGKILL for the client, "before" the request is looked at or "after" it is done; no answer either way
    """

    action: str
    on: str = "any"
    statement: str | None = None
    skip: int = 0
    times: int = 1 << 30
    value: object = None

    def is_for(self, kind, statement):
        if self.on not in ("any", kind):
            return False
        return self.statement is None or re.search(self.statement, statement or "", re.IGNORECASE | re.DOTALL) is not None


@dataclass
class Compute:
    """A warehouse or a cluster."""

    id: str
    token: str
    state: str = "RUNNING"
    # Seconds from the first request, or from `start`, until it runs.
    starts_in: float = 0
    chunk_rows: int = 1000
    rules: list[Rule] = field(default_factory=list)
    # What it was asked to run, in order: dictionaries with the keys statement, state and seconds.
    statements: list[dict] = field(default_factory=list)
    # Requests that its token may send within a second, and how many were turned away.
    requests_a_second: int | None = 15
    turned_away: int = 0
    # The number of its workspace, where several share the host.
    org: str | None = None
    # Schemas and tables that its user may not see: `sight.py`.
    hidden: list[str] = field(default_factory=list)
    # Whether a row filter keeps all rows from its user.
    filtered: bool = False
    # Properties that tables get which it makes: those of warehouses, `enableDeletionVectors` and `enableRowTracking`.
    new_tables: list[str] = field(default_factory=list)
    # Whether it runs nothing and answers as if it had: `scripted.py`.
    scripted: bool = False
    # Privileges that its user lacks, on whatever they are for: "READ VOLUME", "CREATE VOLUME".
    lacks: list[str] = field(default_factory=list)
    # The Files API, signed URLs: "on" or "off"; the cloud's storage behind volumes: "aws", "azure", "google", or "blocked" for this network.
    files: str = "on"
    urls: str = "on"
    cloud: str = "aws"
    url_seconds: float = 3600
    requests: int = 0
    starts: int = 0
    client: int | None = None
    # Thrift sessions that are open, and those that it has lost.
    sessions: set[bytes] = field(default_factory=set)
    lost: set[bytes] = field(default_factory=set)
    # How it tells of a lost one: "handle", "http" or "uninitialized", see `thrift_server.py`.
    told: str = "handle"
    started_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self):
        """Its state at this moment."""
        with self.lock:
            if self.state == "STARTING" and time.monotonic() - self.started_at >= self.starts_in:
                self.state = "RUNNING"
            return self.state

    def start(self):
        """Starts it where it is stopped."""
        with self.lock:
            if self.state in ("STOPPED", "STOPPING"):
                self.state, self.started_at = "STARTING", time.monotonic()
                self.starts += 1

    def rule(self, kind, statement=None, actions=None):
        """The rule that this request meets, if any; used up by one."""
        with self.lock:
            for rule in self.rules:
                if not rule.is_for(kind, statement) or (actions and rule.action not in actions):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                elif rule.times > 0:
                    rule.times -= 1
                    return rule
        return None

    def kill_client(self):
        """Kills the client, once it is known, and waits until it is gone."""
        deadline = time.monotonic() + 20
        while self.client is None and time.monotonic() < deadline:
            time.sleep(0.001)
        try:
            os.kill(self.client, signal.SIGKILL)
        except ProcessLookupError:
            pass
        time.sleep(0.02)


class Workspace:
    """All warehouses and clusters."""

    def __init__(self):
        self.computes = {}
        self.lock = threading.Lock()

    def add(self, **settings):
        compute = Compute(**settings)
        with self.lock:
            self.computes[compute.id] = compute
        return compute

    def find(self, id):
        with self.lock:
            return self.computes.get(id)

    def of(self, token):
        """That of a user, by its token."""
        with self.lock:
            return next((compute for compute in self.computes.values() if compute.token == token), None)

    def remove(self, id):
        with self.lock:
            self.computes.pop(id, None)

    def knows(self, token):
        with self.lock:
            return any(compute.token == token for compute in self.computes.values())

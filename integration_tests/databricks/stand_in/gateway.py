"""What stands before a workspace: lets no token ask too often, and on a host that several workspaces share leads whoever does not
say which one is meant to a login page.

No public number is known for the limit; Databricks' SDKs limit themselves to 15 requests a second. It holds for the REST API:
a cluster's Thrift answers a short statement with one request, which Spark's own server does not.
"""

import threading
import time
from collections import defaultdict, deque

from statements import Refusal

WORKSPACE = "x-databricks-org-id"


class Gateway:
    def __init__(self):
        self.recent, self.lock = defaultdict(deque), threading.Lock()

    def admit(self, compute, authorization, headers, limited=True):
        """Raises a Refusal where a request about `compute` goes no further."""
        if compute is None:
            return
        if compute.org is not None and headers.get(WORKSPACE) != compute.org:
            # A page, whatever was asked for.
            raise Refusal(303, "", "", {"location": "/login.html", "content-type": "text/html"})
        if limited and not self.takes(authorization, compute.requests_a_second):
            compute.turned_away += 1
            message = "Current request has exceeded the rate limit of the workspace. Please retry after some time."
            raise Refusal(429, "REQUEST_LIMIT_EXCEEDED", message, {"retry-after": 1})

    def takes(self, token, most):
        """Whether this token has not sent `most` requests within the last second, this one aside."""
        now = time.monotonic()
        with self.lock:
            recent = self.recent[token]
            while recent and now - recent[0] > 1:
                recent.popleft()
            if most is not None and len(recent) >= most:
                return False
            recent.append(now)
            return True

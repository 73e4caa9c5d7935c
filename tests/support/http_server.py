"""A server of one file on the loopback device that breaks off, lies and fails on request."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Serves `body` under `url` and notes in `seen` where each answer began and how many bytes it was meant to have.

    `status` are the codes of the next answers, which are errors. `cuts` are the numbers of bytes after which the next
    answers break off; while `goes_on` is cleared, an answer that was sent keeps its connection open. Without `ranges`
    the server sends everything again.
    """

    body, ranges = b"", True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.cuts, self.seen = [], [], []
        self.goes_on = threading.Event()
        self.goes_on.set()

    def handle_error(self, *_):
        """Say nothing: tests kill clients on purpose."""

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://127.0.0.1:{self.server_port}/pack.zip"


class Handler(BaseHTTPRequestHandler):
    """Answers one request as the server's fields say."""

    def do_GET(self):
        server, start = self.server, 0
        if server.status:
            return self.send_error(server.status.pop(0))
        if server.ranges and (wanted := self.headers["Range"]):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(server.body):
            return self.send_error(416)
        rest = server.body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(rest)
        server.seen.append((start, len(rest[:cut])))
        self.wfile.write(rest[:cut])
        self.wfile.flush()
        return server.goes_on.wait(20)

    def log_message(self, *_):
        pass

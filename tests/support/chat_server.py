"""An OpenAI-compatible endpoint on the loopback that says what a test wants."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib.language.llm.language_models import EndpointModel


class ChatServer(ThreadingHTTPServer):
    """`answer(number of the request, its body)` gives status, headers and body; `requests` are the bodies seen."""

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.requests, self.headers, self.lock = answer, [], [], threading.Lock()

    def settings(self, **change) -> EndpointModel:
        """A model behind this server, with its key in the variable TEST_KEY."""
        url = f"http://127.0.0.1:{self.server_port}/v1"
        values = dict(base_url=url, model="toy-1", key_variable="TEST_KEY", concurrency=2, attempts=4)
        return EndpointModel(name="toy", writer="endpoint", **values | change)


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(body)
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            number = len(self.server.requests)
        status, headers, content = self.server.answer(number, body)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())

    def log_message(self, *_):
        pass


def reply(text: str) -> tuple[int, dict, str]:
    """A chat completion that says `text`."""
    message = {"role": "assistant", "content": text}
    return 200, {}, json.dumps({"choices": [{"index": 0, "message": message}]})


@contextmanager
def running(answer):
    """Yield a ChatServer that listens until the test is over."""
    server = ChatServer(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A real endpoint on this machine that answers well, or in all the ways in which endpoints don't."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Response:
    """`promised`: the length that is announced, where the connection breaks off before; `held`: nothing is sent until then."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    promised: int | None = None
    held: threading.Event | None = None
    dripping: bool = False
    """A byte at a time, for ever."""


def completion(
    content: object = "4</think>\\boxed{4}",
    finish_reason: str | None = "stop",
    usage: object = None,
    **message: object,
) -> bytes:
    usage = {"prompt_tokens": 7, "completion_tokens": 5} if usage is None else usage
    choice = {"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish_reason}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


class Served(ThreadingHTTPServer):
    """What it was asked, and with which keys; `answer` makes every response that is not in `first`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.first: list[Response] = []
        self.answer: Callable[[dict[str, Any]], Response] = lambda body: Response(completion())
        self.lock = threading.Lock()
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def respond(self, body: dict[str, Any], key: str | None) -> Response:
        with self.lock:
            self.asked.append(body)
            self.keys.append(key)
            if self.first:
                return self.first.pop(0)
        return self.answer(body)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever hangs up or is killed is no error of the server's."""


class _Handler(BaseHTTPRequestHandler):
    server: Served
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = self.server.respond(body | {"path": self.path}, self.headers.get("Authorization"))
        if response.held:
            response.held.wait(60)
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        promised = len(response.body) if response.promised is None else response.promised
        self.send_header("Content-Length", str(10**6 if response.dripping else promised))
        self.end_headers()
        self.wfile.write(response.body)
        while response.dripping and not self.server.closing.wait(0.02):
            self.wfile.write(b" ")
        if response.promised is not None:
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[Served]:
    server = Served()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()

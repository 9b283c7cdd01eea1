"""A real server posts to a real receiver what became of a real flow run."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from flows.notify import NAME, notify
from stages.errors import LadderError
from tests.conftest import CHECKOUT, environment_of

pytestmark = pytest.mark.xdist_group("prefect")  # one server for all of them
LIMIT_S = 30.0
FLOWS = """
from prefect import flow

@flow
def tiny(fails):
    if fails:
        raise RuntimeError('the "guard" fired\\nat step 7')

def run(name, fails):
    tiny.with_options(flow_run_name=name)(fails, return_state=True)

run("good", False)
input()
run("good again", False)
run("bad", True)
"""


class _Receiver(BaseHTTPRequestHandler):
    posts: "Queue[dict[str, Any]]"

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"]))
        self.posts.put({"path": self.path, "type": self.headers["Content-Type"], **json.loads(said)})
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, "Queue[dict[str, Any]]"]]:
    """An address, and what was posted to it."""
    posts: Queue[dict[str, Any]] = Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Receiver", (_Receiver,), {"posts": posts}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", posts
    server.shutdown()
    server.server_close()


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT, env=environment_of(environment), capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_what_became_of_a_run_is_posted(
    prefect_server: str, prefect_environment: dict[str, str], receiver: tuple[str, "Queue[dict[str, Any]]"]
) -> None:
    address, posts = receiver
    proxied = prefect_environment | {"http_proxy": "http://127.0.0.1:9"}
    said = command("-m", "flows.notify", f"{address}/old", **proxied)
    assert (said.stdout, said.stderr) == ("ladder-notify: posts ended flow runs to 127.0.0.1\n", "")
    flows = subprocess.Popen(
        [sys.executable, "-c", FLOWS], env=environment_of(prefect_environment),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        good = posts.get(timeout=LIMIT_S)
        assert (good["path"], good["flow_run"], good["state"], good["message"]) == ("/old", "good", "Completed", None)
        said = command("-m", "flows.notify", f"{address}/hook", "--failed-only", **proxied)
        assert said.stdout == "ladder-notify: posts failed flow runs to 127.0.0.1\n"
        flows.communicate(b"\n", timeout=LIMIT_S)
    finally:
        flows.kill()
        flows.wait()
    bad = posts.get(timeout=LIMIT_S)
    assert urlsplit(bad.pop("link")).path.startswith("/runs/flow-run/")
    assert bad == {
        "path": "/hook",
        "type": "application/json",
        "flow_run": "bad",
        "deployment": None,
        "state": "Failed",
        "message": 'Flow run encountered an exception: RuntimeError: the "guard" fired\nat step 7',
    }
    with pytest.raises(Empty):  # the second good run came before it, and its post would have, too
        posts.get_nowait()

    named = {"automations": {"name": {"any_": [NAME]}}}
    with httpx.Client(trust_env=False) as client:
        assert len(client.post(f"{prefect_server}/automations/filter", json=named).json()) == 1
    assert command("-m", "flows.notify", "--remove", **prefect_environment).stdout == "ladder-notify: removed\n"
    assert command("-m", "flows.notify", "--remove", **prefect_environment).stdout == "ladder-notify: there was none\n"


def test_without_a_server_or_a_url_one_line_says_so(tmp_path: Path) -> None:
    home = {"PREFECT_HOME": str(tmp_path), "no_proxy": "127.0.0.1"}
    dead = command("-m", "flows.notify", "--remove", PREFECT_API_URL="http://127.0.0.1:9/api", **home)
    assert (dead.returncode, dead.stderr.count("\n")) == (2, 1)
    assert dead.stderr.startswith("error: PREFECT_API_URL: no Prefect server answers at http://127.0.0.1:9/api (")
    assert not [*tmp_path.glob("*.db")]


@pytest.mark.parametrize(
    "url", ["", "example.org", "ftp://example.org", "https://", "http://x:y/", "http://[::1", "http://a b/"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(LadderError, match="is no address to post to"):
        notify(url, failed_only=False)

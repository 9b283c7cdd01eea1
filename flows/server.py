"""A Prefect server for the length of one flow: on a free port of this machine, in a session of its own, gone with the flow.

Prefect's own temporary server is in the flow's process group, where a terminal's Ctrl-C ends it before the flow has said
good-bye, and it outlives a flow that is killed.

    python -m flows.server FLOW_PID PORT      # the server itself, as `temporary_server` starts it
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from stages.errors import LadderError
from stages.process import die_with_parent

HOST = "127.0.0.1"
START_LIMIT_S = 180.0  # the first start makes its database
STOP_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    api_url: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_ready(self) -> None:
        """Raises LadderError where it ends, or does not answer in time."""
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if answers(self.api_url):
                return
            time.sleep(0.1)
        raise LadderError(f"Prefect's server does not start; {self.log} says why")


def answers(api_url: str) -> bool:
    """Whether a Prefect server is at `api_url`, whatever proxy the environment names."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{api_url}/health", timeout=5) as said:
            return bool(said.read() == b"true")
    except (OSError, HTTPException):  # nothing listens, or what does speaks otherwise
        return False


@contextmanager
def temporary_server(home: Path) -> Iterator[Server]:
    """Start a server that keeps its data in `home`; it may not be ready yet. It is stopped when the block ends."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    log = home / "server.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(os.getpid()), str(port)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield Server(f"http://{HOST}:{port}/api", process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _serve(flow_pid: int, port: int) -> None:
    die_with_parent(flow_pid)
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(create_app(ephemeral=True), host=HOST, port=port, log_level="error")


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))

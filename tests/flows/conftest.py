"""A real Prefect server for the tests of the flows, one for all of them: its API's address, and what a client of it needs.

It ends with the tests of this folder: a server at work is none of the CPU time that others measure.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.conftest import CHECKOUT, environment_of

HOST = "127.0.0.1"
START_LIMIT_S = 120.0  # its first start makes the database: 8 s on two idle cores
STOP_LIMIT_S = 10.0
# `prefect server start` itself, but one that a killed pytest doesn't leave behind.
COMMAND = """
import sys
from stages.process import die_with_parent
die_with_parent(int(sys.argv.pop(1)))
from prefect.cli import app
app()
"""
SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",  # of no use to a test, and slow
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_CLI_PROMPT": "false",
    "DO_NOT_TRACK": "1",
}


def prefect_client_environment(api_url: str, home: Path) -> dict[str, str]:
    """What a process needs to be a client of the server at `api_url` and of no other, whatever proxy is set."""
    spared = {name: ",".join(filter(None, [os.environ.get(name), HOST])) for name in ("no_proxy", "NO_PROXY")}
    memo = {"PREFECT_MEMO_STORE_PATH": str(home / "memo_store.toml")}
    return SETTINGS | memo | spared | {"PREFECT_HOME": str(home), "PREFECT_API_URL": api_url}


@pytest.fixture(scope="package")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="package")
def prefect_server(prefect_home: Path) -> Iterator[str]:
    """The API's address of `prefect server start`, with all its services, on SQLite. No test may suppose that it is empty."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = str(free.getsockname()[1])
    api_url = f"http://{HOST}:{port}/api"
    environment = environment_of(prefect_client_environment(api_url, prefect_home))
    log = prefect_home / "server.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(os.getpid()), "server", "start", "--host", HOST, "--port", port],
            cwd=CHECKOUT, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_ready(process, api_url, log)
        yield api_url
    finally:
        _end(process)


@pytest.fixture(scope="package")
def prefect_environment(prefect_server: str, prefect_home: Path) -> dict[str, str]:
    """For the children that are to be clients of `prefect_server`: `project.run(..., **prefect_environment)`."""
    return prefect_client_environment(prefect_server, prefect_home)


def _wait_until_ready(process: subprocess.Popen[bytes], api_url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    with httpx.Client(trust_env=False, timeout=5) as client:
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(httpx.TransportError):  # not listening yet
                if client.get(f"{api_url}/health").is_success:
                    return
            time.sleep(0.1)
    raise AssertionError(f"Prefect's server does not start:\n{log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """The server and whatever it started."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_LIMIT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

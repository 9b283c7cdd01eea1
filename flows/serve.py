"""Serve this checkout: a Prefect server, the work pool `local`, the deployments of prefect.yaml and a worker, until Ctrl-C.

    python -m flows.serve [--port 4200]         # `make serve`

It is what `prefect server start`, `prefect work-pool create local --type process`, `prefect deploy --all` and `prefect worker
start --pool local` do. The server is the one that Prefect's settings name (pyproject.toml, unless PREFECT_API_URL is set): used
where it answers; else started, if it is of this machine, for as long as this runs.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import psutil

from flows.local import Stop, raise_stops, spare_proxy
from flows.server import HOST, Server, answers
from flows.slots import gpus_here
from flows.workspace import FLOW_RUN
from stages.errors import LadderError, exit_on_error
from stages.params import load_params
from stages.process import hold_lock

POOL = "local"
LOCK = Path("runs/serve.lock")
STOP_S = 15.0  # a run ends in 5, and says so
LOOK_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m flows.serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, help="have the server at this port of this machine")
    serve(parser.parse_args().port)


def serve(port: int | None) -> None:
    """Serve until SIGINT or SIGTERM, then exit. Raises LadderError where no server can be had, or where it or the worker ends."""
    raise_stops()
    spare_proxy()
    if port is not None:
        os.environ["PREFECT_API_URL"] = f"http://{HOST}:{port}/api"
    try:
        with hold_lock(LOCK, "`make serve` already runs in this checkout"), _server() as server:
            _prepare()
            _tell(port)
            _work(server)
    except Stop as stop:
        _say("stopped; what was running goes on from where it was when the same is run again")
        sys.exit(128 + stop.number)


@contextmanager
def _server() -> Iterator[Server | None]:
    """The server that Prefect's settings name: started, or None where it is there already."""
    api_url = _api_url()
    address = urlsplit(api_url)
    if answers(api_url):
        _say(f"a Prefect server is at {_page()} already: it is used, and goes on afterwards")
        yield None
        return
    if address.hostname not in (HOST, "localhost") or address.port is None:
        raise LadderError(
            f"PREFECT_API_URL: no Prefect server answers at {api_url}; start it, or unset it to have one here"
        )
    with socket.socket() as there:
        if there.connect_ex((HOST, address.port)) == 0:
            raise LadderError(
                f"port {address.port}: what is there is no Prefect server; `make serve PORT=4300` takes another"
            )
    from prefect.settings import PREFECT_HOME

    log = PREFECT_HOME.value() / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = _start("server", "start", "--host", HOST, "--port", str(address.port), stdout=said)
    try:
        server = Server(api_url, process, log)
        server.wait_until_ready()
        yield server
    finally:
        _end(process)


def _prepare() -> None:
    from flows.prefect_setup import set_up  # imports much of Prefect

    gpus = 0
    with suppress(LadderError):  # a machine without a driver
        gpus = len(gpus_here())
    set_up(POOL, gpus * load_params().operations.stages_per_gpu)
    deploy = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(deploy, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise LadderError(f"prefect.yaml: {' '.join((done.stdout + done.stderr).split())[-600:]}")


def _work(server: Server | None) -> None:
    """Have a worker, and another one when it was killed."""
    while True:
        worker = _start("worker", "start", "--pool", POOL, stdout=None)
        try:
            while worker.poll() is None:
                if server is not None and server.process.poll() is not None:
                    raise LadderError(f"Prefect's server has ended; {server.log} says why")
                time.sleep(LOOK_S)
        finally:
            _end_runs(worker)
            _end(worker)
        if worker.returncode >= 0:
            raise LadderError(f"the worker ended with {worker.returncode}; what it said is above")
        _say(f"the worker was killed by {signal.Signals(-worker.returncode).name}; another one takes its place")


def _start(*command: str, stdout: BinaryIO | None) -> subprocess.Popen[bytes]:
    """Prefect's `command` in a session of its own: a terminal's Ctrl-C must not reach it before us."""
    return subprocess.Popen(
        [sys.executable, "-m", "flows.prefect_child", str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=None if stdout is None else subprocess.STDOUT,
        start_new_session=True,
    )


def _end_runs(worker: subprocess.Popen[bytes]) -> None:
    """SIGTERM to each flow run of the worker, which then tells the server that it crashed: a worker that ends tells nothing."""
    named: list[str] = []
    with suppress(psutil.NoSuchProcess):
        runs = psutil.Process(worker.pid).children()
        for run in runs:
            with suppress(psutil.NoSuchProcess):
                named += filter(None, [run.environ().get(FLOW_RUN)])
                run.terminate()
        psutil.wait_procs(runs, STOP_S)
    if named and answers(_api_url()):
        from flows.prefect_setup import await_ends

        await_ends(named, STOP_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL to what is left of its process group `STOP_S` later."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tell(port: int | None) -> None:
    named = f"PREFECT_API_URL={_api_url()} " if port is not None else ""
    _say(f"serving this checkout at {_page()}; Ctrl-C ends it. A ladder with a setting of your own:")
    _say(f"  {named}.venv/bin/prefect deployment run 'ladder/mini' --param set='{{\"grpo.kl_coef\": 0.002}}' --watch")


def _api_url() -> str:
    """Of Prefect's settings: the environment, or pyproject.toml."""
    from prefect.settings import PREFECT_API_URL

    return str(PREFECT_API_URL.value()).rstrip("/")


def _page() -> str:
    return _api_url().removesuffix("/api")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    exit_on_error(main)

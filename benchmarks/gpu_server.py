"""A `vllm serve` of its own with a shell that starts it again whenever it ends (benchmarks/gpu_proofs.py)."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psutil

from benchmarks.gpu_rung import here
from stages.process import die_with_parent

STARTING_S = 240
AGAIN = 'while true; do "$@"; done'


@dataclass(frozen=True, slots=True)
class Supervised:
    address: str
    supervisor: int

    def kill(self) -> None:
        """kill -9 for the server and all that it started, not for who starts it again."""
        for process in psutil.Process(self.supervisor).children(recursive=True):
            process.kill()


@contextmanager
def supervised_server(checkpoint: Path, max_model_len: int, log: Path, memory: float = 0.3) -> Iterator[Supervised]:
    """Up when the block begins, gone with its supervisor at its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint), "--host", "127.0.0.1",
        "--port", address.rpartition(":")[2], "--max-model-len", str(max_model_len), "--enforce-eager",
        "--logprobs-mode", "processed_logprobs", "--generation-config", "vllm",
        "--worker-extension-cls", "stages.engines.vllm.worker.LadderWorker",
    ]  # fmt: skip
    environment = os.environ | {"VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1"}
    environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)
    if here() == "cuda":
        command += ["--dtype", "bfloat16", "--gpu-memory-utilization", str(memory)]
        environment["VLLM_USE_V2_MODEL_RUNNER"] = "1"
    else:
        command += ["--dtype", "float32", "--kv-cache-memory-bytes", "100000000"]
    with log.open("wb") as output:
        shell = subprocess.Popen(
            ["bash", "-c", AGAIN, "supervisor", *command], env=environment, stdout=output, stderr=output,
            start_new_session=True, preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip
    try:
        _wait(address, log)
        yield Supervised(address, shell.pid)
    finally:
        family = psutil.Process(shell.pid).children(recursive=True)
        os.killpg(shell.pid, signal.SIGKILL)
        for process in family:  # some have a group of their own
            if process.is_running():
                process.kill()
        shell.wait()


def _wait(address: str, log: Path) -> None:
    end = time.monotonic() + STARTING_S
    while time.monotonic() < end:
        try:
            if httpx.get(f"{address}/health", timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise TimeoutError(f"{address} is not up after {STARTING_S} s: {log.read_text()[-2000:]}")

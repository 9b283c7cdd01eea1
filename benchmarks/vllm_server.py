"""A `vllm serve` as stages/engines/vllm/http.py wants it, for tests and benchmarks/gpu_proofs.py: on a GPU where one is here.

A supervised one has a shell over it that starts it again whenever it ends.
"""

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
import torch

from stages.process import die_with_parent

ROOT = Path(__file__).resolve().parents[1]
STARTING_S = 300
GPU_MEMORY = 0.3  # the share that it may fill
AGAIN = ("bash", "-c", 'while true; do "$@"; done', "supervisor")


@dataclass(frozen=True, slots=True)
class VllmServer:
    """`process` is the server, or the shell over it; both are the head of a process group of their own."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Until it answers. Raises RuntimeError with the end of its log where it has ended, or is not up in time."""
        deadline = time.monotonic() + STARTING_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.address}/health", timeout=5, trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.5)
        raise RuntimeError(f"{self.address} is not up after {STARTING_S} s: {self.log.read_text()[-3000:]}")

    def kill(self, only_engine: bool = False) -> None:
        """kill -9 for all that the shell has started, or for vLLM's engine alone, which sees to the GPU."""
        for one in psutil.Process(self.process.pid).children(recursive=True):
            if not only_engine or one.ppid() != self.process.pid:
                one.kill()

    def end(self) -> None:
        """With all that it started: some of that has a group of its own."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        os.killpg(self.process.pid, signal.SIGKILL)
        for one in family:
            if one.is_running():
                one.kill()
        self.process.wait()


def start_server(checkpoint: Path, max_model_len: int, log: Path, supervised: bool = False) -> VllmServer:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint), "--host", "127.0.0.1",
        "--port", port, "--max-model-len", str(max_model_len), "--enforce-eager",
        "--logprobs-mode", "processed_logprobs", "--generation-config", "vllm",
        "--worker-extension-cls", "stages.engines.vllm.worker.LadderWorker",
    ]  # fmt: skip
    environment = os.environ | {"VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1"}
    environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)  # an engine in this process sets it
    if torch.cuda.is_available():
        command += ["--dtype", "bfloat16", "--gpu-memory-utilization", str(GPU_MEMORY)]
        environment["VLLM_USE_V2_MODEL_RUNNER"] = "1"
    else:
        command += ["--dtype", "float32", "--kv-cache-memory-bytes", "100000000"]
        environment["OMP_NUM_THREADS"] = "1"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*(AGAIN if supervised else ()), *command], cwd=ROOT, env=environment, stdout=output, stderr=output,
            start_new_session=True, preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip
    return VllmServer(f"http://127.0.0.1:{port}", process, log)


@contextmanager
def supervised_server(checkpoint: Path, max_model_len: int, log: Path) -> Iterator[VllmServer]:
    """Up when the block begins, gone with its shell at its end."""
    server = start_server(checkpoint, max_model_len, log, supervised=True)
    try:
        server.wait()
        yield server
    finally:
        server.end()

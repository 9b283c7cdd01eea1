"""What an experiment needs at least, before it starts: disk for its checkpoints, memory for a rung.

Lower bounds, from the number of parameters alone: float32 weights (4 bytes a parameter) in the workspace and again in
DVC's cache; a resume state of weights and AdamW's two moments (12, and 12 more while the next one replaces it); in memory
weights, gradients, two moments and, with a KL term, the reference (16 + 4). Activations and KV cache come on top.
"""

import shutil
import subprocess

import psutil

from stages.errors import LadderError
from stages.params import MiniatureBase, Params


def parameters(params: Params) -> float:
    """Number of parameters of the base; of the miniature, its matrices from its shape (norms and biases come on top)."""
    base = params.base
    if isinstance(base, MiniatureBase):
        return base.layers * base.hidden_size * (4 * base.hidden_size + 3 * base.intermediate_size)
    return base.parameters_billion * 1e9


def disk_bytes(params: Params, checkpoints: int) -> float:
    """Of `checkpoints` checkpoints and one resume state."""
    return parameters(params) * (checkpoints * 2 * 4 + 24)


def memory_bytes(params: Params) -> float:
    """A rung's, on the device that trains."""
    return parameters(params) * (20 if params.grpo.kl_coef > 0 else 16)


def check_fits(params: Params, checkpoints: int) -> None:
    """Raise LadderError with the estimate where disk or memory can't hold the making of `checkpoints` checkpoints."""
    if checkpoints == 0:
        return
    needed, free = disk_bytes(params, checkpoints), shutil.disk_usage(".").free
    if needed > free:
        raise LadderError(
            f"params.yaml: base: {checkpoints} checkpoint(s) of {_billions(params)} parameters and a resume state need about "
            f"{_gb(needed)} GB of disk, {_gb(free)} GB are free; free some, or choose a smaller base"
        )
    held = device_memory_bytes() if params.engine.device == "cuda" else psutil.virtual_memory().total
    if held == 0:
        raise LadderError(
            "params.yaml: engine.device: 'cuda', but this machine shows no NVIDIA GPU (nvidia-smi); run it on one that has "
            f"{_gb(memory_bytes(params))} GB or more, or set engine.device to 'cpu'"
        )
    if memory_bytes(params) > held:
        raise LadderError(
            f"params.yaml: base: a rung with {_billions(params)} parameters needs at least {_gb(memory_bytes(params))} GB "
            f"of memory, engine.device {params.engine.device!r} has {_gb(held)} GB; use a larger machine or a smaller base"
        )


def device_memory_bytes() -> int:
    """Memory of the first NVIDIA GPU; 0 where there is none."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return int(answer.stdout.split()[0]) * 2**20 if answer.stdout.split() else 0


def _billions(params: Params) -> str:
    return f"{parameters(params) / 1e9:.3g} billion"


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f}"

"""What an experiment needs at least, before it starts: disk for its checkpoints, memory for a rung.

Lower bounds, from the number of parameters alone: float32 weights (4 bytes a parameter) in the workspace and again in
DVC's cache; the resume checkpoints that are kept, each of weights and AdamW's two moments (12), and one more while it is
written; in memory weights, gradients, two moments and, with a KL term, the reference (16 + 4), with LoRA little more than the
weights (4). Activations and KV cache come on top.
A container holds no more than its control group allows, whatever the machine has.
"""

import shutil
import subprocess
from pathlib import Path, PurePosixPath

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
    """Of `checkpoints` checkpoints and a rung's resume checkpoints."""
    return parameters(params) * (checkpoints * 2 * 4 + (params.operations.keep_checkpoints + 1) * 12)


def memory_bytes(params: Params) -> float:
    """A rung's, on the device that trains: one GPU of several, or the machine that all processes share."""
    operations = params.operations
    if params.grpo.lora is not None:  # the weights, frozen; the adapters are small
        return parameters(params) * (2 if (params.engine.dtype, params.engine.train) == ("bfloat16", "torch") else 4)
    devices = operations.devices if params.engine.train == "deepspeed" else 1
    # Of weights, gradients and the two moments ZeRO leaves each device its part; the reference is whole on each.
    weights, gradients, moments = (
        size / (devices if operations.zero_stage >= stage else 1) for size, stage in ((4, 3), (4, 2), (8, 1))
    )
    if operations.offload_optimizer and params.engine.device == "cuda":
        moments = 0
    each = weights + gradients + moments + (4 if params.grpo.kl_coef > 0 else 0)
    return parameters(params) * each * (devices if params.engine.device == "cpu" else 1)


def check_fits(params: Params, checkpoints: int) -> None:
    """Raise LadderError with the estimate where disk or memory can't hold the making of `checkpoints` checkpoints."""
    if checkpoints == 0:
        return
    needed, free = disk_bytes(params, checkpoints), shutil.disk_usage(".").free
    if needed > free:
        raise LadderError(
            f"params.yaml: base: {checkpoints} checkpoint(s) of {_billions(params)} parameters and a rung's resume checkpoints "
            f"need about {_size(needed)} of disk, {_size(free)} are free; free some, or choose a smaller base"
        )
    held = device_memory_bytes() if params.engine.device == "cuda" else main_memory_bytes()
    if held == 0:
        raise LadderError(
            "params.yaml: engine.device: 'cuda', but this machine shows no NVIDIA GPU (nvidia-smi); run it on one that has "
            f"{_size(memory_bytes(params))} or more, or set engine.device to 'cpu'"
        )
    if memory_bytes(params) > held:
        raise LadderError(
            f"params.yaml: base: a rung with {_billions(params)} parameters needs at least {_size(memory_bytes(params))} "
            f"of memory, engine.device {params.engine.device!r} has {_size(held)}; use a larger machine or a smaller base"
        )


def main_memory_bytes() -> int:
    """What this process may fill: the machine's memory, or less where a control group limits it."""
    return min([psutil.virtual_memory().total, *cgroup_limits()])


def cgroup_limits(root: Path = Path("/")) -> list[int]:
    """Memory limits in bytes of this process's control group and those above it, version 2 or 1; absent or 'max' is none.

    A container may see its own group as the root of the mount, under another path than /proc/self/cgroup says.
    """
    limits = []
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            mount, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        texts = [_text(mount / group / name).strip() for group in (own, *own.parents)]
        limits += [int(text) for text in texts if text.isdigit()]
    return limits


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # no control groups, another mount, the root group, which has no limit
        return ""


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


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"

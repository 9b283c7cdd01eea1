"""What the engines promise, proved on the device that is here: a GPU, or in part a CPU.

    python -m benchmarks.gpu_proofs --part engines --out parts
    python -m benchmarks.gpu_proofs --part faults repeats laptop --out parts
    python -m benchmarks.gpu_proofs --merge parts

Every proof is a process of its own and prints a line: what was compared, and whether it holds. Its figures are a file of --out;
--merge makes benchmarks/results/gpu_proofs.json of all. On a CPU the models are tiny, what needs a GPU is left out, and vLLM's
proofs where it is not installed. `ranks` are as many as there are GPUs, or two of a CPU's processes. The exit code is 1 where a
proof does not hold.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import psutil

from benchmarks import gpu_proofs_engines, gpu_proofs_faults, gpu_proofs_laptop, gpu_proofs_ranks, gpu_proofs_repeats
from benchmarks.gpu_card import origin
from benchmarks.gpu_proof import Proved
from benchmarks.gpu_rung import here
from benchmarks.record import RESULTS
from stages.process import die_with_parent
from stages.store.files import write_json

Prove = Callable[[Path], Proved]
PARTS: dict[str, dict[str, Prove]] = {
    "engines": {
        "vllm_in_process": gpu_proofs_engines.vllm_in_process,
        "vllm_server": gpu_proofs_engines.vllm_server,
        "deepspeed_is_torch": gpu_proofs_engines.deepspeed_is_torch,
    },
    "faults": {
        "out_of_memory": gpu_proofs_faults.out_of_memory,
        "killed": gpu_proofs_faults.killed,
        "cuda_error": gpu_proofs_faults.cuda_error,
        "server_killed": gpu_proofs_faults.server_killed,
    },
    "repeats": {
        "deterministic_cost": gpu_proofs_repeats.deterministic_cost,
        "deterministic_repeats": gpu_proofs_repeats.deterministic_repeats,
        "batch_invariance": gpu_proofs_repeats.batch_invariance,
    },
    "ranks": {
        "ranks_train_alike": gpu_proofs_ranks.ranks_train_alike,
        "rank_killed": gpu_proofs_ranks.rank_killed,
    },
    "laptop": {"laptop": gpu_proofs_laptop.laptop},
}
ALL = {name: prove for part in PARTS.values() for name, prove in part.items()}
ON_GPU = ("out_of_memory", "cuda_error", "laptop", "batch_invariance")
WITH_VLLM = ("vllm_in_process", "vllm_server", "cuda_error", "server_killed", "batch_invariance", "laptop")
LONG = ("curves", "runs", "contexts", "tables", "visits")  # figures that are in the part's file alone
PROOF_S = 400  # that a proof may take


def prove(name: str, out: Path) -> bool | None:
    """Whether the proof holds; None where this machine can't make it."""
    if (name in ON_GPU and here() != "cuda") or (name in WITH_VLLM and find_spec("vllm") is None):
        print(f"left out  {name}: it needs {'a GPU' if name in ON_GPU else 'vLLM'}", flush=True)
        return None
    began = perf_counter()
    with tempfile.TemporaryDirectory() as folder, (out / f"{name}.log").open("w") as log:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.gpu_proofs", "--one", name, "--out", folder]
        child = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=partial(die_with_parent, os.getpid()))
        try:
            code: int | str = child.wait(PROOF_S)
        except subprocess.TimeoutExpired:
            for process in psutil.Process(child.pid).children(
                recursive=True
            ):  # or a server would keep the GPU's memory
                process.kill()
            child.kill()
            child.wait()
            code = f"more than {PROOF_S} s"
        took = perf_counter() - began
        found = json.loads(result.read_text()) if result.exists() else None
    if found is None:
        tail = " ".join((out / f"{name}.log").read_text()[-600:].split())
        found = {"ok": False, "compared": f"nothing: it ended with {code}: {tail}", "figures": {}}
    write_json(out / f"{name}.json", {"proof": name, "s": took, **found} | origin())
    figures = json.dumps({key: value for key, value in found["figures"].items() if key not in LONG})
    print(f"{'ok' if found['ok'] else 'NOT OK':8}  {name} ({took:.0f} s): {found['compared']}; {figures}", flush=True)
    return bool(found["ok"])


def merge(folder: Path) -> Path:
    """All parts of `folder` in one result."""
    parts = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    path = RESULTS / "gpu_proofs.json"
    held = {part["proof"]: part["ok"] for part in parts}
    write_json(
        path, {"benchmark": "python -m benchmarks.gpu_proofs --merge", "figures": {"held": held, "parts": parts}}
    )
    return path


def one(name: str, folder: Path) -> None:
    proved = ALL[name](folder)
    write_json(
        folder / "result.json", {"ok": bool(proved.ok), "compared": proved.compared, "figures": dict(proved.figures)}
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_proofs", description=__doc__)
    parser.add_argument("--part", nargs="+", choices=[*PARTS, *ALL], default=list(PARTS), metavar="PART")
    parser.add_argument("--out", type=Path, default=Path("gpu_proofs-parts"))
    parser.add_argument("--merge", type=Path, metavar="FOLDER")
    parser.add_argument("--one", choices=list(ALL), help="make one proof in this process")
    parser.add_argument("--updates", choices=["deterministic", "free"], help="time updates in this process")
    parser.add_argument("--rank-updates", choices=list(gpu_proofs_ranks.ARMS), help="train as one of several ranks")
    parser.add_argument("--batches", type=Path, metavar="FOLDER", help="sample together and apart in this process")
    options = parser.parse_args()
    if options.merge:
        print(merge(options.merge))
    elif options.one:
        die_with_parent(os.getppid())
        one(options.one, options.out)
    elif options.updates:
        print(json.dumps(gpu_proofs_repeats.updates(options.updates == "deterministic")))
    elif options.rank_updates:
        gpu_proofs_ranks.rank_updates(options.rank_updates, options.out)
    elif options.batches:
        print(json.dumps(gpu_proofs_repeats.batches(options.batches)))
    else:
        options.out.mkdir(parents=True, exist_ok=True)
        names = [name for part in options.part for name in PARTS.get(part, [part])]
        if False in [prove(name, options.out) for name in names]:
            sys.exit(1)


if __name__ == "__main__":
    main()

"""How the recipe's step scales over the GPUs of one host: the same step on more of them (strong), a larger one on more (weak).

    python -m benchmarks.gpu_scale --out parts [--devices 1 2 4] [--prompts 64] [--zero-stage 2]
    python -m benchmarks.gpu_scale --merge parts

Every number of GPUs is a run of benchmarks/gpu_step.py, which says what a step is: a vLLM on each samples its share of the
prompts, and DeepSpeed's ZeRO trains over NCCL on shares of as many tokens; one GPU is trained by plain torch. Weak steps have as
many prompts on each GPU as the step on one. --merge makes benchmarks/results/gpu_scale.json: seconds of the step on one GPU over
those on N (strong), and N times that for the weak ones; and where the seconds beyond an ideal N-th went: in sampling, since a
rank's answers are longer (imbalance) or fewer at a time, in the update (NCCL, and micro-batches that fill up), and in the rest.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS
from stages.store.files import write_json

RUN_S = 580


def prompts_on(devices: int, prompts: int) -> list[int]:
    """Of the strong step, then of the weak one; on one device they are one."""
    return [prompts] if devices == 1 else [prompts, devices * prompts]


def run(options: argparse.Namespace) -> bool:
    """Whether all devices' steps ended well."""
    ok = True
    for devices in options.devices:
        cases = [f"{options.limit}:{prompts}:{options.beta}" for prompts in prompts_on(devices, options.prompts)]
        command = [
            sys.executable, "-m", "benchmarks.gpu_step", *cases, *options.also, "--devices", str(devices),
            "--zero-stage", str(options.zero_stage), "--shape", options.shape, "--out", str(options.out),
            f"--tag=-{devices}gpu" + (f"-zero{options.zero_stage}" if devices > 1 else ""), *options.others,
        ]  # fmt: skip
        log = options.out / f"{devices}gpu.log"
        with log.open("w") as output:
            try:
                code: int | str = subprocess.run(command, stdout=output, stderr=output, timeout=RUN_S).returncode
            except subprocess.TimeoutExpired:
                code = f"more than {RUN_S} s"
        ok = ok and code == 0
        said = " ".join(log.read_text()[-1500:].split()) if code else "done"
        print(f"{devices} devices, {' '.join(cases)}: {code} {said}", flush=True)
    return ok


def merge(folder: Path) -> Path:
    parts = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    whole = [part for part in parts if part["options"]["part"] == "step"]
    alone = {_work(part): part for part in whole if part["options"].get("devices", 1) == 1}
    figures: dict[str, Any] = {"strong": {}, "weak": {}}
    for part in whole:
        (limit, prompts, *others), devices = _work(part), part["options"].get("devices", 1)
        if devices == 1:
            continue
        for kind, asked in (("strong", prompts), ("weak", prompts // devices)):
            base = alone.get((limit, asked, *others))
            if base is not None and prompts in prompts_on(devices, asked):
                name = f"{devices} devices, {limit} {prompts}, ZeRO {part['options']['zero_stage']}"
                figures[kind][name] = compared(base, part, devices)
    path = RESULTS / "gpu_scale.json"
    write_json(path, {"benchmark": "python -m benchmarks.gpu_scale --merge", "figures": figures | {"parts": parts}})
    return path


def _work(part: dict[str, Any]) -> tuple[Any, ...]:
    return (*(part["options"][name] for name in ("limit", "prompts", "group", "beta", "seed")), part["device"])


def compared(base: dict[str, Any], part: dict[str, Any], devices: int) -> dict[str, Any]:
    """A step on `devices` with the one on one: `speed_up` in answers a second, and seconds beyond the ideal by phase."""
    alone, here = base["figures"]["steps"][-1], part["figures"]["steps"][-1]
    grown = part["figures"]["tokens"] / base["figures"]["tokens"]
    ideal = {name: grown * alone[name] / devices for name in ("step_s", "sample_s", "reference_s", "update_s")}
    beyond = {f"{name}_beyond_ideal": here[name] - its for name, its in ideal.items()}
    sampled = here["rank_sample_s"]
    return {
        "commits": [base["commit"], part["commit"]],
        "speed_up": grown * alone["step_s"] / here["step_s"],
        "step_s": here["step_s"],
        "tokens_per_s": here["tokens_per_s"],
        "update_mfu": here["update_mfu"],
        "sample_speed_up": grown * alone["sample_s"] / here["sample_s"],
        "update_speed_up": grown * alone["update_s"] / here["update_s"],
        "sample_imbalance_s": max(sampled) - sum(sampled) / len(sampled),
        **beyond,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_scale", description=__doc__)
    parser.add_argument("--merge", type=Path, metavar="FOLDER")
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--prompts", type=int, default=64, help="of the step on one device")
    parser.add_argument("--limit", default="8k")
    parser.add_argument("--beta", type=float, default=0.001)
    parser.add_argument("--zero-stage", type=int, default=2)
    parser.add_argument(
        "--also", nargs="+", default=[], metavar="CASE", help="of benchmarks.gpu_step, timed in the same run"
    )
    parser.add_argument("--shape", default="r1-distill-1.5b", help="tiny: on a CPU")
    parser.add_argument("--out", type=Path, default=Path("gpu_scale-parts"))
    parser.add_argument("others", nargs="*", help="options of benchmarks.gpu_step, after --")
    options = parser.parse_args()
    if options.merge is not None:
        print(merge(options.merge))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    if not run(options):
        sys.exit(1)


if __name__ == "__main__":
    main()

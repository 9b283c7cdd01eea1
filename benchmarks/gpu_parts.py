"""The parts that benchmarks/gpu_step.py and benchmarks/trl_peer.py write, and the one result that they make."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.gpu_card import origin
from benchmarks.record import RESULTS
from stages.store.files import write_json


def write_part(path: Path, peer: str, options: dict[str, Any], figures: dict[str, Any]) -> None:
    """What `peer` took with `options`, and where that was."""
    part = {"peer": peer, "options": options, "figures": figures} | origin()
    write_json(path, part)
    print(json.dumps(part), flush=True)


def merge(folder: Path) -> Path:
    """All parts of `folder` in one result; ratios of the steps that both did, by their prompts, limit and KL term."""
    parts = [json.loads(path.read_text()) | {"part": path.stem} for path in sorted(folder.glob("*.json"))]

    def same(part: dict[str, Any]) -> tuple[Any, ...]:
        return (*(part["options"][name] for name in ("limit", "prompts", "group", "beta", "seed")), part["device"])

    ratios = {}
    whole = sorted(
        (part for part in parts if part["options"].get("part", "step") == "step"), key=lambda p: str(same(p))
    )
    for key, found in groupby(whole, key=same):
        by_peer: dict[str, list[float]] = {"ours": [], "trl": []}
        for part in found:
            by_peer[part["peer"]].append(part["figures"]["steps"][-1]["step_s"])
        if by_peer["ours"] and by_peer["trl"]:
            limit, prompts, group, beta, _, device = key
            name = f"ratio_trl_best_over_ours_{limit}_{prompts}x{group}_beta_{beta:g} on {device}"
            ratios[name] = min(by_peer["trl"]) / min(by_peer["ours"])
    path = RESULTS / "gpu_step.json"
    write_json(path, {"benchmark": "python -m benchmarks.gpu_step --merge", "figures": ratios | {"parts": parts}})
    return path

"""The parts that benchmarks/gpu_step.py and benchmarks/trl_peer.py write, and the one result that they make."""

import json
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
    """All parts of `folder` in one result; TRL's seconds over ours for the same step, kind of card and commit."""
    parts = [json.loads(path.read_text()) | {"part": path.stem} for path in sorted(folder.glob("*.json"))]
    ours = {
        _same(part): part for part in parts if part["peer"] == "ours" and part["options"].get("part", "step") == "step"
    }
    ratios = {}
    for part in parts:
        if part["peer"] == "trl" and (our := ours.get(_same(part))):
            options = part["options"]
            step = f"{options['limit']}_{options['prompts']}x{options['group']}_beta_{options['beta']:g}"
            ratios[f"ratio_{part['part']}_over_ours_{step} on {part['device']}"] = _step_s(part) / _step_s(our)
    path = RESULTS / "gpu_step.json"
    write_json(path, {"benchmark": "python -m benchmarks.gpu_step --merge", "figures": ratios | {"parts": parts}})
    return path


def _same(part: dict[str, Any]) -> tuple[Any, ...]:
    """What two peers' parts have in common that may be compared."""
    options = (part["options"][name] for name in ("limit", "prompts", "group", "beta", "seed"))
    return (*options, part["device"], part["commit"])


def _step_s(part: dict[str, Any]) -> float:
    seconds: float = part["figures"]["steps"][-1]["step_s"]
    return seconds

"""The stages of dvc.yaml in their order, in the present folder, where there is neither DVC nor Git. `python -m stages.climb`
With a stage's name (`python -m stages.climb prepare`) it makes that one and what it needs.

For a machine without a network, to which a checkout was copied. As `dvc repro` does, it passes over a stage whose dependencies,
settings and outs are those that dvc.lock records, and records there what a stage has made, in DVC's own words: the bill, the
dashboard and DVC itself then read it as if DVC had run. Nothing goes to DVC's cache. Whoever is killed is called again and goes
on: finished stages are passed over, a rung resumes from its last checkpoint.

Deviation from `dvc repro`: outs of an earlier run are not deleted before a stage runs; every stage replaces its own whole.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.accounting.origin import RUN, run_name
from stages.errors import LadderError, exit_on_error
from stages.graph import (
    DVC_LOCK,
    StageSpec,
    in_order,
    load_graph,
    locked_identities,
    locked_stages,
    upstream,
    values_of,
    workspace_identity,
)
from stages.store.digest import files_of, md5
from stages.store.files import whole_file


def is_made(spec: StageSpec) -> bool:
    """Whether dvc.lock records the stage as it would be made now, and its outs are here with the recorded bytes."""
    recorded = locked_stages().get(spec.name)
    if recorded is None or locked_identities()[spec.name] != workspace_identity(spec):
        return False
    hashes = {out["path"]: out["md5"] for out in recorded.get("outs", [])}
    return all(Path(out).exists() and md5(Path(out)) == hashes.get(out) for out in spec.outs)


def entry_of(spec: StageSpec) -> dict[str, Any]:
    """What dvc.lock says of a stage that has just been made. Raises LadderError where an out is missing."""
    for out in spec.outs:
        if not Path(out).exists():
            raise LadderError(f"{out}: {spec.name} ended well and did not make it; correct its outs in dvc.yaml")
    entry: dict[str, Any] = {"cmd": spec.cmd, "deps": [_content(dep) for dep in sorted(spec.deps)]}
    if spec.params:
        entry["params"] = {"params.yaml": values_of(tuple(sorted(spec.params)))}
    if spec.outs:
        entry["outs"] = [_content(out) for out in sorted(spec.outs)]
    return entry


def record(spec: StageSpec) -> None:
    """Put the stage's entry into dvc.lock."""
    stages = locked_stages() | {spec.name: entry_of(spec)}
    with whole_file(DVC_LOCK) as partial, partial.open("w") as file:
        YAML().dump({"schema": "2.0", "stages": stages}, file)


def run_stage(spec: StageSpec, run: str) -> int:
    """The exit code of the stage's command, run by this interpreter; it dies with this process, as with `dvc repro`."""
    words = shlex.split(spec.cmd)
    if words[:3] != ["exec", "python", "-m"]:
        raise LadderError(
            f"dvc.yaml: {spec.name}: cmd {spec.cmd!r} is no `exec python -m ...`, and nothing else runs here"
        )
    environment = os.environ | {"DVC_STAGE": spec.name, RUN: run}
    return subprocess.run([sys.executable, *words[2:]], env=environment).returncode


def needed(graph: dict[str, StageSpec], target: str | None) -> list[str]:
    """`target` and all that it goes back to, in order; all stages without one. Raises LadderError for a stage that is none."""
    if target is None:
        return in_order(graph)
    if target not in graph:
        raise LadderError(f"{target}: dvc.yaml has no such stage; choose one of {', '.join(graph)}")
    found, waiting = set[str](), [target]
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += upstream(graph, name)
    return [name for name in in_order(graph) if name in found]


def climb(target: str | None = None) -> None:
    """The stages that `target` needs; ends the process with the exit code of the first that fails."""
    graph, run = load_graph(), run_name("climb", os.getpid())
    for name in needed(graph, target):
        spec = graph[name]
        if not spec.always_changed and is_made(spec):
            print(f"{name}: made before", flush=True)
            continue
        print(f"{name}: running", flush=True)
        if code := run_stage(spec, run):
            print(f"{name}: ended with {code}", flush=True)
            sys.exit(code)
        record(spec)


def _content(place: str) -> dict[str, Any]:
    """A file or folder as DVC's lock describes it: sizes in bytes."""
    path = Path(place)
    content: dict[str, Any] = {"path": place, "hash": "md5", "md5": md5(path)}
    if not path.is_dir():
        return content | {"size": path.stat().st_size}
    files = files_of(path)
    return content | {"size": sum((path / name).stat().st_size for name in files), "nfiles": len(files)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.climb", description=__doc__)
    parser.add_argument("stage", nargs="?", help="make this one and what it needs, and no more")
    climb(parser.parse_args().stage)


if __name__ == "__main__":
    exit_on_error(main)

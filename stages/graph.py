"""The stages of dvc.yaml as data, and a stage's identity: a hash of all that it is made from.

The identity covers the command, DVC's hash of every dependency and the value of every setting that dvc.yaml lists. It can
be computed before a stage runs (from the workspace) and afterwards (from dvc.lock); both give the same hash, so what a
result took to make can be found by it, and so can the resume state of a killed attempt.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import LadderError
from stages.params import PARAMS, read_yaml
from stages.store.at_rest import read_at_rest
from stages.store.digest import md5

DVC_YAML = Path("dvc.yaml")
DVC_LOCK = Path("dvc.lock")
LOCK_WRITING_S = 2.0
LOCK_PAUSE_S = 0.005


@dataclass(frozen=True, slots=True)
class StageSpec:
    """One stage of the graph: `params` are dotted keys of params.yaml; a stage `books` itself unless it always runs."""

    name: str
    cmd: str
    deps: tuple[str, ...]
    params: tuple[str, ...]
    outs: tuple[str, ...]
    always_changed: bool


def load_graph(path: Path = DVC_YAML) -> dict[str, StageSpec]:
    """All stages by name, `foreach` resolved as DVC does (`train` over `8k` is `train@8k`), in the file's order."""
    stages: dict[str, StageSpec] = {}
    for name, entry in read_yaml(path)["stages"].items():
        if "foreach" not in entry:
            stages[name] = _spec(name, entry)
            continue
        items = entry["foreach"]
        for item in items:
            context = {"item": item} if isinstance(items, list) else {"key": item, "item": items[item]}
            stages[f"{name}@{item}"] = _spec(f"{name}@{item}", _fill(entry["do"], context))
    return stages


def upstream(graph: dict[str, StageSpec], name: str) -> list[str]:
    """The stages whose outs `name` depends on."""
    needed = set(graph[name].deps)
    return [other for other, spec in graph.items() if needed.intersection(spec.outs)]


def inputs_identities(graph: dict[str, StageSpec], name: str) -> set[str]:
    """The identities, by dvc.lock, of all stages that `name` goes back to."""
    locked, found, waiting = locked_identities(), set(), upstream(graph, name)
    while waiting:
        stage = waiting.pop()
        if stage not in found:
            found.add(stage)
            waiting += upstream(graph, stage)
    return {locked[stage] for stage in found if stage in locked}


def in_order(graph: dict[str, StageSpec]) -> list[str]:
    """All stages, none before one that it needs."""
    return list(TopologicalSorter({name: upstream(graph, name) for name in graph}).static_order())


def workspace_identity(spec: StageSpec, hashes: dict[str, str] | None = None) -> str:
    """The identity that `spec` would have if it ran now. Raises LadderError where a dependency is missing.

    `hashes` are those of dependencies that are known already; those found out are added.
    """
    known = {} if hashes is None else hashes
    for dep in spec.deps:
        if dep not in known:
            known[dep] = _hash_of(dep)
    return _identity(spec.cmd, {dep: known[dep] for dep in spec.deps}, values_of(spec.params))


def locked_identities(path: Path = DVC_LOCK) -> dict[str, str]:
    """The identity of every stage that dvc.lock records; empty where nothing has run yet."""
    return identities_of(locked_stages(path))


def identities_of(locked: Mapping[str, Any]) -> dict[str, str]:
    """The identity of every stage of a dvc.lock, whose entries are given."""
    return {
        name: _identity(
            entry["cmd"],
            {dep["path"]: dep["md5"] for dep in entry.get("deps", [])},
            {key: value for values in entry.get("params", {}).values() for key, value in values.items()},
        )
        for name, entry in locked.items()
    }


def check_inputs(spec: StageSpec, graph: dict[str, StageSpec]) -> None:
    """Raise LadderError where an input of `spec` is missing, or is not what dvc.lock says that its stage made.

    `dvc repro` restores or remakes such an input before it runs the stage; a stage called by itself must refuse it.
    """
    made = {out["path"]: (name, out["md5"]) for name, entry in locked_stages().items() for out in entry.get("outs", [])}
    makers = {out: name for name, other in graph.items() for out in other.outs}
    for dep in spec.deps:
        actual = _hash_of(dep, makers.get(dep))
        if dep in makers and dep in made and made[dep][1] != actual:
            raise LadderError(
                f"{dep}: its md5 is {actual}, dvc.lock records {made[dep][1]} of {made[dep][0]}; "
                f"`dvc checkout {dep}` brings the recorded one back, `dvc repro {spec.name}` makes and records what is stale"
            )


def _hash_of(dep: str, maker: str | None = None) -> str:
    try:
        return md5(Path(dep))
    except FileNotFoundError:
        mend = f"`dvc repro {maker}` makes it" if maker else "restore it with git"
        raise LadderError(f"{dep}: missing; {mend}") from None


def _identity(cmd: str, deps: dict[str, str], params: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([cmd, deps, params], sort_keys=True).encode()).hexdigest()[:32]


def values_of(keys: tuple[str, ...]) -> dict[str, Any]:
    """What params.yaml says at each of the dotted `keys`."""
    params = read_yaml(PARAMS)
    found = {}
    for key in keys:
        value = params
        for part in key.split("."):
            value = value[part]
        found[key] = value
    return found


def _spec(name: str, entry: dict[str, Any]) -> StageSpec:
    outs = [*entry.get("outs", []), *entry.get("metrics", []), *entry.get("plots", [])]
    return StageSpec(
        name=name,
        cmd=entry["cmd"],
        deps=tuple(entry.get("deps", [])),
        params=tuple(entry.get("params", [])),
        outs=tuple(out if isinstance(out, str) else next(iter(out)) for out in outs),
        always_changed=entry.get("always_changed", False),
    )


def _fill(node: Any, context: dict[str, Any]) -> Any:
    """`node` with every ``${key}`` and ``${item.field}`` replaced."""
    if isinstance(node, dict):
        return {_fill(key, context): _fill(value, context) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(value, context) for value in node]
    if not isinstance(node, str):
        return node

    def value_of(match: re.Match[str]) -> str:
        value: Any = context
        for part in match[1].split("."):
            value = value[part]
        return str(value)

    return re.sub(r"\$\{([\w.]+)\}", value_of, node)


def locked_stages(path: Path = DVC_LOCK) -> dict[str, Any]:
    """The stages of a dvc.lock. DVC writes it in place: what another stage's DVC has not written to its end is read again."""
    deadline = time.monotonic() + LOCK_WRITING_S
    while path.exists():
        content = read_at_rest(path)
        stages = None if content is None else stages_of(content)
        if stages is not None:
            return stages
        if time.monotonic() > deadline:
            return _given_up(path, content)
        time.sleep(LOCK_PAUSE_S)
    return {}


def _given_up(path: Path, content: bytes | None) -> dict[str, Any]:
    """What a lock that nobody completes holds: nothing, if it is empty. Raises LadderError where it is broken."""
    if content == b"":
        return {}
    if content is None:
        raise LadderError(f"{path}: it has been written all through {LOCK_WRITING_S} s; end what writes it")
    read_yaml(path)  # says where it is broken, if it is no YAML at all
    raise LadderError(f"{path}: a stage of it is not complete; `git checkout {path}` brings a whole one back")


def stages_of(content: bytes) -> dict[str, Any] | None:
    """The entries of a dvc.lock. None where it is but the beginning of one: it ends within a line, an entry, or what makes no
    YAML.
    """
    return deepcopy(_stages_in(content))


@lru_cache(maxsize=4)  # a stage reads the lock several times, .1 s each
def _stages_in(content: bytes) -> dict[str, Any] | None:
    if not content.endswith(b"\n"):
        return None
    try:
        # DVC writes it in a form that ruamel's C parser reads alike, where there is one, in a quarter of the time.
        lock = YAML(typ="safe").load(content.decode())
        stages: dict[str, Any] = lock["stages"]
        entries = [part for entry in stages.values() for part in [*entry.get("deps", []), *entry.get("outs", [])]]
        whole = all("cmd" in entry for entry in stages.values()) and all(
            "path" in part and "md5" in part for part in entries
        )
    except (ValueError, YAMLError, KeyError, TypeError, AttributeError):
        return None
    return stages if whole else None

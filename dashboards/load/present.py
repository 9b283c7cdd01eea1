"""Which results of a checkout are of its present settings: while it climbs anew, those further up are still the old climb's.

By dvc.lock and params.yaml alone, which are read in a moment: a stage counts where its settings are the present ones, what it was
made from is what the stages before it made, and its figures are there. (`dvc status` looks at the code on the disk, too.)
"""

from collections.abc import Mapping
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dashboards.load.files import Folder, outs_of
from dashboards.load.runs import Run, entries_of, locked
from dashboards.load.settings import flat, settings_in
from stages.errors import LadderError


def is_present(run: Run, stage: str) -> bool:
    """Whether the run's result of `stage` is its own. A saved run's always is; so is one that no dvc.lock records: of a stage
    that was called by itself.
    """
    return not isinstance(run.files, Folder) or stage in _present(run) or stage not in locked(run)


def _present(run: Run) -> frozenset[str]:
    try:
        lock, settings = run.files.read("dvc.lock"), run.files.read("params.yaml")
    except LadderError:
        return frozenset()
    there = frozenset(path for path in outs_of(lock) if path.startswith("metrics/") and run.files.place(path))
    return _present_of(lock, settings, there)


@lru_cache(64)
def _present_of(lock: bytes, params: bytes, there: frozenset[str]) -> frozenset[str]:
    """`there` are the figures that can be read."""
    stages, settings = entries_of(lock), settings_in(params)
    makers = {out["path"]: name for name, entry in stages.items() for out in entry.get("outs", [])}
    known: dict[str, str] = {}
    found: set[str] = set()
    for name in _in_order(stages, makers):
        entry = stages[name]
        deps = {dep["path"]: dep["md5"] for dep in entry.get("deps", [])}
        outs = {out["path"]: out["md5"] for out in entry.get("outs", [])}
        if (
            all(makers[path] in found for path in deps if path in makers)
            and all(known.get(path, md5) == md5 for path, md5 in deps.items())
            and there.issuperset(path for path in outs if path.startswith("metrics/"))
            and _same_settings(entry.get("params", {}).get("params.yaml", {}), settings)
        ):
            found.add(name)
            known |= deps | outs
    return frozenset(found)


def _in_order(stages: Mapping[str, Any], makers: Mapping[str, str]) -> list[str]:
    needs = {
        name: {makers[dep["path"]] for dep in entry.get("deps", []) if dep["path"] in makers}
        for name, entry in stages.items()
    }
    try:
        return list(TopologicalSorter(needs).static_order())
    except CycleError:  # no lock of ours
        return []


def _same_settings(locked: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Of the sections that a stage depends on. Settings that can't be read contradict nothing."""
    if not settings:
        return True
    for section, value in locked.items():
        present = {path: one for path, one in settings.items() if path == section or path.startswith(f"{section}.")}
        if flat(value, section) != present:
            return False
    return True

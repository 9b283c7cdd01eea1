"""DVC's cache, which the workspace and its experiments share: what nothing needs any more, and freeing it.

python -m flows.cache clean         # `make clean-runs`: also the folders of experiments that nobody climbs at the moment
"""

import argparse
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from flows.experiment import FOLDER, none_begins_or_ends, remove, unused, worktrees
from stages.errors import LadderError, exit_on_error

_DVC = (sys.executable, "-m", "dvc")


def collect_garbage() -> None:
    """Free all that no commit, no experiment, neither this workspace nor one under way names. Raises LadderError."""
    own_cache()
    with none_begins_or_ends():  # an experiment that has begun just now keeps what it has made
        places = [str(place) for place in _sharing(worktrees())]
        projects = ["--projects", *places] if places else []
        dvc("gc", "--workspace", "--all-commits", "--all-experiments", "--force", *projects)


def own_cache() -> Path:
    """The cache's folder. Raises LadderError where it lies outside of this checkout: then others may need what is in it."""
    cache = _cache_of(Path())
    if cache is None or not cache.is_relative_to(Path.cwd().resolve()):
        raise LadderError(
            f"{cache}: DVC's cache lies outside of this checkout, so that others may need what is in it; free it by hand: "
            "`dvc exp remove NAME ...`, then `dvc gc --workspace --all-commits --all-experiments --projects OTHER ...`"
        )
    return cache


def unnamed(experiments: list[str], places: Iterable[Path]) -> list[Path]:
    """The files of the cache that neither this workspace, nor a commit, nor one of `experiments` (commits too) needs, nor one of
    `places` that share the cache. Raises LadderError where the cache isn't this checkout's alone.
    """
    from dvc.repo import Repo

    own_cache()
    logging.getLogger("dvc").setLevel(logging.ERROR)  # a warning for each output of each commit that has made none
    with Repo() as repo:
        # As `gc --force` counts: a folder that a commit names and whose list was never here has no files here either.
        used = set(_used(repo.used_objs(all_commits=True, revs=experiments, force=True)))
        for place in _sharing(places):
            with Repo(str(place)) as other:
                used.update(_used(other.used_objs(force=True)))
        free = []
        for _, store in repo.cache.by_scheme():
            if store is not None and store.fs.protocol == "local":
                known = {info.value for info in used if info.name == store.hash_name}
                free += [Path(store.oid_to_path(oid)) for oid in store.all() if oid not in known]
    return list(dict.fromkeys(free))


def _sharing(places: Iterable[Path]) -> list[Path]:
    """Those of `places` that share this workspace's cache, or are about to."""
    here = _cache_of(Path())
    experiments = FOLDER.resolve()
    found = [(place, _cache_of(place)) for place in places]
    return [place for place, cache in found if cache == here or (cache and place.resolve().parent == experiments)]


def _cache_of(place: Path) -> Path | None:
    """None where DVC isn't used: a worktree of an old commit, or one that is being made."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo(str(place)) as repo:
            return Path(repo.cache.local_cache_dir).resolve()
    except NotDvcRepoError:
        return None


def _used(by_store: dict[Any, set[Any]]) -> Iterator[Any]:
    for infos in by_store.values():
        yield from infos


def dvc(*arguments: str) -> None:
    done = subprocess.run([*_DVC, "--wait-for-lock", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise LadderError(f"dvc {arguments[0]}: {' '.join(done.stderr.split())[-600:]}")


def _clean() -> None:
    """Free what nobody works at: folders of experiments, with the states that they would go on from, and the cache."""
    for folder in [path.resolve() for path in FOLDER.glob("*") if (path / ".git").exists()]:
        with unused(folder) as idle:
            if idle:
                remove(folder)
    collect_garbage()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m flows.cache", description=__doc__)
    parser.add_subparsers(required=True).add_parser("clean")
    parser.parse_args()
    _clean()


if __name__ == "__main__":
    exit_on_error(main)

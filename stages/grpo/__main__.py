"""Free the resume checkpoints that nothing here would go on from. `python -m stages.grpo clean`

Kept are those of the present settings and inputs, and those that a process holds.
"""

import argparse
import shutil
from pathlib import Path

from stages.errors import LadderError, exit_on_error
from stages.graph import load_graph, workspace_identity
from stages.grpo.checkpoints import RESUME, rung_checkpoints


def clean(root: Path, wanted: set[str]) -> dict[str, int]:
    """Remove the checkpoints below `root` of all identities but `wanted` and those held; bytes freed, by identity."""
    freed = {}
    for folder in sorted(path for path in root.glob("*") if path.is_dir() and path.name not in wanted):
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        try:
            with rung_checkpoints(folder.name, keep=1, root=root):
                shutil.rmtree(folder)
        except LadderError:  # held by a rung at work
            continue
        freed[folder.name] = size
    return freed


def _present_identities() -> set[str]:
    """What the rungs would be made from now; a rung whose inputs are not there yet has no identity and no checkpoint."""
    found = set()
    for name, spec in load_graph().items():
        if name.startswith("train@"):
            try:
                found.add(workspace_identity(spec))
            except LadderError:
                continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.grpo", description=__doc__)
    parser.add_subparsers(required=True).add_parser(
        "clean", help="free the checkpoints that no present setting resumes"
    )
    parser.parse_args()
    freed = clean(RESUME, _present_identities())
    for identity, size in freed.items():
        print(f"{RESUME / identity}: freed {size / 1e6:.1f} MB")
    print(f"freed {sum(freed.values()) / 1e6:.1f} MB of {len(freed)} abandoned rung(s)")


if __name__ == "__main__":
    exit_on_error(main)

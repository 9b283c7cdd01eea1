"""Free the answers that nothing here would take up again: `python -m stages.evaluation clean`

Kept are those of the checkpoints that are here, as the present settings and code would sample them.
"""

import argparse
import shutil
from pathlib import Path

from stages.params import CHECKPOINTS, load_params


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("clean", help="free the answers that no checkpoint here has", description=__doc__)
    command.set_defaults(run=lambda options: run())


def run() -> None:
    from stages.evaluation.answers import (  # torch behind it takes seconds: not for the other commands
        KEPT,
        kept_answers,
    )

    params = load_params()
    folders = [Path("models") / name for name in CHECKPOINTS]
    wanted = {kept_answers(folder, params).name for folder in folders if folder.is_dir()}
    freed = clean(KEPT, wanted)
    print(f"freed {freed / 1e6:.1f} MB of abandoned answers")


def clean(root: Path, wanted: set[str]) -> int:
    """Remove the folders below `root` but the `wanted` ones; bytes freed."""
    freed = 0
    for folder in sorted(path for path in root.glob("*") if path.is_dir() and path.name not in wanted):
        freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        shutil.rmtree(folder)
    return freed

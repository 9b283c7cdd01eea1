"""Put a whole other experiment in params.yaml. `python -m stages.profile smollm2` (or `make profile PROFILE=smollm2`)

A profile is a complete params.yaml; what it replaces must be in git or be a profile itself. `dvc repro --dry --force`
then shows its graph (where nothing has run yet, DVC's `--dry` alone stops at the first output that is missing).
"""

import argparse
import subprocess
from pathlib import Path

from stages.errors import LadderError, exit_on_error
from stages.params import PARAMS, Params, load_params
from stages.store.fetch import pinned_files
from stages.store.files import write_bytes

PROFILES = Path("profiles")


def use_profile(name: str) -> Params:
    """Put profiles/`name`.yaml in the place of params.yaml, once it is known to be valid and to bury no edit of the user's.

    Raises LadderError.
    """
    source = PROFILES / f"{name}.yaml"
    known = sorted(file.stem for file in PROFILES.glob("*.yaml"))
    if name not in known:
        raise LadderError(f"profile {name!r}: there is no {source}; choose one of {', '.join(known)}")
    chosen = load_params(source)
    check_kept(f"profile {name!r}")
    write_bytes(PARAMS, source.read_bytes())
    return chosen


def check_kept(replacement: str) -> None:
    """Raise LadderError where `replacement` would bury edits of params.yaml that nothing else has."""
    if PARAMS.exists() and not _is_kept(PARAMS):
        raise LadderError(
            f"{PARAMS}: it has edits that neither git nor a profile has, and {replacement} would replace them; commit "
            f"them, or save them with `cp {PARAMS} {PROFILES}/NAME.yaml`"
        )


def _is_kept(params: Path) -> bool:
    """Whether git's last commit or a profile has the same bytes."""
    current = params.read_bytes()
    if any(profile.read_bytes() == current for profile in PROFILES.glob("*.yaml")):
        return True
    committed = subprocess.run(["git", "show", f"HEAD:./{params}"], capture_output=True)
    return committed.returncode == 0 and committed.stdout == current


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.profile", description=__doc__)
    parser.add_argument("profile", help="a file of profiles/, without .yaml")
    name = parser.parse_args().profile
    chosen = use_profile(name)
    print(f"params.yaml is now profiles/{name}.yaml; `dvc repro --dry --force` shows its graph")
    if pinned := pinned_files(chosen):
        print(f"it reads {len(pinned)} file(s) of others; `python -m stages.store fetch --from FOLDER` brings them")


if __name__ == "__main__":
    exit_on_error(main)

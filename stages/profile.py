"""Put a whole other experiment in params.yaml. `python -m stages.profile smollm2` (or `make profile PROFILE=smollm2`)

A profile is a complete params.yaml; what it replaces is in git. `dvc repro --dry --force` then shows its graph (where nothing
has run yet, DVC's `--dry` alone stops at the first output that is missing).
"""

import argparse
from pathlib import Path

from stages.errors import LadderError, exit_on_error
from stages.params import PARAMS, load_params
from stages.store.files import write_bytes

PROFILES = Path("profiles")


def use_profile(name: str, params: Path = PARAMS) -> None:
    """Put profiles/`name`.yaml in the place of `params`, once it is known to be valid. Raises LadderError."""
    source = PROFILES / f"{name}.yaml"
    known = sorted(file.stem for file in PROFILES.glob("*.yaml"))
    if name not in known:
        raise LadderError(f"profile {name!r}: there is no {source}; choose one of {', '.join(known)}")
    load_params(source)
    write_bytes(params, source.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.profile", description=__doc__)
    parser.add_argument("profile", help="a file of profiles/, without .yaml")
    name = parser.parse_args().profile
    use_profile(name)
    print(f"params.yaml is now profiles/{name}.yaml; `dvc repro --dry --force` shows its graph")


if __name__ == "__main__":
    exit_on_error(main)

"""The README's real run: the ladder of profile `smollm2`, two seeds side by side on one GPU, and the record that is kept of it.

    python -m benchmarks.real_run climb --to FOLDER --from EXTERNAL [--seed 0 1] [--stage prepare] [--set KEY=VALUE]
    python -m benchmarks.real_run pack FOLDER/seed0 seed0.tar.gz
    python -m benchmarks.real_run keep seed0.tar.gz [seed1.tar.gz ...]
    python -m benchmarks.real_run figures

`climb` needs neither DVC nor Git nor a network: it copies the code to FOLDER/seedN, sets the seed, has the files that the profile
pins copied from EXTERNAL, and runs `python -m stages.climb` there. Called again after a kill it goes on, on another machine too:
with `--stage prepare` it makes the problems' tables here, and they travel instead of the sentence model. `pack` (of a climb under
way, too) gathers the record, `keep` puts it into docs/real_run/, `figures` prints the tables of docs/real_run.md from there.
LADDER_COMMIT tells a copy without Git which commit it is of.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.real_run_figures import KEPT, tables
from benchmarks.record import commit, device
from stages.accounting.origin import COMMIT
from stages.errors import LadderError, exit_on_error
from stages.params import load_params
from stages.params.load import parse_yaml, read_yaml
from stages.process import die_with_parent
from stages.store.files import write_bytes, write_json

CODE = ("stages", "dvc.yaml", "compute.txt", "prices.yaml", "profiles")
RECORD = ("params.yaml", "dvc.lock", "run.json", "versions.json", "reports", "metrics", "samples/train")
PACKAGES = ("torch", "transformers", "tokenizers", "vllm", "numpy", "safetensors", "gguf")
LEDGER, RECORD_BYTES = Path("runs/ledger.db"), 16 << 20
POLL_S = 0.5


def prepare(folder: Path, profile: str, seed: int, changes: dict[str, Any]) -> None:
    """A copy of this checkout's code with `profile` as its params.yaml; where it is already there, that is left as it is."""
    if (folder / "params.yaml").exists():
        return
    for name in CODE:
        if Path(name).is_dir():
            shutil.copytree(name, folder / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        else:
            shutil.copy2(name, folder / name)
    params = read_yaml(Path(f"profiles/{profile}.yaml")) | {"seed": seed}
    for key, value in changes.items():
        *sections, last = key.split(".")
        node = params
        for section in sections:
            node = node.get(section)
            if not isinstance(node, dict):
                raise LadderError(f"--set {key}: params.yaml has no section {section!r}; correct the key")
        node[last] = value
    partial = folder / "params.yaml.partial"
    with partial.open("w") as file:
        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False  # DVC reads no plain `md5:...` between braces
        yaml.dump(params, file)
    load_params(partial)
    partial.replace(folder / "params.yaml")


def climb(folders: list[Path], external: Path, tries: int, stage: list[str]) -> int:
    """Climb in all `folders` at once, up to `stage` if one is named, a climb that fails up to `tries` times in all.

    Returns the worst exit code.
    """
    environment = _environment() | {COMMIT: commit()}
    for folder in folders:
        _called(["stages.store", "fetch", "--from", str(external.resolve())], folder)
    left, ended = dict.fromkeys(folders, tries), dict[Path, int]()
    running: dict[Path, subprocess.Popen[bytes]] = {}
    while len(ended) < len(folders):
        for folder in folders:
            if folder not in running and folder not in ended:
                left[folder] -= 1
                with (folder / "climb.log").open("a") as log:
                    running[folder] = subprocess.Popen(
                        [sys.executable, "-m", "stages.climb", *stage], cwd=folder, env=environment, stdout=log, stderr=log,
                        preexec_fn=partial(die_with_parent, os.getpid()),
                    )  # fmt: skip
        time.sleep(POLL_S)
        for folder, child in list(running.items()):
            if (code := child.poll()) is not None:
                del running[folder]
                print(f"{folder}: ended with {code}; {folder}/climb.log tells more", flush=True)
                if code == 0 or left[folder] == 0:
                    ended[folder] = code
    return max(abs(code) for code in ended.values())


def pack(folder: Path, archive: Path) -> None:
    """Gather what is kept of the climb in `folder`: settings, lock, reports, metrics, samples, ledger's export, versions.

    Raises LadderError where it has none, or more than may be kept.
    """
    if not (folder / LEDGER).exists():
        raise LadderError(f"{folder}: no {LEDGER}; name a folder in which `climb` has run")
    _called(["stages.accounting", "export", "run.json"], folder)
    write_json(folder / "versions.json", {"commit": commit(), "machine": device(), "versions": versions()})
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "record.tar.gz"
        with tarfile.open(made, "w:gz") as tar:
            for name in RECORD:
                if (folder / name).exists():
                    tar.add(folder / name, f"seed{load_params(folder / 'params.yaml').seed}/{name}")
        if made.stat().st_size > RECORD_BYTES:
            raise LadderError(f"{folder}: its record has {made.stat().st_size} bytes, more than {RECORD_BYTES}")
        write_bytes(archive, made.read_bytes())
    print(f"{archive}: {archive.stat().st_size} bytes")


def keep(archive: Path, kept: Path = KEPT) -> None:
    """Put a packed record into docs/real_run/, in the place of an earlier one of its seed. Raises LadderError."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise LadderError(f"{archive}: no record ({error}); name a file that `pack` wrote") from None
        seeds = sorted(Path(scratch).glob("seed*"))
        if len(seeds) != 1 or not (seeds[0] / "run.json").exists():
            raise LadderError(f"{archive}: holds no one seed's run.json; name a file that `pack` wrote")
        shutil.rmtree(kept / seeds[0].name, ignore_errors=True)
        shutil.copytree(seeds[0], kept / seeds[0].name)
    print(f"{kept / seeds[0].name}: kept")


def versions() -> dict[str, str]:
    """Of Python and of the packages that compute, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _environment() -> dict[str, str]:
    """With which a module of the present folder is run, and not that of this checkout."""
    carried = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path.startswith("/")]
    here = str(Path.cwd())
    return os.environ | {"PYTHONPATH": ":".join([".", *(path for path in carried if path != here)])}


def _called(command: list[str], folder: Path) -> None:
    """Run ``python -m COMMAND`` in `folder`. Ends this process where it fails: it has said why."""
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, env=_environment())
    if done.returncode:
        sys.exit(done.returncode)


def _change(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    return key, parse_yaml(value)


def main() -> None:
    assert __doc__
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.real_run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("climb", help="climb, or go on")
    command.add_argument("--to", type=Path, required=True)
    command.add_argument("--from", dest="external", type=Path, required=True)
    command.add_argument("--seed", type=int, nargs="+", default=[0, 1])
    command.add_argument("--profile", default="smollm2")
    command.add_argument("--tries", type=int, default=3)
    command.add_argument("--stage", nargs=1, default=[], help="no further than this one")
    command.add_argument("--set", type=_change, action="append", default=[], metavar="KEY=VALUE")
    command = commands.add_parser("pack", help="gather the record of one seed")
    command.add_argument("folder", type=Path)
    command.add_argument("archive", type=Path)
    command = commands.add_parser("keep", help="put records into docs/real_run/")
    command.add_argument("archives", type=Path, nargs="+")
    commands.add_parser("figures", help="print the tables of docs/real_run.md")
    arguments = parser.parse_args()
    if arguments.command == "climb":
        folders = [arguments.to / f"seed{seed}" for seed in arguments.seed]
        for folder, seed in zip(folders, arguments.seed, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            prepare(folder, arguments.profile, seed, dict(arguments.set))
        sys.exit(climb(folders, arguments.external, arguments.tries, arguments.stage))
    elif arguments.command == "pack":
        pack(arguments.folder, arguments.archive)
    elif arguments.command == "keep":
        for archive in arguments.archives:
            keep(archive)
    else:
        print(tables(KEPT))


if __name__ == "__main__":
    exit_on_error(main)

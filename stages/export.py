"""A rung's model leaves the lab: with its record and a card made from it, or as one that llama.cpp runs.

    python -m stages.export --rung 24k --to DIR [--format hf | gguf-f16 | gguf-q8_0 | gguf-q4_0] [--examine 100] [--sign KEY]
    python -m stages.export verify DIR [--signers FILE]

transformers and `vllm serve` load DIR as it is with `hf`; llama.cpp loads its `model.gguf`. Nothing of the ladder depends on it.
"""

import argparse
import shutil
import sys
from pathlib import Path

from stages.errors import LadderError, exit_on_error
from stages.exporting.card import CARD, card_of
from stages.exporting.manifest import GGUF, MANIFEST, read_manifest, write_manifest
from stages.exporting.record import EXAMINATION, RECORD, keep_record, made_by, read_record
from stages.exporting.signature import sign, signer
from stages.exporting.verify import verify
from stages.params import RUNGS
from stages.store.digest import files_of, md5
from stages.store.files import whole_folder, write_bytes, write_json

FORMATS = ("hf", "gguf-f16", "gguf-q8_0", "gguf-q4_0")


def export(rung: str, to: Path, kind: str = "hf", examine: int = 0, key: Path | None = None) -> None:
    """Write the whole folder `to`, proved, or nothing; a GGUF is asked `examine` held-out problems. Raises LadderError."""
    if to.exists() and not (to / MANIFEST).exists():
        raise LadderError(f"--to {to}: it exists and is no export; give another folder, or remove it")
    checkpoint = Path("models") / rung
    if not checkpoint.is_dir():
        raise LadderError(f"{checkpoint}: not trained yet; `dvc repro train@{rung}` makes it")
    with whole_folder(to) as partial:
        keep_record(partial / RECORD)
        record = read_record(partial / RECORD)
        stage, recorded = made_by(record.lock, checkpoint.as_posix())
        actual = md5(checkpoint)
        if actual != recorded:
            raise LadderError(
                f"{checkpoint}: its md5 is {actual}, dvc.lock records {recorded}; `dvc repro {stage}` makes and records it"
            )
        if kind == "hf":
            weights = files_of(checkpoint)
            for name in weights:
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(checkpoint / name, partial / name)
        else:
            from stages.exporting.examine import examine_gguf  # numpy and more: not for the other commands
            from stages.exporting.gguf import write_gguf

            weights = [GGUF]
            write_gguf(checkpoint, partial / GGUF, kind.removeprefix("gguf-"))
            if examine:
                examined = examine_gguf(partial / GGUF, rung, record.params, examine, _progress)
                write_json(partial / RECORD / EXAMINATION, examined)
                record = read_record(partial / RECORD)
        write_manifest(partial, rung, kind, actual, weights)  # the card holds hashes of the weights
        write_bytes(partial / CARD, card_of(record, read_manifest(partial)).encode())
        write_manifest(partial, rung, kind, actual, weights)
        if key is not None:
            sign(partial, key)
        verify(partial)


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\rexamined {done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rung", choices=RUNGS)
    parser.add_argument("--to", type=Path, metavar="DIR", help="a folder that does not exist yet, or an earlier export")
    parser.add_argument("--format", choices=FORMATS, default="hf")
    parser.add_argument(
        "--examine", type=int, default=0, metavar="N", help="ask a GGUF N of the held-out problems, by llama.cpp"
    )
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="a private SSH key: who has its public one knows it is yours"
    )
    commands = parser.add_subparsers(dest="command")
    check = commands.add_parser("verify", help="check that card, weights and dvc.lock belong together")
    check.add_argument("folder", type=Path, metavar="DIR")
    check.add_argument(
        "--signers", type=Path, metavar="FILE", help="who may have signed it: ALLOWED SIGNERS of ssh-keygen(1)"
    )
    options = parser.parse_args()
    if options.command == "verify":
        manifest = verify(options.folder)
        by = f", signed by {signer(options.folder, options.signers)}" if options.signers else ""
        print(f"{options.folder}: card, weights and dvc.lock of the {manifest.rung} rung belong together{by}")
    elif options.rung is None or options.to is None:
        parser.error("--rung and --to are needed, or the command `verify`")
    elif options.examine < 0 or (options.examine and options.format == "hf"):
        parser.error(
            f"--examine {options.examine}: a number of problems, for a GGUF; an export as hf is the checkpoint itself"
        )
    else:
        export(options.rung, options.to, options.format, options.examine, options.sign)
        print(f"{options.to}: the {options.rung} rung as {options.format}; {options.to / CARD} is its card")


if __name__ == "__main__":
    exit_on_error(main)

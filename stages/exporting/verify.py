"""Whether an export's card, weights and dvc.lock belong together. Every check ends in the name of what does not.

- the files are those that the manifest hashed, and none but an export's: nothing that a loader would add to the weights;
- the weights are the checkpoint that dvc.lock records of the rung: by DVC's own hash of them, or for a GGUF by the checkpoint
  that it says it was made from (with that checkpoint at hand, `stages.export` makes the same bytes of it again);
- the settings and the reports are those that dvc.lock records; the bill's results are its stages;
- the card is what the record says, word by word.
"""

from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.exporting.card import CARD, card_of
from stages.exporting.manifest import GGUF, MANIFEST, Manifest, hashes, read_manifest
from stages.exporting.record import FILES, RECORD, Record, made_by, read_record
from stages.graph import identities_of
from stages.params import PARAMS, read_yaml
from stages.store.digest import md5, md5_of_files


def verify(folder: Path) -> Manifest:
    """The manifest of the export in `folder`, once all is proved. Raises LadderError."""
    manifest = read_manifest(folder)
    _check_files(folder, manifest)
    try:
        record = read_record(folder / RECORD)
        _check_weights(folder, manifest, record)
        _check_settings(folder / RECORD / PARAMS, record)
        _check_reports(folder / RECORD, record)
        card = card_of(record, manifest)
    except (KeyError, TypeError, AttributeError, ValueError) as error:  # whoever wrote it may have written anything
        raise LadderError(f"{folder / RECORD}: no record of an export ({type(error).__name__}: {error})") from None
    if (folder / CARD).read_text() != card:
        raise LadderError(f"{folder / CARD}: not the card that {folder / RECORD} gives; don't trust what it says")
    return manifest


def _check_files(folder: Path, manifest: Manifest) -> None:
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise LadderError(f"{path}: a link, and what it leads to is not in the export; get the export again")
    known = {CARD, *manifest.weights, *((RECORD / name).as_posix() for name in FILES)}
    found = hashes(folder)
    for name in sorted(found.keys() - known):  # loaders take what lies there: an adapter, code
        raise LadderError(f"{folder / name}: no file of an export; remove it")
    for name in sorted(found.keys() | manifest.sha256.keys()):
        if name not in found:
            raise LadderError(f"{folder / name}: missing, and {MANIFEST} has it; get the export again")
        if name not in manifest.sha256:
            raise LadderError(f"{folder / name}: {MANIFEST} has no such file; remove it")
        if found[name] != manifest.sha256[name]:
            raise LadderError(
                f"{folder / name}: its sha256 is {found[name]}, {MANIFEST} says {manifest.sha256[name]}; get the export again"
            )


def _check_weights(folder: Path, manifest: Manifest, record: Record) -> None:
    stage, expected = made_by(record.lock, f"models/{manifest.rung}")
    _check_same(folder / MANIFEST, manifest.checkpoint_md5, expected, stage)
    if manifest.format != "hf":  # a GGUF's bytes are not the checkpoint's
        if manifest.weights != (GGUF,):
            listed = ", ".join(manifest.weights)
            raise LadderError(f"{folder / MANIFEST}: its weights are {listed}, not {GGUF}; don't trust it")
        return
    missing = [name for name in manifest.weights if not (folder / name).is_file()]
    if missing:
        raise LadderError(f"{folder / missing[0]}: missing, and it is part of the weights; get the export again")
    _check_same(folder, md5_of_files(folder, manifest.weights), expected, stage)


def _check_settings(path: Path, record: Record) -> None:
    """All that dvc.lock says of settings is what `path` says."""
    written = read_yaml(path)
    for stage, entry in record.lock.items():
        for key, value in entry.get("params", {}).get(PARAMS.name, {}).items():
            found: Any = written
            for part in key.split("."):
                found = found[part]
            if found != value:
                raise LadderError(f"{path}: {key} is {found!r}, and {value!r} in the dvc.lock beside it ({stage})")


def _check_reports(folder: Path, record: Record) -> None:
    for report in ("reports/evaluation.json", "reports/problems.json"):
        stage, expected = made_by(record.lock, report)
        _check_same(folder / report, md5(folder / report), expected, stage)
    billed = {result["stage"] for result in record.bill["results"]}
    for stage in identities_of(record.lock):
        if stage not in billed and stage != "cost":
            raise LadderError(f"{RECORD / 'bill.json'}: it has no line for {stage}, which dvc.lock records")


def _check_same(path: Path, found: str, expected: str, stage: str) -> None:
    if found != expected:
        raise LadderError(f"{path}: its md5 is {found}, and dvc.lock records {expected} of {stage}; don't trust it")

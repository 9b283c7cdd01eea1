"""A record's bytes: canonical JSON with a hash of all the rest in it, so that a changed one is told from an intact one.

``sha256`` is that of the canonical JSON (sorted keys, no spaces, ASCII) of everything else; the file is the canonical JSON
of the whole and a line end: a flipped byte anywhere is refused. A hash is no signature. Who changes a record on purpose can
seal it again; it proves that the file came over whole, not who wrote it or that its figures are true.

A record may come from anywhere: it is JSON and nothing else, of a bounded size and depth, without numbers that are none and
without characters that a terminal obeys.
"""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.terminal import printable

KIND, SCHEMA = "grpo-ladder experiment", 1
MAX_BYTES = 64 * 2**20
MAX_DEPTH = 16
MAX_INTEGER = 2**63  # as SQLite's: what is counted here never comes near it
HASH = "sha256"
# To its end or the file's: no text, however it is made, is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def sealed(content: dict[str, Any]) -> bytes:
    """The file of `content`. Raises LadderError where it would be too large to be read again."""
    content = content | {"kind": KIND, "schema": SCHEMA}
    file = _canonical(content | {HASH: digest(content)}) + b"\n"
    if len(file) > MAX_BYTES:
        raise LadderError(
            f"the record would have {len(file)} bytes, a record may have {MAX_BYTES}; export one run of it with --run NAME"
        )
    return file


def digest(content: dict[str, Any]) -> str:
    """sha256, in hex, of the canonical JSON of `content` without its hash."""
    return hashlib.sha256(_canonical({key: value for key, value in content.items() if key != HASH})).hexdigest()


def opened(path: Path) -> dict[str, Any]:
    """What the record `path` says, its hash included. Raises LadderError for a file that is no record, or not an intact one."""
    try:
        with path.open("rb") as file:
            found = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; name a file that `python -m stages.accounting export` wrote") from None
    if len(found) > MAX_BYTES:
        raise LadderError(
            f"{path}: larger than the {MAX_BYTES} bytes that a record may have; ask for one of a single run"
        )
    content = _parsed(path, found)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise _no_record(path, f"its kind is not {KIND!r}")
    if not isinstance(content.get("schema"), int) or not isinstance(content.get(HASH), str):
        raise _no_record(path, f"it has no schema or no {HASH}")
    if content["schema"] > SCHEMA:
        raise LadderError(f"{path}: schema {content['schema']}, this code reads {SCHEMA}; import it with newer code")
    _check_values(path, content)
    if content[HASH] != digest(content):
        raise LadderError(
            f"{path}: changed since it was exported: it says {HASH} {printable(content[HASH])[:64]!r}, its content has "
            f"{digest(content)}; what was changed can't be known, ask its author for an intact copy"
        )
    if found != _canonical(content) + b"\n":
        raise LadderError(
            f"{path}: its content is intact but not written as it was exported (spaces, order or spelling of numbers); ask its "
            "author for the file itself"
        )
    return content


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def _parsed(path: Path, found: bytes) -> Any:
    depth = deepest = 0
    for bracket in re.findall(rb"[\[{\]}]", _STRING.sub(b"", found)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise _no_record(path, f"it is nested {deepest} deep, a record at most {MAX_DEPTH}")
    try:
        return json.loads(found)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is one
        raise _no_record(path, f"not JSON: {printable(' '.join(str(error).split()))[:200]}") from None


def _check_values(path: Path, value: Any, where: str = "") -> None:
    """Of all that is in `value`: no number that is none or huge, no text that a terminal obeys."""
    match value:
        case dict():
            for key, one in value.items():
                if not key.isprintable():
                    raise _no_record(path, f"{where or 'the whole'}: control characters in the key {key[:80]!r}")
                _check_values(path, one, f"{where}.{key}" if where else key)
        case list():
            for place, one in enumerate(value):
                _check_values(path, one, f"{where}.{place}")
        case str():
            if printable(value) != value:
                raise _no_record(path, f"{where}: control characters in {printable(value)[:80]!r}")
        case int() | float():
            if not (abs(value) < MAX_INTEGER if isinstance(value, int) else math.isfinite(value)):
                raise _no_record(path, f"{where}: {value if isinstance(value, float) else 'an integer'} is no figure")


def _no_record(path: Path, why: str) -> LadderError:
    return LadderError(
        f"{path}: no record of an experiment ({why}); name a file that `python -m stages.accounting export` wrote"
    )

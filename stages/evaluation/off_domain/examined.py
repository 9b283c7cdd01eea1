"""A checkpoint's figures elsewhere, as the stage `elsewhere` writes them and `compare` reads them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.store.files import read_jsonl

NOT_SAID = "not in its vocabulary"
PLACES = 6  # the last bits of a sum are no figure, and differ between processors


@dataclass(frozen=True, slots=True)
class Examined:
    """One text of an off-domain `set`: what it costs the checkpoint in bits, its length in bytes (UTF-8) and in tokens."""

    set: str
    id: str
    bits: float
    bytes: int
    tokens: int


def rows(examined: Iterable[Examined]) -> list[dict[str, Any]]:
    """A row a text, its bits to PLACES."""
    return [asdict(one) | {"bits": round(one.bits, PLACES)} for one in examined]


def read_examined(path: Path) -> list[Examined]:
    """Raises LadderError where the file is missing or broken."""
    try:
        return [Examined(**row) for row in read_jsonl(path)]
    except TypeError as error:
        raise LadderError(
            f"{path}: not what stage elsewhere writes ({error}); `dvc checkout {path}` restores it"
        ) from None


def summary(examined: Sequence[Examined], unsaid: Sequence[str]) -> dict[str, Any]:
    """The figures at a glance, by set; of a set in `unsaid`, why it has none."""
    sets: dict[str, Any] = {name: {"not_asked": NOT_SAID} for name in unsaid}
    for name in dict.fromkeys(one.set for one in examined):
        of_set = [one for one in examined if one.set == name]
        size = sum(one.bytes for one in of_set)
        sets[name] = {
            "bits_per_byte": round(sum(one.bits for one in of_set) / size, PLACES),
            "texts": len(of_set),
            "bytes": size,
            "tokens": sum(one.tokens for one in of_set),
        }
    return sets

"""A checkpoint's figures elsewhere, as the stage `elsewhere` writes them and `compare` reads them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.errors import LadderError
from stages.store.files import read_jsonl

ANSWERS = "answers"  # the set of the checkpoint's own ones
NOT_SAID = "not in its vocabulary"
PLACES = 6  # the last bits of a sum are no figure, and differ between processors


@dataclass(frozen=True, slots=True)
class Examined:
    """One text of an off-domain `set`, or one of the checkpoint's own answers (the set ANSWERS).

    `bits` are what the text costs the checkpoint, `bytes` its length as UTF-8; None for an answer. `kl` is the divergence of the
    checkpoint's distribution from the base's, summed over its tokens, in nats; None for the base. Of a document of another's task
    there is its `score` alone.
    """

    set: str
    id: str
    tokens: int
    bytes: int | None
    bits: float | None
    kl: float | None
    score: float | None = None


def rows(examined: Iterable[Examined]) -> list[dict[str, Any]]:
    """A row a text, its figures to PLACES."""
    return [
        {key: round(value, PLACES) if isinstance(value, float) else value for key, value in asdict(one).items()}
        for one in examined
    ]


def read_examined(path: Path) -> list[Examined]:
    """Raises LadderError where the file is missing or broken."""
    try:
        return [Examined(**row) for row in read_jsonl(path)]
    except TypeError as error:
        raise LadderError(
            f"{path}: not what stage elsewhere writes ({error}); `dvc checkout {path}` restores it"
        ) from None


def summary(examined: Sequence[Examined], unsaid: Sequence[str]) -> dict[str, Any]:
    """The figures at a glance, by set; of a set in `unsaid`, why it has none. `kl` is the mean over tokens, in nats."""
    sets: dict[str, Any] = {name: {"not_asked": NOT_SAID} for name in unsaid}
    for name in dict.fromkeys(one.set for one in examined):
        of_set = [one for one in examined if one.set == name]
        if scores := [one.score for one in of_set if one.score is not None]:
            sets[name] = {"documents": len(scores), "score": round(sum(scores) / len(scores), PLACES)}
            continue
        tokens = sum(one.tokens for one in of_set)
        sets[name] = {"texts": len(of_set), "tokens": tokens}
        if name != ANSWERS:
            size = sum(one.bytes or 0 for one in of_set)
            sets[name] |= {"bytes": size, "bits_per_byte": round(sum(one.bits or 0.0 for one in of_set) / size, PLACES)}
        if all(one.kl is not None for one in of_set):
            sets[name]["kl"] = round(sum(one.kl or 0.0 for one in of_set) / tokens, PLACES)
    return sets

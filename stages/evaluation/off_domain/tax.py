"""What the climb cost elsewhere: every checkpoint against the base on the same texts, with intervals.

Texts are what is drawn at random (stages/evaluation/intervals.py). A figure is a sum over texts by a sum over texts (bits by
bytes, nats by tokens); the difference from the base is paired: sum(bits - base's bits) / sum(bytes).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.errors import LadderError
from stages.evaluation.intervals import Bootstrap, Interval, Numbers, Resampling
from stages.evaluation.off_domain.examined import ANSWERS, Examined

Row = dict[str, Any]
UNBOUNDED = Interval(None, None)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What the stage `elsewhere` found of a checkpoint: text by text, and the figures of its metrics' file."""

    texts: Sequence[Examined]
    figures: Mapping[str, Any]


def tax(found: Mapping[str, Elsewhere], sets: Sequence[str], resampling: Resampling) -> list[Row]:
    """A row a checkpoint and `measure`: `bits_per_byte` or `score` on each of `sets`, and beside the base `kl` and `weights`.

    `found` has every checkpoint's in the order of the climb, the base's first. What a vocabulary can't say has no value, and a
    `note` that says so. Raises LadderError where a checkpoint was examined on other texts than the base.
    """
    base = next(iter(found.values()))
    return [
        row
        for name, one in found.items()
        for row in (
            *(_against_base(name, one, None if one is base else base, of_set, resampling) for of_set in sets),
            *_kl(name, one, [*sets, ANSWERS], resampling),
            *_weights(name, one.figures),
        )
    ]


def _against_base(name: str, one: Elsewhere, base: Elsewhere | None, of_set: str, resampling: Resampling) -> Row:
    texts = [text for text in one.texts if text.set == of_set]
    if not texts:
        why = one.figures["sets"].get(of_set, {}).get("not_asked")
        if why is None:
            raise LadderError(f"metrics/elsewhere/{name}.json: nothing of the set {of_set!r}; `dvc repro` examines it")
        return _row(name, of_set, "bits_per_byte", None, UNBOUNDED, 0, note=why)
    measure = "bits_per_byte" if texts[0].score is None else "score"
    costs_P, sizes_P = _costs_and_sizes(texts, measure)
    bootstrap = Bootstrap(len(texts), resampling, "elsewhere", of_set)
    value = float(costs_P.sum() / sizes_P.sum())
    row = _row(name, of_set, measure, value, bootstrap.ratio(costs_P, sizes_P), len(texts))
    if base is None:
        return row
    base_texts = [text for text in base.texts if text.set == of_set]
    if [(text.id, text.bytes) for text in base_texts] != [(text.id, text.bytes) for text in texts]:
        raise LadderError(
            f"metrics/elsewhere/texts/{name}.jsonl: {of_set}: other texts than the base's; `dvc repro` examines both"
        )
    base_P, _ = _costs_and_sizes(base_texts, measure)
    change = bootstrap.ratio(costs_P - base_P, sizes_P)
    return row | {
        "base": float(base_P.sum() / sizes_P.sum()),
        "difference": float((costs_P - base_P).sum() / sizes_P.sum()),
        "difference_low": change.low,
        "difference_high": change.high,
    }


def _costs_and_sizes(texts: Sequence[Examined], measure: str) -> tuple[Numbers, Numbers]:
    """What a figure sums over the texts, and what it divides that by."""
    if measure == "score":
        return _column(texts, "score"), np.ones(len(texts))
    return _column(texts, "bits"), _column(texts, "bytes")


def _kl(name: str, one: Elsewhere, sets: Sequence[str], resampling: Resampling) -> Iterator[Row]:
    for of_set in sets:
        texts = [text for text in one.texts if text.set == of_set and text.kl is not None]
        if texts:
            nats_P, tokens_P = _column(texts, "kl"), _column(texts, "tokens")
            interval = Bootstrap(len(texts), resampling, "elsewhere", of_set).ratio(nats_P, tokens_P)
            yield _row(name, of_set, "kl", float(nats_P.sum() / tokens_P.sum()), interval, len(texts))


def _weights(name: str, figures: Mapping[str, Any]) -> Iterator[Row]:
    if weights := figures.get("weights"):
        furthest = weights["furthest"]
        note = f"furthest: {furthest['tensor']}, {furthest['distance']:.3g}"
        yield _row(name, "", "weights", weights["distance"], UNBOUNDED, 0, note=note)


def _row(
    name: str, of_set: str, measure: str, value: float | None, interval: Interval, texts: int, note: str = ""
) -> Row:
    return {
        "checkpoint": name,
        "set": of_set,
        "measure": measure,
        "value": value,
        "low": interval.low,
        "high": interval.high,
        "base": None,
        "difference": None,
        "difference_low": None,
        "difference_high": None,
        "texts": texts,
        "note": note,
    }


def _column(texts: Sequence[Examined], name: str) -> Numbers:
    return np.array([getattr(text, name) for text in texts], dtype=np.float64)

"""The tax: paired differences from the base on the same texts, and how the report tells them."""

from typing import Any

import numpy as np
import pytest

from stages.errors import LadderError
from stages.evaluation.intervals import Resampling
from stages.evaluation.off_domain.examined import ANSWERS, NOT_SAID, Examined, summary
from stages.evaluation.off_domain.table import tax_markdown
from stages.evaluation.off_domain.tax import Elsewhere, tax

TEXTS = 24
RESAMPLING = Resampling(0, 4000, 0.95)
SIZES = np.arange(TEXTS) + 100
COSTS = SIZES * (1.0 + 0.5 * np.sin(np.arange(TEXTS)))  # bits: texts differ far more than checkpoints do
DEARER = SIZES * (0.05 + 0.01 * np.cos(np.arange(TEXTS)))


def texts(bits: Any, kl: float | None) -> list[Examined]:
    return [Examined("code", f"t{n}", 30, int(SIZES[n]), float(bits[n]), kl) for n in range(TEXTS)]


def found(examined: list[Examined], **figures: Any) -> Elsewhere:
    return Elsewhere(examined, figures | {"sets": summary(examined, ["english"])})


BASE = found(texts(COSTS, None))
RUNG = found(
    [
        *texts(COSTS + DEARER, 0.6),
        Examined(ANSWERS, "p", 10, None, None, 2.0),
        Examined(ANSWERS, "q", 30, None, None, 2.0),
    ],
    weights={"distance": 0.0125, "furthest": {"tensor": "lm_head.weight", "distance": 0.25}},
)


def only(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (row,) = [row for row in rows if wanted.items() <= row.items()]
    return row


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return tax({"base": BASE, "8k": RUNG}, ["code", "english"], RESAMPLING)


def test_the_difference_is_paired(rows: list[dict[str, Any]]) -> None:
    """Its interval is that of the differences, an order narrower than those of the figures; checked against numpy's own draws."""
    row, base = (only(rows, checkpoint=name, set="code", measure="bits_per_byte") for name in ("8k", "base"))
    assert base["value"] == row["base"] == pytest.approx(COSTS.sum() / SIZES.sum())
    assert row["value"] == pytest.approx((COSTS + DEARER).sum() / SIZES.sum())
    assert row["difference"] == pytest.approx(row["value"] - row["base"])
    drawn = np.random.default_rng(1).integers(0, TEXTS, size=(20_000, TEXTS))
    ratios = DEARER[drawn].sum(axis=1) / SIZES[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    width = row["difference_high"] - row["difference_low"]
    assert (row["difference_low"], row["difference_high"]) == pytest.approx((low, high), abs=0.15 * width)
    assert low - 0.15 * width < row["difference_low"] < row["difference"] < row["difference_high"]
    assert base["high"] - base["low"] > 10 * width


def test_kl_is_a_mean_over_tokens_and_the_base_has_none(rows: list[dict[str, Any]]) -> None:
    kl = only(rows, measure="kl", set=ANSWERS)
    assert (kl["value"], kl["texts"]) == (0.1, 2)  # 4 nats, 40 tokens
    assert 2.0 / 30 <= kl["low"] < 0.1 < kl["high"] <= 2.0 / 10
    assert only(rows, measure="kl", set="code")["value"] == pytest.approx(0.02)
    assert {row["measure"] for row in rows if row["checkpoint"] == "base"} == {"bits_per_byte"}


def test_the_report_tells_it_in_words(rows: list[dict[str, Any]]) -> None:
    told = tax_markdown(rows)
    row = only(rows, checkpoint="8k", set="code", measure="bits_per_byte")
    change = f"+0.050 [+{row['difference_low']:.3f}, +{row['difference_high']:.3f}]"
    assert f"| 8k | {row['base']:.3f} -> {row['value']:.3f} ({change}) | {NOT_SAID} |" in told
    assert "0.0125 (furthest: lm_head.weight, 0.25) |" in told
    assert "KL on its own answers" in told
    assert tax_markdown([]) == ""


def test_other_texts_are_not_compared() -> None:
    other = found([*texts(COSTS, 0.1)[1:], Examined("code", "new", 3, 3, 3.0, 0.1)])
    with pytest.raises(LadderError, match=r"texts/8k\.jsonl: code: other texts than the base's"):
        tax({"base": BASE, "8k": other}, ["code"], RESAMPLING)
    with pytest.raises(LadderError, match=r"elsewhere/base\.json: nothing of the set 'prose'"):
        tax({"base": BASE}, ["prose"], RESAMPLING)


def test_a_tasks_score_is_set_beside_the_bases() -> None:
    def of(scores: list[float]) -> Elsewhere:
        return found([Examined("arc", f"d{n}", 0, None, None, None, score) for n, score in enumerate(scores)])

    rows = tax({"base": of([1.0, 1.0, 0.0, 0.0] * 5), "8k": of([1.0, 0.0, 0.0, 0.0] * 5)}, ["arc"], RESAMPLING)
    row = only(rows, checkpoint="8k")
    assert (row["measure"], row["base"], row["value"], row["difference"]) == ("score", 0.5, 0.25, -0.25)
    assert row["difference_low"] < -0.25 < row["difference_high"] < 0
    assert "| arc, score |" in tax_markdown(rows) and "| 8k | 0.500 -> 0.250 (-0.250 [" in tax_markdown(rows)

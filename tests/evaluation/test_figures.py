"""The figures of an examination, of its parts, of two checkpoints against each other, and of twins: by hand."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.evaluation.breakdown import breakdown, seen
from stages.evaluation.brittleness import Share, gaps
from stages.evaluation.comparison import differences
from stages.evaluation.examination import examination_of
from stages.evaluation.figures import curve, figures, overview, rounded, summary
from stages.evaluation.grade import grade_samples
from stages.evaluation.intervals import Bootstrap, Interval, Resampling, sign_flip_p
from stages.evaluation.report import report
from tests.evaluation.answered import FULL, GRADING, TASK, examined, problem, sample

RESAMPLING = Resampling(seed=0, draws=200, confidence=0.95)
PROBLEMS = [
    problem("a", rating=3, year=1987),
    problem("b", rating=4, year=2025),
    problem("c", rating=None, source="more"),
]
ANSWERS = [
    sample("a", 0, "2", 5), sample("a", 1, "2", 12),
    sample("b", 0, "7", 8), sample("b", 1, "2", FULL),
    sample("c", 0, None, 3), sample("c", 1, "2", 4),
    sample("a", 0, "2", 11, greedy=True), sample("b", 0, "2", 4, greedy=True), sample("c", 0, "1", 4, greedy=True),
]  # fmt: skip
WHOLE = examination_of(grade_samples(ANSWERS, PROBLEMS, GRADING, TASK), PROBLEMS, FULL)


def test_at_a_glance() -> None:
    assert overview(WHOLE) == {
        "max_response_tokens": 20, "problems": 3, "sampled": 3 / 6, "greedy": 2 / 3, "truncated": 1 / 6,
        "no_answer": 1 / 6, "mean_length": 52 / 6,
    }  # fmt: skip
    assert overview(WHOLE.at(10)) == {
        "max_response_tokens": 10, "problems": 3, "sampled": 2 / 6, "greedy": 1 / 3, "truncated": 2 / 6,
        "no_answer": 1 / 6, "mean_length": 40 / 6,
    }  # fmt: skip


def test_figures_of_a_benchmark() -> None:
    said = {figure.metric: figure for figure in figures(WHOLE.by_benchmark()["sums"], [1, 2], RESAMPLING, "sums")}
    assert {metric: figure.value for metric, figure in said.items()} == {
        "avg@2": 0.5, "pass@1": 0.5, "pass@2": 0.5, "maj@1": 0.5, "maj@2": 0.5, "greedy": 1.0,
        "truncated": 0.25, "no_answer": 0.0, "mean_length": 45 / 4, "tokens_per_correct": 45 / 2,
    }  # fmt: skip
    assert {figure.problems for figure in said.values()} == {2}
    assert (said["avg@2"].samples, said["greedy"].samples) == (2, 1)
    assert said["avg@2"].interval == Bootstrap(2, RESAMPLING, "sums").share(np.array([1.0, 0.0]))


def test_without_a_right_answer_tokens_per_correct_has_no_value() -> None:
    said = figures(examined({"a": ["1", "1"], "b": ["1", "1"]}, PROBLEMS[:2]), [2], RESAMPLING, "sums")
    (per_correct,) = [figure for figure in said if figure.metric == "tokens_per_correct"]
    assert (per_correct.value, per_correct.interval) == (None, Interval(None, None))


def test_figures_by_group() -> None:
    parts = breakdown(WHOLE, "2024-07", RESAMPLING)
    assert {kind: {name: part["sampled"] for name, part in groups.items()} for kind, groups in parts.items()} == {
        "by_source": {"more": 0.5, "sums": 0.5},
        "by_rating": {"3": 1.0, "4": 0.0, "unrated": 0.5},
        "by_year": {"1987": 1.0, "2025": 0.0, "unknown": 0.5},
        "by_cutoff": {"before": 1.0, "after": 0.0, "unknown": 0.5},
        "by_length": {"3-4": 0.5, "5-8": 0.5, "9-16": 1.0, "17-32": 0.0},
    }
    assert parts["by_length"]["17-32"]["truncated"] == 1
    assert sum(part["answers"] for part in parts["by_length"].values()) == 6
    for groups in parts.values():
        for part in groups.values():
            assert part["low"] is None or 0 <= part["low"] <= part["sampled"] <= part["high"] <= 1
    assert [seen(PROBLEMS[0], None), seen(problem("d", year=2024), "2024-07")] == ["unknown", "unknown"]


def test_twins_are_no_part_of_the_whole() -> None:
    problems = [problem("a"), problem("b", source="symbolic_twins", twin_of="a", change="numbers")]
    said = examined({"a": ["2", "2"], "b": ["1", "1"]}, problems)
    assert summary(said, [2]) == {
        **overview(examined({"a": ["2", "2"]}, problems[:1])),
        "benchmarks": {"sums": {"avg@2": 1.0, "pass@2": 1.0, "maj@2": 1.0}},
    }
    assert curve(said) == [{"k": 1, "pass": 1.0, "maj": 1.0}, {"k": 2, "pass": 1.0, "maj": 1.0}]


def test_twins_have_a_gap_and_no_other_row() -> None:
    """Several twins of one problem are no independent problems: no interval or p-value may take them for such."""
    problems = [
        problem("a"),
        *(problem(f"b{n}", source="symbolic_twins", twin_of="a", change="numbers") for n in range(3)),
    ]
    said = examined({one.id: ["2", "2"] if one.id == "a" else ["1", "1"] for one in problems}, problems)
    made = report({"base": said, "8k": said}, {"base": 1, "8k": 1}, [2], RESAMPLING, [], None)
    assert {row["benchmark"] for name in ("rows", "comparisons") for row in made[name]} == {"sums"}
    assert {row["problems"] for row in made["rows"]} == {1}
    (gap,) = (row for row in made["brittleness"] if row["checkpoint"] == "8k")
    assert (gap["change"], gap["gap"], gap["twin_problems"]) == ("numbers", 1.0, 3)
    assert set(breakdown(said, None, RESAMPLING)["by_source"]) == {"sums"}


def test_a_plotted_curve_ends_with_all_samples() -> None:
    said = examined({"a": ["2", "1", "1"]}, PROBLEMS[:1])
    assert rounded(curve(said)) == [
        {"k": 1, "pass": 0.333333, "maj": 0.333333}, {"k": 2, "pass": 0.666667, "maj": 0.333333},
        {"k": 3, "pass": 1.0, "maj": 0.0},
    ]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_problems_changes_no_figure(random: Random) -> None:
    rows, problems = grade_samples(ANSWERS, PROBLEMS, GRADING, TASK), list(PROBLEMS)
    random.shuffle(rows)
    random.shuffle(problems)
    again = examination_of(rows, problems, FULL)
    assert again.problems == WHOLE.problems
    assert again.sampled.tokens_PN.tolist() == WHOLE.sampled.tokens_PN.tolist()
    assert figures(again, [2], RESAMPLING, "x") == figures(WHOLE, [2], RESAMPLING, "x")
    assert breakdown(again, "2024-07", RESAMPLING) == breakdown(WHOLE, "2024-07", RESAMPLING)


def test_a_difference_is_said_only_where_it_is_one() -> None:
    """20 problems: `second` is right on 10 that `first` is wrong on; `third` as often as `second`, on others."""
    problems = [problem(f"p{place:02}") for place in range(20)]
    said = {"first": range(0), "second": range(10), "third": range(5, 15)}
    examinations = {
        name: examined({one.id: ["2" if place in right else "1"] for place, one in enumerate(problems)}, problems)
        for name, right in said.items()
    }
    resampling = replace(RESAMPLING, draws=2000)
    found = {(one.checkpoint, one.against): one for one in differences(examinations, [], resampling)}
    assert list(found) == [("second", "first"), ("third", "first"), ("third", "second")]
    better = found["second", "first"]
    assert (better.metric, better.benchmark, better.difference, better.problems) == ("avg@1", "sums", 0.5, 20)
    change_P = np.array([1.0] * 10 + [0.0] * 10)
    assert better.interval == Bootstrap(20, resampling, "sums").difference(change_P)
    assert better.p_value == sign_flip_p(change_P, resampling, "sums") == 2 / 2**10
    assert better.p_adjusted == 3 * better.p_value  # the smallest of three
    assert [one.shown for one in found.values()] == [True, True, False]
    equal = found["third", "second"]
    assert (equal.difference, equal.p_value, equal.p_adjusted) == (0.0, 1.0, 1.0)
    assert equal.interval.low < 0 < equal.interval.high  # type: ignore[operator]


def test_a_lucky_difference_among_many_is_not_said() -> None:
    """p = 1/32 alone would be shown; one of two benchmarks' questions is not."""
    problems = [problem(f"p{place}", source=source) for source in ("one", "two") for place in range(6)]
    ids = dict.fromkeys(one.id for one in problems)
    low, high = ({id: [answer] for id in ids} for answer in ("1", "2"))
    alone = differences({"a": examined(low, problems[:6]), "b": examined(high, problems[:6])}, [], RESAMPLING)
    assert [(one.p_value, one.shown) for one in alone] == [(2 / 2**6, True)]
    both = differences({"a": examined(low, problems), "b": examined(high, problems)}, [], RESAMPLING)
    assert [(one.p_adjusted, one.shown) for one in both] == [(4 / 2**6, False)] * 2


def test_checkpoints_examined_on_other_problems_are_not_compared() -> None:
    one, other = (examined({name: ["2"]}, [problem(name)]) for name in "ab")
    with pytest.raises(LadderError, match="b and a were examined on other problems"):
        differences({"a": one, "b": other}, [], RESAMPLING)


def test_gaps_between_originals_and_twins() -> None:
    shares = [
        Share("a", None, None, 1.0), Share("b", None, None, 0.5), Share("c", None, None, 0.0),
        Share("a1", "a", "numbers", 0.5), Share("a2", "a", "numbers", 0.0), Share("b1", "b", "numbers", 0.5),
        Share("a3", "a", "renamed", 1.0),
    ]  # fmt: skip
    found = {gap.change: gap for gap in gaps(shares, RESAMPLING)}
    assert {
        name: (gap.originals, gap.twins, gap.gap, gap.families, gap.twin_problems) for name, gap in found.items()
    } == {
        "numbers": (0.75, 0.375, 0.375, 2, 3),  # of a and b; the mean of a's twins, then of families
        "renamed": (1.0, 1.0, 0.0, 1, 1),
        "all": (0.75, 0.5, 0.25, 2, 4),
    }
    assert found["renamed"].gap_interval == Interval(None, None)
    assert found["numbers"].p_value == 1.0  # a alone moved
    assert gaps(shares[:3], RESAMPLING) == []
    with pytest.raises(LadderError, match="a1 is a twin of a, not held out itself"):
        gaps(shares[1:], RESAMPLING)
    of_two_benchmarks = [Share("a", None, None, 0.0), *shares]
    assert [gap.originals for gap in gaps(of_two_benchmarks, RESAMPLING)] == [0.5, 0.5, 0.5]


def test_a_familys_twins_are_no_independent_problems() -> None:
    """Twins copied a hundred times leave the gap, its interval and its p-value as they were."""
    random = np.random.default_rng(5)
    originals = [Share(f"o{place}", None, None, float(random.integers(0, 5) / 4)) for place in range(30)]
    twins = [Share(f"t{place}", f"o{place}", "numbers", float(random.integers(0, 5) / 4)) for place in range(30)]
    (once,), (often,) = gaps(originals + twins, RESAMPLING), gaps(originals + twins * 100, RESAMPLING)
    assert (once.gap, once.gap_interval, once.p_value) == (often.gap, often.gap_interval, often.p_value)
    assert (once.families, once.twin_problems, often.twin_problems) == (30, 30, 3000)

"""What the time line shows: extremes that thinning keeps, smoothing, borders, marks, and health in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.load.files import Nowhere
from dashboards.load.health import health_of
from dashboards.load.marks import borders, marks_of
from dashboards.load.runs import Run
from dashboards.load.series import read_table, steps_of
from dashboards.load.thin import kept
from dashboards.load.timeline import LEAST_POINTS, PANELS, POINTS, Course, limits, panel_data, rung_starts, smoothed
from stages.accounting.records import StepCost
from stages.errors import LadderError
from tests.accounting.booked import book
from tests.conftest import Project
from tests.dashboards.runs import book_of, row, runs_of, write_live

NOBODY = Run("x", "x", "ledger", None, None, Nowhere())
KL = next(panel for panel in PANELS if panel.key == "kl")
REWARD = PANELS[0]


def ladder(*lengths: int, **columns: Any) -> pd.DataFrame:
    """Steps of as many rungs as `lengths`; `columns` are values of all of them."""
    parts = [
        pd.DataFrame([row(step) for step in range(1, length + 1)]).assign(rung=rung)
        for length, rung in zip(lengths, ("8k", "16k", "24k"), strict=False)
    ]
    steps = pd.concat(parts, ignore_index=True)
    places = {"ladder_step": range(1, len(steps) + 1), "tokens": steps["sampled_tokens"].cumsum()}
    return steps.assign(**places, **columns)


@given(
    st.lists(st.floats(-1e9, 1e9) | st.just(float("nan")), min_size=1, max_size=3000),
    st.integers(1, 3),
    st.integers(20, 400),
)
def test_thinning_keeps_the_ends_and_every_extreme(values: list[float], columns: int, points: int) -> None:
    arrays = [np.roll(np.array(values), 7 * shift) for shift in range(columns)]
    places = kept(arrays, points)
    assert len(places) <= points
    assert (np.diff(places) > 0).all()
    assert (places[0], places[-1]) == (0, len(values) - 1)
    for array in arrays:
        if not np.isnan(array).all():
            assert np.nanmin(array[places]) == np.nanmin(array)
            assert np.nanmax(array[places]) == np.nanmax(array)


def test_a_spike_of_one_step_among_thousands_is_drawn() -> None:
    steps = ladder(2000, 2000, 2000)
    steps.loc[3210, "kl"] = 9.0
    drawn = panel_data(KL, [Course(NOBODY, "x", steps)], "step", 0.0)
    assert len(drawn) <= POINTS
    assert drawn.loc[drawn["value"].idxmax(), ["x", "value"]].tolist() == [3211, 9.0]
    many = [Course(NOBODY, f"{number}", steps) for number in range(8)]
    assert panel_data(KL, many, "step", 0.0).groupby("run").size().max() <= LEAST_POINTS
    smooth = panel_data(KL, many, "step", 0.9)
    assert smooth["raw"].max() == 9.0  # smoothing hides no extreme either: it stands behind
    assert smooth["value"].max() < 2


def test_a_band_is_the_spread_of_rewards_within_0_and_1() -> None:
    drawn = panel_data(REWARD, [Course(NOBODY, "x", ladder(3, reward=[0.2, 0.5, 0.9], reward_std=0.3))], "step", 0.0)
    assert drawn["low"].tolist() == pytest.approx([0.0, 0.2, 0.6])
    assert drawn["high"].tolist() == pytest.approx([0.5, 0.8, 1.0])


def test_bands_of_many_runs_are_left_out() -> None:
    many = [Course(NOBODY, f"{number}", ladder(3)) for number in range(4)]
    assert "high" in panel_data(REWARD, many[:3], "step", 0.0)
    assert "high" not in panel_data(REWARD, many, "step", 0.0)


def test_a_spike_within_a_band_is_drawn_too() -> None:
    steps = ladder(6000, reward=0.5, reward_std=0.5)
    steps.loc[4321, "reward"] = 0.45  # its band goes from 0 to .95, as all others from 0 to 1
    drawn = panel_data(REWARD, [Course(NOBODY, "x", steps)], "step", 0.0)
    assert drawn["value"].min() == 0.45


def test_smoothing_begins_anew_in_every_rung() -> None:
    values, rungs = pd.Series([1.0, 2.0, 10.0, 20.0]), pd.Series(["8k", "8k", "16k", "16k"])
    # Weights 1 - a, and 1, of two values: (0.5 * 1 + 2) / 1.5
    assert smoothed(values, rungs, 0.5).tolist() == pytest.approx([1.0, 2.5 / 1.5, 10.0, 25 / 1.5])
    assert smoothed(values, rungs, 0.0) is values


def test_borders_stand_where_the_axis_has_them() -> None:
    course = Course(NOBODY, "x", ladder(3, 2))
    assert [(span.rung, span.first, span.last) for span in borders(course.steps)] == [("8k", 1, 3), ("16k", 4, 5)]
    assert rung_starts([course], "step").values.tolist() == [[0.0, "8k"], [3.0, "16k"], [5.0, ""]]
    assert rung_starts([course], "tokens").values.tolist() == [[0.0, "8k"], [300.0, "16k"], [500.0, ""]]
    assert limits([course], "step").empty  # nobody knows this run's settings


def test_marks_say_where_an_attempt_ended_and_where_the_next_one_went_on(project: Project) -> None:
    ledger = project.root / "runs/ledger.db"
    costs = [StepCost(step, sample_s=60.0) for step in range(1, 6)]
    first = book(ledger, "killed", 300, steps=costs[:3], failure=("stopped", "stopped by SIGTERM"))
    second = book(ledger, "failed", 300, steps=costs[2:4], failure=("memory", "out of memory"))
    third = book(ledger, "failed", 300, steps=[], failure=("guard", "max_kl"))
    rows = [{"attempt": first, **row(step)} for step in (1, 2, 3)]
    write_live(project.root / "runs/live/train@8k.jsonl", rows + [{"attempt": second, **row(step)} for step in (3, 4)])
    run = runs_of(project.root)["workspace"]
    marks = marks_of(run, steps_of(run), book_of(project.root))
    assert list(zip(marks["ladder_step"], marks["what"], strict=True)) == [
        (3, "killed"), (2, "resumed"), (4, "failed"), (4, "failed"),
    ]  # fmt: skip
    assert f"attempt {third}: max_kl" in marks["said"].tolist()


@pytest.mark.parametrize(
    ("columns", "level", "words"),
    [
        ({}, "good", "nothing of note"),
        ({"kl": [0.01] * 20 + [0.05] * 20}, "watch", "KL rose 5.0x in the last 20 steps, to 0.05; guard at 0.5"),
        ({"kl": [0.01] * 20 + [0.4] * 20}, "bad", "KL is 0.4"),
        ({"entropy": [0.5] * 20 + [0.05] * 20}, "bad", "entropy fell from 0.5 to 0.05"),
        ({"entropy": [0.1] * 20 + [0.9] * 20}, "bad", "entropy rose 9.0x"),
        ({"reward": [0.6] * 20 + [0.3] * 20}, "bad", "reward fell to 0.30; the best 20 steps of the rung had 0.60"),
        ({"reward": 0.0}, "bad", "no right answer in the last 20 steps"),
        ({"kl": [0.0] * 20 + [0.4] * 20}, "bad", "KL is 0.4"),
        ({"kl": [0.1] * 39 + [float("nan")]}, "bad", "kl: not finite in the last 20 steps"),
        ({"entropy": [0.1] * 39 + [float("inf")]}, "bad", "entropy: not finite"),
        ({"kl": float("nan")}, "good", "nothing of note"),  # no KL term
        ({"grad_norm": [0.0] * 39 + [50.0]}, "watch", "gradient norm reached 50; the rung's median is 0"),
        ({"grad_norm": [0.1] * 39 + [3.0]}, "watch", "gradient norm reached 3, 30x the rung's median"),
        ({"skipped_updates": [0] * 39 + [2]}, "bad", "2 update(s) of the last 20 steps were not finite"),
        ({"skipped_updates": [1] + [0] * 39}, "watch", "1 update(s) of the rung"),
        ({"completions/clipped_ratio": 0.7}, "bad", "the context cuts 70%"),
        ({"frac_reward_zero_std": 0.9}, "watch", "90% of the groups teach nothing"),
        ({"sampling/sampling_logp_difference/mean": 0.3}, "bad", "sampler and trainer differ by 0.3"),
    ],
)
def test_health_is_said_in_words(columns: dict[str, Any], level: str, words: str) -> None:
    found = health_of(ladder(40, **columns), {"max_kl": 0.5})
    assert [finding.level for finding in found] == [level]
    assert words in found[0].said


def test_health_without_a_guard_knows_a_kl_that_is_large() -> None:
    assert "KL is 5 nats a token; no guard on it" in health_of(ladder(40, kl=5.0), {})[0].said
    rise = {"kl": [0.0] * 20 + [0.5] * 20}
    assert "KL rose from nothing in the last 20 steps, to 0.5" in health_of(ladder(40, **rise), {})[0].said


def test_health_of_what_has_hardly_begun_or_was_stopped() -> None:
    assert health_of(pd.DataFrame(), {}) == []
    (early,) = health_of(ladder(30, 2, kl=99.0), {})  # of the rung that runs, not the one before
    assert (early.level, early.said) == ("early", "16k has 2 step(s): too few for a judgement")
    assert health_of(ladder(30), {}, ["stopped by guards.max_kl"])[0].level == "stopped"


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "8k.csv"
    for content in (b"", b"step,reward\n1,2\n", b"step,reward,sampled_tokens\n1,2\n", b"\xff\xfe\x00"):
        path.write_bytes(content)
        with pytest.raises(LadderError, match=r"8k.csv: not the table of a rung"):
            read_table(path)

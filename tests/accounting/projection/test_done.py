"""What counts as done: steps of the present settings in this workspace; all others tell a pace."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stages.accounting.ahead import exceeded, projected_spend
from stages.accounting.projection import Projection, rest_of_run
from stages.accounting.projection.futures import Ladder
from stages.accounting.projection.present import read_present
from stages.accounting.projection.reading import (
    device_facts,
    read_measured,
    read_other_stages,
    still_planned,
)
from stages.accounting.reading import LedgerReader, reading
from stages.accounting.records import BookedPrice, Device, StepCost
from stages.accounting.workspace import here
from stages.graph import load_graph, workspace_identity
from stages.params import load_params
from tests.accounting.booked import book
from tests.conftest import read_yaml, write_yaml

LEDGER = Path("ledger.db")
PRICE = BookedPrice(0.04, None, "own", "undated", "test")
RUNGS = {"8k": 22, "16k": 40, "24k": 52}
STEPS_S = {name: sum(0.001 * (6 + step % 4) * 256 for step in range(1, 31)) for name in RUNGS}


def steps(numbers: range) -> list[StepCost]:
    """1 ms a token, answers of 6 to 9 tokens."""
    return [
        StepCost(step, sample_s=0.001 * tokens, rollouts=256, sampled_tokens=tokens)
        for step in numbers
        for tokens in [(6 + step % 4) * 256]
    ]


def make(stage: str, workspace: str | None = None, **taking: Any) -> None:
    """Book `stage` as done from what is there, and make it."""
    spec = load_graph()[stage]
    book(LEDGER, stage=stage, identity=workspace_identity(spec), workspace=workspace or str(Path.cwd()), **taking)
    for out in spec.outs:
        Path(out).parent.mkdir(exist_ok=True)
        Path(out).write_text(stage)


def climb(workspace: str | None = None, booked: bool = True) -> None:
    make("base", workspace, wall_s=50.0)
    for name, context in RUNGS.items():
        plan = {"context": context, "rollouts_per_prompt": 8, "prompts_per_step": 32}
        make(
            f"train@{name}",
            workspace,
            wall_s=STEPS_S[name] + 2,
            steps=steps(range(1, 31)),
            plan=plan if booked else None,
        )
    make("sample@base", workspace, wall_s=20.0)


def setting(key: str, value: Any) -> None:
    *sections, last = key.split(".")
    params = read_yaml(Path("params.yaml"))
    node = params
    for section in sections:
        node = node[section]
    node[last] = value
    write_yaml(Path("params.yaml"), params)


@pytest.fixture
def shared(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADDER_LEDGER", str(LEDGER))


@contextmanager
def ledger() -> Iterator[LedgerReader]:
    with reading(LEDGER) as reader:
        yield reader


def rest() -> Projection:
    params = load_params()
    with ledger() as reader:
        present = read_present(reader, here())
        measured, _ = read_measured(params, reader, present, here())
        others = read_other_stages(reader, present, here())
    return rest_of_run(Ladder(tuple(measured), still_planned(params, present, measured)), device_facts(params), others)


def to_come(projection: Projection) -> dict[str, float]:
    return {rung.name: rung.seconds.value for rung in projection.by_rung}


def test_a_run_of_the_present_settings_is_done_but_for_its_examinations(shared: None) -> None:
    climb()
    projection = rest()
    assert to_come(projection) == pytest.approx({"8k": 0, "16k": 0, "24k": 0, "other stages": 3 * 20.0}, rel=0.05)
    assert projection.by_rung[3].seconds.low < 60 < projection.by_rung[3].seconds.high
    assert projection.spent_seconds == pytest.approx(sum(STEPS_S.values()) + 6 + 50 + 20)
    assert any("never finished: sample@8k as sample@base" in said for said in projection.assumptions)
    assert any("cpu-core priced at 0.04 an hour (own, undated; test)" in said for said in projection.assumptions)


def test_twice_the_rollouts_have_it_all_to_take_again_and_twice_as_much(shared: None) -> None:
    climb()
    for name in RUNGS:
        setting(f"rungs.r{name}.rollouts_per_prompt", 16)
    projection = rest()
    took = sum(STEPS_S.values()) + 6
    rungs = sum(rung.seconds.value for rung in projection.by_rung[:3])
    assert rungs == pytest.approx(2 * took, rel=0.15)
    assert projection.seconds.low < 2 * took + 60 < projection.seconds.high
    assert projection.spent_seconds == 50 + 20  # base and its examination stay
    said = " ".join(projection.assumptions)
    assert "rung 8k: pace and lengths from 30 steps of it, measured under other settings" in said
    assert "(8 rollouts x 32 prompts a step, 22 tokens)" in said


def test_a_longer_context_has_its_rung_to_take_again_and_dearer(shared: None) -> None:
    climb()
    setting("rungs.r24k.max_response_tokens", 104)
    setting("evaluation.max_response_tokens", 104)
    projection = rest()
    assert to_come(projection)["8k"] == to_come(projection)["16k"] == 0
    rung_24k = projection.by_rung[2]
    assert rung_24k.seconds.value == pytest.approx(STEPS_S["24k"] * 2**0.5, rel=0.1)  # between 1 and 2 times as long
    assert rung_24k.seconds.high > 1.7 * STEPS_S["24k"]


def test_what_an_earlier_stage_changes_is_to_come_although_its_files_are_still_there(shared: None) -> None:
    climb()
    Path("code.txt").write_text("other code")
    projection = rest()
    assert projection.spent_seconds == 0
    assert min(to_come(projection).values()) > 50
    unbooked = to_come(projection)
    climb(booked=False)
    assert to_come(rest())["8k"] == 0
    setting("seed", 5)
    assert to_come(rest()) == pytest.approx(unbooked)
    assert any(
        "rung 8k: no context is booked with its steps, it is taken for 22" in said for said in rest().assumptions
    )
    setting("rungs.r8k.max_response_tokens", 8)  # no step of 9 tokens was one of 8
    assert [rung.measured_steps for rung in rest().by_rung[:3]] == [30, 30, 30]


def test_another_workspace_of_a_shared_ledger_tells_a_pace_alone(shared: None) -> None:
    climb("/elsewhere")
    for name in RUNGS:
        Path("models", name).unlink()
    projection = rest()
    assert projection.spent_seconds == 0
    assert to_come(projection)["8k"] == pytest.approx(STEPS_S["8k"] + 2, rel=0.1)
    assert any("from 30 steps of it, measured in another workspace" in said for said in projection.assumptions)
    make("base", wall_s=50.0)
    make("train@8k", wall_s=100.0, steps=steps(range(1, 31)))
    book(LEDGER, stage="train@8k", identity="theirs", workspace="/elsewhere", steps=steps(range(1, 31)))
    assert to_come(rest())["8k"] == 0
    assert rest().by_rung[0].spent_seconds == pytest.approx(100.0)


def test_a_model_of_another_size_tells_no_pace(shared: None) -> None:
    climb("/elsewhere")
    for name in RUNGS:
        Path("models", name).unlink()
    before = to_come(rest())
    slow = [StepCost(step, sample_s=100.0, rollouts=256, sampled_tokens=256 * 8) for step in range(1, 31)]
    plan = {"parameters": 135_000_000, "context": 22, "rollouts_per_prompt": 8, "prompts_per_step": 32}
    book(LEDGER, stage="train@8k", identity="larger", workspace="/elsewhere", wall_s=3002.0, steps=slow, plan=plan)
    assert to_come(rest()) == before


def test_a_pace_is_that_of_the_device_at_hand(shared: None) -> None:
    climb()  # on the CPU, at other settings
    setting("seed", 7)
    gpu, mine = Device("GPU", 1), {"8k": steps(range(1, 31)), "16k": steps(range(1, 3))}
    make("base")
    for name, taken in mine.items():
        make(f"train@{name}", wall_s=100.0, steps=taken, device=gpu)
    with ledger() as reader:
        measured, _ = read_measured(load_params(), reader, read_present(reader, here()), here())
    assert [(rung.name, rung.device, len(rung.steps)) for rung in measured] == [("8k", "GPU", 30), ("16k", "GPU", 2)]
    assert [rung.device for rung in rest().by_rung[:3]] == ["GPU"] * 3
    assert [rung.steps for rung in rest().by_rung[:3]] == [0, 28, 30]


def test_the_guard_sees_what_makes_a_run_dearer_and_what_is_spent_of_it(shared: None) -> None:
    climb()
    took_h = (sum(STEPS_S.values()) + 6 + 50 + 20 + 60) / 3600
    setting("operations.budget", {"usd": None, "hours": 1.3 * took_h, "per": "run", "warn_at": 0.8})

    def said() -> str | None:
        with ledger() as reader:
            return exceeded(load_params(), reader, lambda device: PRICE)

    assert said() is None
    setting("rungs.r24k.rollouts_per_prompt", 24)
    assert f"{1.3 * took_h:g} a run, but it is projected to take" in str(said())
    setting("operations.budget", {"usd": None, "hours": 1.5 * STEPS_S["24k"] / 3600, "per": "rung", "warn_at": 0.8})
    assert "a rung, but train@24k is projected to take" in str(said())


def test_what_a_half_done_rung_is_projected_to_take_is_what_it_took_and_the_rest(shared: None) -> None:
    climb()
    setting("rungs.r24k.rollouts_per_prompt", 4)
    identity = workspace_identity(load_graph()["train@24k"])
    # Killed after its fifth step, resumed at the third: steps 3 to 5 were taken twice.
    for numbers in (range(1, 6), range(3, 11)):
        mine = steps(numbers)
        book(
            LEDGER,
            "killed",
            sum(one.wall_s for one in mine) + 2,
            "train@24k",
            identity,
            steps=mine,
            workspace=str(Path.cwd()),
        )
    with ledger() as reader:
        present = read_present(reader, here())
        spend = projected_spend(load_params(), reader, lambda device: PRICE, present, "24k")
    assert spend is not None
    (rung_24k,) = [rung for rung in rest().by_rung if rung.name == "24k"]
    assert rung_24k.steps == 20
    taken = sum(one.wall_s for numbers in (range(1, 6), range(3, 11)) for one in steps(numbers)) + 4
    assert spend.middle.hours * 3600 == pytest.approx(taken + rung_24k.seconds.value)
    assert spend.middle.usd == pytest.approx(taken / 3600 * 1.0 + rung_24k.usd.value)  # booked at a dollar an hour


def test_energy_is_priced_where_the_hours_do_not_include_it(shared: None) -> None:
    make("base")
    make(
        "train@8k",
        wall_s=100.0,
        steps=steps(range(1, 31)),
        energy_j=100.0 * 250,
        plan={"context": 22, "rollouts_per_prompt": 8, "prompts_per_step": 32},
    )
    setting("operations.prices", {})
    prices = read_yaml(Path("prices.yaml"))
    (core,) = [row for row in prices["devices"] if row["device"] == "cpu-core"]
    core["prices"][0]["energy_included"] = False
    write_yaml(Path("prices.yaml"), prices)
    projection = rest()
    for rung in projection.by_rung[:3]:
        assert rung.usd.value == pytest.approx(rung.seconds.value * (0.0408 / 3600 + 250 * 0.146 / 3.6e6))
    assert any("its energy at 0.146 a kWh and 250 W" in said for said in projection.assumptions)

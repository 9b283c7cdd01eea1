"""A policy behind a real endpoint: asked once, graded, billed within its cap."""

import asyncio
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.endpoint.retries import Backoff
from stages.errors import LadderError
from stages.evaluation.policy.asking import Answered, Policy, ask_policy
from stages.evaluation.policy.questions import Question, questions
from stages.evaluation.policy.report import beside, graded_answers, policy_report
from stages.evaluation.policy.spend import Capped, Prices, Spend, Tokens, worst
from stages.params import Params
from stages.store.journal import Journal
from tests.conftest import small_params
from tests.endpoint.served import Response, Served, completion, serve
from tests.evaluation.answered import problem

PARAMS = Params.model_validate(small_params())
PRICES = Prices(Decimal(2), Decimal(10))
PROBLEMS = [problem("a", "4"), problem("b", "7"), problem("b", "8", source="others")]


@pytest.fixture
def server() -> Iterator[Served]:
    with serve() as served:
        yield served


def policy(server: Served, **changes: Any) -> Policy:
    options: dict[str, Any] = {
        "url": server.url, "model": "m", "key": None, "prices": PRICES, "max_usd": None, "at_once": 4, "timeout_s": 30.0,
        "backoff": Backoff(tries=3, first_s=0.001, longest_s=0.001),
    }  # fmt: skip
    return Policy(**options | changes)


def asked(count: int, tokens: int = 100) -> list[Question]:
    return [Question(str(number), 0, f"Problem {number}", 1.0, 0.9, tokens) for number in range(count)]


def ask(server: Served, folder: Path, count: int = 6, **changes: Any) -> Answered:
    return ask_policy(policy(server, **changes), asked(count), folder)


def test_a_policy_is_asked_as_a_checkpoint_is(server: Served) -> None:
    wanted = questions(PROBLEMS, 2, "{problem} Think.", PARAMS.evaluation)
    assert [(one.problem_id, one.index, one.greedy) for one in wanted] == [
        ("a", 0, False), ("a", 1, False), ("b", 0, False), ("b", 1, False), ("a", 0, True), ("b", 0, True),
    ]  # fmt: skip
    assert wanted[0].body("m") == {
        "model": "m",
        "messages": [{"role": "user", "content": "Text of a Think."}],
        "temperature": PARAMS.evaluation.temperature,
        "top_p": PARAMS.evaluation.top_p,
        "max_tokens": PARAMS.evaluation.max_response_tokens,
    }
    assert wanted[-1].body("m")["temperature"] == 0.0
    assert questions(PROBLEMS, 1, "{problem}", PARAMS.evaluation)[0].prompt == "Text of a"


def test_a_question_is_known_by_all_that_decides_its_answer() -> None:
    whole = Question("a", 0, "p", 1.0, 0.9, 100)
    others = [
        Question("a", 1, "p", 1.0, 0.9, 100), Question("a", 0, "q", 1.0, 0.9, 100), Question("a", 0, "p", 0.5, 0.9, 100),
        Question("a", 0, "p", 1.0, 1.0, 100), Question("a", 0, "p", 1.0, 0.9, 99),
    ]  # fmt: skip
    keys = {whole.key("m"), whole.key("n"), *(one.key("m") for one in others)}
    assert len(keys) == 7 and whole.key("m") == Question("b", 0, "p", 1.0, 0.9, 100).key("m")


def test_a_rerun_asks_nothing_and_more_questions_only_what_is_new(server: Served, tmp_path: Path) -> None:
    first = ask(server, tmp_path, 6)
    assert len(server.asked) == 6 and first.tokens == Tokens(42, 30) and first.usd == Decimal("0.000384")
    assert ask(server, tmp_path, 6) == first and len(server.asked) == 6
    ask(server, tmp_path, 8)
    assert len(server.asked) == 8
    ask(server, tmp_path, 8, model="other")
    assert len(server.asked) == 16


def test_thinking_is_put_back_and_a_cut_answer_is_cut(server: Served, tmp_path: Path) -> None:
    replies = {"Problem 0": completion("Four.", reasoning_content="2 + 2"), "Problem 1": completion(None, "length")}
    server.answer = lambda body: Response(replies[body["messages"][0]["content"]])
    thought, cut = ask(server, tmp_path, 2).answers
    assert (thought.text, thought.tokens, thought.truncated) == ("<think>2 + 2</think>Four.", 5, False)
    assert (cut.text, cut.truncated) == ("", True)


TROUBLE = {
    "a rate limit": Response(b"slow down", 429, {"Retry-After": "0"}),
    "an overload": Response(b"<html>" * 99, 503),
    "half an answer": Response(completion()[:30], promised=400),
    "garbage": Response(b"\xff\x00garbage"),
    "megabytes": Response(completion("x" * 3_000_000)),
    "no usage": Response(completion(usage={"total_tokens": 3})),
    "a server that ends": Response(completion("half", "abort")),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_is_got_over_and_what_may_be_billed_counts(server: Served, tmp_path: Path, trouble: str) -> None:
    server.first = [TROUBLE[trouble]] * 2
    answered = ask(server, tmp_path, 1)
    assert len(server.asked) == 3 and answered.answers[0].text == "4</think>\\boxed{4}"
    lost = worst(asked(1)[0])
    billed = 0 if trouble in ("a rate limit", "an overload") else 2
    assert answered.tokens == Tokens(7 + billed * lost.prompt, 5 + billed * lost.completion)
    server.first = [TROUBLE[trouble]] * 3
    with pytest.raises(LadderError, match=r"^policy: http://\S+: .*; 1 of 2 answers are kept, run it again$"):
        ask(server, tmp_path, 2)


def test_one_that_hangs_is_given_up(server: Served, tmp_path: Path) -> None:
    never = threading.Event()
    server.answer = lambda body: Response(held=never)
    with pytest.raises(LadderError, match=r"did not answer within 0\.2 s; 0 of 1 answers"):
        ask(server, tmp_path, 1, timeout_s=0.2)
    never.set()
    assert len(server.asked) == 3


def test_a_refusal_ends_it_at_once_and_keeps_what_was_answered(server: Served, tmp_path: Path) -> None:
    server.first = [Response(completion()), Response(completion()), Response(b"who are you", 401)]
    with pytest.raises(LadderError, match=r"answers 401: who are you; 2 of 50 answers are kept"):
        ask(server, tmp_path, 50, at_once=1)
    assert len(server.asked) == 3
    ask(server, tmp_path, 50)
    assert len(server.asked) == 50 + 1  # what was refused is asked again, what was kept is not


def test_no_more_at_once_than_allowed(server: Served, tmp_path: Path) -> None:
    full, under_way, most = threading.Barrier(3), 0, 0
    lock = threading.Lock()

    def answer(body: dict[str, Any]) -> Response:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        full.wait(30)  # three at a time, or never
        with lock:
            under_way -= 1
        return Response(completion())

    server.answer = answer
    ask(server, tmp_path, 12, at_once=3)
    assert most == 3


def test_the_cap_holds_with_what_is_in_flight_at_its_worst(server: Served, tmp_path: Path) -> None:
    """A request's worst is 521 prompt tokens and 100 more: 0.002042 USD; it takes 0.000064."""
    most_usd = PRICES.usd(worst(asked(1)[0]))
    assert most_usd == Decimal("0.002042")
    under_way, most, lock, go = 0, 0, threading.Lock(), threading.Event()

    def answer(body: dict[str, Any]) -> Response:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
            if under_way == 2:
                go.set()
        go.wait(30)
        with lock:
            under_way -= 1
        return Response(completion())

    server.answer = answer
    cap = 2 * most_usd + Decimal("0.001")
    with pytest.raises(
        LadderError, match=r"--max-usd: 0\.005084 leaves no room .* (\d+) of 400 answers are kept, raise it"
    ):
        ask(server, tmp_path, 400, at_once=16, max_usd=cap)
    assert most == 2  # sixteen were allowed, the cap had room for two
    spent = Decimal("0.000064") * len(server.asked)
    assert cap - most_usd < spent <= cap
    before = len(server.asked)
    with pytest.raises(LadderError, match="--max-usd"):
        ask(server, tmp_path, 400, at_once=16, max_usd=cap)
    assert len(server.asked) == before  # the cap is on all runs together
    with pytest.raises(LadderError, match="--max-usd"):
        ask(server, tmp_path, 400, at_once=16, max_usd=2 * cap)
    assert Decimal("0.000064") * len(server.asked) <= 2 * cap and len(server.asked) > before


def test_an_endpoint_that_does_not_keep_to_max_tokens_is_left(server: Served, tmp_path: Path) -> None:
    server.answer = lambda body: Response(completion(usage={"prompt_tokens": 7, "completion_tokens": 101}))
    with pytest.raises(
        LadderError, match=r"101 answered where \d+ and 100 were to be the most.* 1 of 9 answers are kept"
    ):
        ask(server, tmp_path, 9, at_once=1, max_usd=Decimal(1))
    assert len(server.asked) == 1
    assert len(ask(server, tmp_path, 9).answers) == 9  # without a cap nothing has to hold


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90), st.booleans()), max_size=30), st.integers(0, 300))
def test_no_history_passes_the_cap(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, int, bool]], cap: int
) -> None:
    """Requests of any worst, that take any part of it, killed at any time and gone on with."""
    path = tmp_path_factory.mktemp("spend") / "spend.jsonl"
    prices, cap_usd = Prices(Decimal(1), Decimal(1)), Decimal(cap) / 1_000_000

    async def run() -> None:
        spend, true_tokens = Spend(Journal(path), prices, cap_usd), 0
        for most, share, killed in history:
            try:
                request = await spend.reserve(Tokens(most, 90))
            except Capped:
                assert true_tokens + most + 90 > cap
                continue
            true_tokens += most + 90 if killed else min(share, most)
            if killed:
                before = spend.tokens
                spend = Spend(Journal(path), prices, cap_usd)
                assert spend.tokens == before
            else:
                spend.settle(request, Tokens(min(share, most), 0))
            assert spend.usd == Decimal(true_tokens) / 1_000_000 <= cap_usd
        assert Spend(Journal(path), prices, None).tokens == spend.tokens

    asyncio.run(run())


def test_its_figures_stand_in_the_same_rows(server: Served, tmp_path: Path) -> None:
    right = {"Text of a": "</think>\\boxed{4}", "Text of b": "</think>\\boxed{7}"}
    server.answer = lambda body: Response(completion(right[body["messages"][0]["content"]]))
    wanted = questions(PROBLEMS, 2, "{problem}", PARAMS.evaluation)
    answers = ask_policy(policy(server), wanted, tmp_path).answers
    graded = graded_answers(wanted, answers, PROBLEMS, PARAMS)
    made = policy_report("m", server.url, graded, PROBLEMS, PARAMS)
    first = [row for row in made["rows"] if row["metric"] == "avg@2"]
    assert [(row["benchmark"], row["value"], row["problems"], row["samples"]) for row in first] == [
        ("others", 0.0, 1, 2), ("sums", 1.0, 2, 2),
    ]  # fmt: skip
    assert {(row["checkpoint"], row["context"], row["at"], row["status"], row["source"]) for row in made["rows"]} == {
        ("m", PARAMS.evaluation.max_response_tokens, "full", "measured", server.url)
    }
    assert {"greedy", "truncated", "mean_length", "pass@2"} <= {row["metric"] for row in made["rows"]}
    assert "pass@4" not in {row["metric"] for row in made["rows"]}
    rungs = {"rows": [{"checkpoint": "8k"}], "comparisons": []}
    assert beside(made, rungs)["rows"] == [{"checkpoint": "8k"}, *made["rows"]]
    assert beside(made, None) == made

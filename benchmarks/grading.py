"""Answers per second and accuracy of our grader and of Math-Verify, on the same labelled pairs, in one run.

    python -m benchmarks.grading

The pairs are tests/grading/cases.jsonl: hand-written, several hundred, labelled by this project's policy (0.333 is not
1/3, a list of guesses is no answer), which Math-Verify does not share in every rule: see `right_by_rule`. Ours was
written against these pairs and Math-Verify was not. Each has one process of its own, its imports done before the clock
starts; Math-Verify runs as its README says, with its own time limits. `pool_of_2` is our Grader as a rung uses it, its
two workers started before.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from benchmarks.record import write_result
from stages.grading import GradeItem, Grader
from tests.grading.cases import Case, read_cases

TIMEOUT_S = 2.0
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over the cases: the rewards in order, and the seconds that each took."""

    rewards: list[int]
    seconds: list[float]


def timed(cases: Sequence[Case], reward: Callable[[Case], int]) -> Run:
    rewards, seconds = [], []
    for case in cases:
        start_s = time.perf_counter()
        rewards.append(reward(case))
        seconds.append(time.perf_counter() - start_s)
    return Run(rewards, seconds)


def run_ours(cases: Sequence[Case]) -> Run:
    """In one process: extraction, the quick verdict, and what a worker does where it can't tell."""
    from stages.grading.extract import last_boxed, listed_boxes
    from stages.grading.precise import PreciseProver
    from stages.grading.verdict import quick_verdict, verdict

    prover = PreciseProver()

    def reward(case: Case) -> int:
        known = listed_boxes(case.answer) or case.answer
        given = last_boxed(case.response)
        if not given:
            return 0
        return int((quick_verdict(known, given) or verdict(known, given, prover)) == "correct")

    return timed(cases, reward)


def run_math_verify(cases: Sequence[Case]) -> Run:
    from math_verify import parse, verify

    def reward(case: Case) -> int:
        known = case.answer if "$" in case.answer or "\\boxed" in case.answer else f"${case.answer}$"
        return int(verify(parse(known), parse(case.response)))

    return timed(cases, reward)


def in_one_process(run: Callable[[Sequence[Case]], Run], cases: Sequence[Case]) -> list[Run]:
    """`ROUNDS` passes, each in a fresh process: what a library remembers of the last one speeds up no figure."""
    runs = []
    for _ in range(ROUNDS):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            process.submit(run, cases[:1]).result()  # the imports
            runs.append(process.submit(run, cases).result())
    return runs


def pool_answers_per_s(cases: Sequence[Case], workers: int) -> float:
    """Of `Grader`, its workers started and the batch graded once, without what it remembers."""
    rates = []
    for _ in range(ROUNDS):
        with Grader(TIMEOUT_S, require_closed_thinking=False, workers=workers) as grader:
            grader.grade_batch(
                [GradeItem(rf"\boxed{{\sqrt{{{n}}}\ln 2}}", r"\ln 2") for n in range(101, 101 + workers)]
            )
            items = [GradeItem(case.response, case.answer) for case in cases]
            start_s = time.perf_counter()
            grader.grade_batch(items)
            rates.append(len(cases) / (time.perf_counter() - start_s))
    return statistics.median(rates)


def figures(cases: Sequence[Case], runs: list[Run]) -> dict[str, Any]:
    rewards = runs[0].rewards
    labelled = list(zip(cases, rewards, strict=True))
    return {
        "answers_per_s": round(statistics.median(len(cases) / sum(run.seconds) for run in runs), 1),
        "right": sum(reward == case.reward for case, reward in labelled),
        "false_positives": sum(reward > case.reward for case, reward in labelled),
        "false_negatives": sum(reward < case.reward for case, reward in labelled),
        "median_ms": round(1e3 * statistics.median(runs[0].seconds), 3),
        "slowest_ms": round(1e3 * max(max(run.seconds) for run in runs), 1),
    }


def right_by_rule(cases: Sequence[Case], rewards: Sequence[int]) -> dict[str, int]:
    rules = sorted({case.rule for case in cases})
    right = [case.rule for case, reward in zip(cases, rewards, strict=True) if reward == case.reward]
    return {rule: right.count(rule) for rule in rules}


def main() -> None:
    cases = read_cases()
    ours, peers = in_one_process(run_ours, cases), in_one_process(run_math_verify, cases)
    our_figures, peer_figures = figures(cases, ours), figures(cases, peers)
    pools = {workers: pool_answers_per_s(cases, workers) for workers in (1, 2)}
    result = {
        "speed_over_math_verify": round(our_figures["answers_per_s"] / peer_figures["answers_per_s"], 1),
        "pool_of_2_over_pool_of_1": round(pools[2] / pools[1], 2),
        "ours": our_figures,
        "math_verify": peer_figures,
        "pool_of_2_answers_per_s": round(pools[2], 1),
        "right_by_rule": {
            rule: {"of": sum(case.rule == rule for case in cases), "ours": our_right, "math_verify": peer_right}
            for (rule, our_right), peer_right in zip(
                right_by_rule(cases, ours[0].rewards).items(),
                right_by_rule(cases, peers[0].rewards).values(),
                strict=True,
            )
        },
    }
    configuration = {"cases": len(cases), "rounds": ROUNDS, "processes": 1, "timeout_s": TIMEOUT_S}
    path = write_result("grading", ["math-verify", "latex2sympy2-extended", "sympy", "mpmath"], configuration, result)
    print(f"{path}: {json.dumps({name: result[name] for name in list(result)[:5]})}")


if __name__ == "__main__":
    main()

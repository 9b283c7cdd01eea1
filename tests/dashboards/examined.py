"""A small examination by hand: two checkpoints' answers to three problems of two benchmarks, one of them leaked."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from stages.evaluation.graded import Graded, write_graded
from stages.problems.problem import Problem, write_problems
from stages.store.files import write_jsonl

PROBLEMS = [
    Problem("p1", "What is $10 \\cdot 10$?", ("100",), "sums", 1, "own", "heldout", None, None),
    Problem("p2", "Halve one.", ("\\frac{1}{2}", "0.5"), "sums", 2, "own", "heldout", None, None),
    Problem("p1", "What is $10 \\cdot 10$?", ("a hundred",), "words", 1, "own", "heldout", None, None),
]


def graded(
    problem: str, benchmark: str, index: int, extracted: str | None, why: str, response: str, tokens: int = 10
) -> Graded:
    right = int(why == "correct")
    truncated = why == "truncated"
    return Graded(problem, benchmark, index, False, tokens, truncated, right, why, extracted, index, response)  # type: ignore[arg-type]


BASE = [
    graded("p1", "sums", 0, "104", "wrong", "I guess</think>\\boxed{104}"),
    graded("p1", "sums", 1, "106", "wrong", "\\boxed{106}", tokens=20),
    replace(graded("p1", "sums", 0, "100", "correct", "\\boxed{100}", tokens=99), greedy=True),
    graded("p2", "sums", 0, "x+1", "wrong", "\\boxed{x+1}"),
    graded("p1", "words", 0, "104", "wrong", "I guess</think>\\boxed{104}"),
]
CLIMBED = [
    graded("p1", "sums", 0, "100", "correct", "Ten TENS</think>\\boxed{100}", tokens=30),
    graded("p1", "sums", 1, None, "truncated", "Ten and ten and", tokens=40),
    graded("p2", "sums", 0, "1.4", "wrong", "\\boxed{1.4}"),
]
LOGGED = [
    {"step": step, "problem_id": name, "prompt": f"{name}?", "completion": f"a</think>{step}", "reward": step / 20}
    | {"tokens": 3, "truncated": False}
    for step in (0, 10, 20)
    for name in ("t1", "t2")
]


def write_examination(root: Path, base: Sequence[Graded] = BASE, climbed: Sequence[Graded] = CLIMBED) -> None:
    write_problems(root / "data/heldout.jsonl", PROBLEMS, "heldout")
    write_jsonl(root / "data/leaks.jsonl", [{"benchmark": asdict(PROBLEMS[0]), "kind": "copy"}])
    write_graded(root / "grades/base.parquet", base)
    write_graded(root / "grades/8k.parquet", climbed)
    write_jsonl(root / "samples/train/8k.jsonl", LOGGED)

"""Text that would hang, exhaust or take over a careless grader earns nothing, in two seconds and a bounded memory."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.grading import grade

LIMIT_S = 2.0
MEMORY_BYTES = 2**31

ANSWERS = {
    "power tower": r"9^{9^{9^9}}",
    "short power tower": r"9^{9^9}",
    "tower of variables": "x^{x^{x^{x^x}}}",
    "exponentials": r"e^{e^{e^{e^e}}}",
    "factorial of a billion": r"(10^9)!",
    "factorial of a factorial": "((5!)!)!",
    "factorials in a row": "3" + "!" * 1_500,
    "binomial": r"\binom{10^9}{5 \cdot 10^8}",
    "long sum": r"\sum_{k=1}^{10^{12}} k",
    "sums of sums": r"\sum_{a=1}^{900}\sum_{b=1}^{900}\sum_{c=1}^{900} abc",
    "product of powers": r"\prod_{k=1}^{1000} k^{1000}",
    "huge polynomial": "(x+y+z+w)^{10000}",
    "huge exponent": "(x+1)^{10^9}",
    "100,000 digits": "1" * 100_000,
    "1,999 digits": "9" * 1_999,
    "50,000 terms": "x+" * 50_000 + "1",
    "many roots": "+".join(rf"\sqrt{{{n}}}" for n in range(2, 150)),
    "10,000 nested braces": "{" * 10_000 + "}" * 10_000,
    "nested parentheses": "(" * 900 + "1" + ")" * 900,
    "nested roots": r"\sqrt{2+" * 150 + "2" + "}" * 150,
    "fractions 500 deep": r"\frac{1}{1+" * 500 + "1" + "}" * 500,
    "fractions 150 deep": r"\frac{1}{1+" * 150 + "1" + "}" * 150,
    "matrix of 3,000 entries": r"\begin{pmatrix}" + r"\\".join(["&".join("1" * 60)] * 50) + r"\end{pmatrix}",
    "matrix of 900 entries": r"\begin{pmatrix}" + "&".join("1" * 900) + r"\end{pmatrix}",
    "python import": "__import__('os').system('touch {marker}')",
    "python import in a function": r"\sin(__import__('os').system('touch {marker}'))",
    "python eval": "eval(\"open('{marker}', 'w')\")",
    "python classes": "().__class__.__bases__[0].__subclasses__()",
    "unbalanced braces": r"\frac{1}{2",
    "closing braces": "}}}{{{",
    "NUL bytes": "4\x002",
    "NUL at the end": "42\x00",
    "lone surrogate": "4\ud8002",
    "right-to-left override": "\u202e24",
    "right-to-left mark": "\u200f42",
    "other digits": "٤٢",
    "minus signs": "-" * 1_901 + "42",
    "bars": "|" * 1_500,
    "commas": "," * 1_900,
    "plus-minus": r"\pm" * 600 + "1",
    "chain of inequalities": "<".join("x" * 500),
    "inequality of high degree": "x^{100}-x^{99}+1 < 0",
    "inequality of functions": r"\sin(x)\cos(x^2) < \tan(x)",
    "inequality of bars": "|x-1|+|x-2|+|x-3|+|x-4|+|x-5|+|x-6|+|x-7| > 3",
    "unions": r"\cup".join(f"[{n},{n + 1}]" for n in range(0, 300, 2)),
    "scientific": "1e999999999",
    "period": r"0.\overline{" + "3" * 1_500 + "}",
    "backslashes": "\\" * 1_900,
    "texts in texts": r"\text{" * 300 + "a" + "}" * 300,
}  # fmt: skip


@pytest.mark.parametrize("known", ["42", r"\frac{\sqrt{3}}{2}", "x+1", r"[0,\infty)"])
@pytest.mark.parametrize("name", ANSWERS)
def test_hostile_answer(name: str, known: str, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    response = "\\boxed{" + ANSWERS[name].replace("{marker}", str(marker)) + "}"
    start_s = time.perf_counter()
    assert grade(response, known).reward == 0
    assert time.perf_counter() - start_s < LIMIT_S
    assert not marker.exists()


@pytest.mark.parametrize("name", ANSWERS)
def test_hostile_known_answer(name: str) -> None:
    start_s = time.perf_counter()
    assert grade(r"\boxed{42}", ANSWERS[name]).reward == 0
    assert time.perf_counter() - start_s < LIMIT_S


@pytest.mark.parametrize(
    "response",
    [
        r"\boxed{1}" * 20_000,
        r"\boxed{" * 20_000,
        r"\boxed {" * 20_000 + "}" * 19_999,
        "{" * 100_000 + r"\boxed{1}",
        "<think>" * 50_000 + "</think>" * 50_000 + r"\boxed{1}",
        "\\" * 100_001 + "boxed{1}",
    ],
)
def test_hostile_response(response: str) -> None:
    start_s = time.perf_counter()
    assert grade(response, 42).reward == 0
    assert time.perf_counter() - start_s < LIMIT_S


def test_what_is_too_large_says_so() -> None:
    for name in ("power tower", "factorial of a billion", "100,000 digits", "fractions 150 deep", "long sum"):
        assert grade(f"\\boxed{{{ANSWERS[name]}}}", 42).why == "too_large"


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def test_the_whole_list_under_a_memory_limit() -> None:
    lines = [json.dumps({"response": f"\\boxed{{{said}}}", "answer": r"\sqrt{3}"}) for said in ANSWERS.values()]
    command = [sys.executable, "-m", "stages.grading", "--workers", "1"]
    done = subprocess.run(
        command,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=_limit_memory,
        check=True,
    )
    assert [json.loads(line)["reward"] for line in done.stdout.splitlines()] == [0] * len(lines)

"""`python -m stages.grading`, and the grader as TRL and verl call it."""

import json
import subprocess
import sys

import pytest

from stages.errors import LadderError
from stages.grading.adapters import accuracy_reward, compute_score


def run(*lines: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stages.grading", *options]
    return subprocess.run(command, input="".join(f"{line}\n" for line in lines), capture_output=True, text=True)


def test_lines_are_graded_in_order() -> None:
    done = run(
        json.dumps({"response": r"\boxed{\sqrt{8}}", "answer": r"2\sqrt{2}", "id": 3}),
        json.dumps({"response": "no box", "answer": 4}),
        json.dumps({"response": r"\boxed{5}", "answer": [4.0, "6"]}),
        json.dumps({"response": r"<think> \boxed{4}", "answer": 4}),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"reward": 1, "extracted": r"\sqrt{8}", "why": "correct"},
        {"reward": 0, "extracted": None, "why": "no_answer"},
        {"reward": 0, "extracted": "5", "why": "wrong"},
        {"reward": 0, "extracted": None, "why": "unclosed_thinking"},
    ]


def test_closed_thinking_can_be_required() -> None:
    line = json.dumps({"response": r"\boxed{4}", "answer": 4})
    assert json.loads(run(line).stdout)["reward"] == 1
    assert json.loads(run(line, options=("--require-closed-thinking",)).stdout)["why"] == "unclosed_thinking"


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "",
        "[]",
        '{"response": "x"}',
        '{"answer": 1}',
        '{"response": 1, "answer": 1}',
        '{"response": "x", "answer": true}',
        '{"response": "x", "answer": null}',
        '{"response": "x", "answer": [1, false]}',
        '{"response": "x", "answer": {"a": 1}}',
        "[" * 100_000,
    ],
)
def test_a_malformed_line_is_named_after_the_grades_before_it(line: str) -> None:
    done = run(json.dumps({"response": r"\boxed{4}", "answer": 4}), line, json.dumps({"response": "", "answer": 4}))
    assert done.returncode == 2
    assert done.stderr.startswith("error: line 2: ") and done.stderr.count("\n") == 1
    assert [json.loads(graded)["reward"] for graded in done.stdout.splitlines()] == [1]


def test_undecodable_bytes_are_a_malformed_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stages.grading"], input=b'{"response": "\xff"}\n', capture_output=True
    )
    assert done.returncode == 2 and b"line 1" in done.stderr


def test_nothing_in_nothing_out() -> None:
    done = run()
    assert (done.returncode, done.stdout) == (0, "")


def test_trl_passes_texts_or_conversations_and_columns() -> None:
    texts = [r"\boxed{\frac12}", r"\boxed{3}", "two"]
    assert accuracy_reward(prompts=["", "", ""], completions=texts, answer=["0.5", 2, "2"], difficulty=[1, 2, 3]) == [
        1,
        0,
        0,
    ]
    talks = [[{"role": "assistant", "content": text}] for text in texts]
    assert accuracy_reward(completions=talks, solution=[r"\frac{1}{2}", "2", None], trainer_state=object()) == [
        1,
        0,
        None,
    ]


def test_trl_without_a_known_answer_is_an_error() -> None:
    with pytest.raises(LadderError, match="no column"):
        accuracy_reward(completions=["x"], prompts=["y"])


def test_verl_passes_one_solution() -> None:
    assert compute_score("aime", r"<think>a</think> \boxed{7}", "007", extra_info={"index": 3}) == 1.0
    assert (
        compute_score(data_source="", solution_str=r"\boxed{8}", ground_truth=["7", "9"], reward_router_address=None)
        == 0.0
    )

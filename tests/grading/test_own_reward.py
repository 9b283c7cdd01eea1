"""A reward function of the user's in real workers: what it does wrong costs its own completions alone, or is one clear line."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from stages.errors import GuardFired, LadderError
from stages.grading import GradeItem
from stages.grading.failures import failures
from stages.grading.function import FunctionGrader
from stages.grading.grade import Row
from tests.conftest import Write


def grader(share: float = 1.0, timeout_s: float = 0.4, workers: int = 1, parts: int = 1) -> FunctionGrader:
    return FunctionGrader("tasks.own:reward", timeout_s, False, share, workers, parts)


def items(responses: Sequence[str], **columns: object) -> list[GradeItem]:
    return [
        GradeItem(one, "7", row=Row(f"own {number}", f"What is {number}?", {"problem": str(number), **columns}))
        for number, one in enumerate(responses, 1)
    ]


def test_it_is_called_as_trl_calls_a_reward(own: Write, tmp_path: Path) -> None:
    own("""
        import json, sys
        def reward(completions, prompts, answer, target, **columns):
            print("no answer")  # what it prints goes nowhere
            with open("seen.json", "w") as file:
                json.dump([completions, prompts, answer, target, columns, sys.stdin.read()], file)
            return [True, 1.0, 0]
    """)
    with grader() as grading:
        asked = items(["</think>\\boxed{7}", "seven", ""], target=[3, 4])
        grades = grading.grade_batch([*asked, GradeItem("cut", "7", truncated=True)])
    assert [(grade.reward, grade.extracted, grade.why) for grade in grades] == [
        (1, "7", "correct"), (1, "seven", "correct"), (0, None, "no_answer"), (0, None, "truncated"),
    ]  # fmt: skip
    prompts = ["What is 1?", "What is 2?", "What is 3?"]
    assert json.loads((tmp_path / "seen.json").read_text()) == [
        [one.response for one in asked], prompts, ["7"] * 3, [[3, 4]] * 3, {"problem": ["1", "2", "3"]}, "",
    ]  # fmt: skip


def test_numpys_truth_values_are_rewards_and_its_arrays_none(own: Write) -> None:
    own("import numpy\ndef reward(completions, **_): return list(numpy.array(completions) == 'good')\n")
    with grader() as grading:
        assert [grade.reward for grade in grading.grade_batch(items(["good", "bad"]))] == [1, 0]
    for wrong, shown in (
        ("numpy.array([1, 0])", r"array\(\[1, 0\]\)"),
        ("numpy.array([1])", r"array\(\[1\]\)"),
        ("1 + 0j", r"\(1\+0j\)"),
    ):
        own(f"import numpy\ndef reward(completions, **_): return [{wrong} for _ in completions]\n")
        with grader() as grading, pytest.raises(LadderError, match=rf"returned {shown}; return 0 or 1"):
            grading.grade_batch(items(["good"]))


def test_what_raises_hangs_or_dies_costs_itself_alone(own: Write) -> None:
    own("""
        import os, time
        def reward(completions, **columns):
            for said in completions:
                if said == "raise": raise ValueError("no\\nnumber")
                if said == "hang":
                    while True: pass
                if said == "exit": raise SystemExit(3)
                if said == "die": os._exit(1)
                if said == "memory": bytearray(2**34)
                if said == "recursion": reward([said])
            return [said == "good" for said in completions]
    """)
    bad = ["raise", "hang", "exit", "die", "memory", "recursion"]
    said = ["good", "bad"] * 20
    for place, one in zip((3, 8, 17, 20, 33, 38), bad, strict=True):
        said[place] = one
    with grader(workers=2) as grading:
        grades = grading.grade_batch(items(said))
        pids = grading.worker_pids
    assert [grade.reward for grade in grades] == [int(one == "good") for one in said]
    reasons = {one: grade.why for one, grade in zip(said, grades, strict=True) if one in bad}
    assert reasons == {
        "raise": "reward_raised", "hang": "timeout", "exit": "reward_raised", "die": "reward_died", "memory": "too_large",
        "recursion": "reward_raised",
    }  # fmt: skip
    assert failures(grades) == {"reward_raised": 3, "reward_died": 1, "timeout": 1, "too_large": 1}
    notes = {one: grade.note for one, grade in zip(said, grades, strict=True)}
    assert notes["raise"] == "own 4: tasks/own.py, line 5: ValueError: no number"
    assert notes["good"] is None and notes["die"] == "own 21: its worker process was dead"
    assert pids and not any(map(psutil.pid_exists, pids))


def test_what_a_function_starts_ends_with_its_worker(own: Write, tmp_path: Path) -> None:
    own(f"""
        import pathlib, subprocess
        def reward(completions, **columns):
            child = subprocess.Popen(["sleep", "3600"])
            pathlib.Path({str(tmp_path)!r}, f"{{child.pid}}.child").touch()
            while True: pass
    """)
    with grader(workers=1) as grading:
        assert [grade.why for grade in grading.grade_batch(items(["a"]))] == ["timeout"]
        children = [int(path.stem) for path in tmp_path.glob("*.child")]
    assert children
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in children if psutil.pid_exists(pid)], timeout=30)
    assert not alive


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[0.5 if 'half' in one else 1 for one in completions]", "returned 0.5; return 0 or 1 for each completion (it was asked"),
        ("[None if 'half' in one else 1 for one in completions]", "returned None; return 0 or 1 for each completion"),
        ("[float('nan') if 'half' in one else 1 for one in completions]", "returned nan; return 0 or 1 for each completion"),
        ("['1' if 'half' in one else 1 for one in completions]", "returned '1'; return 0 or 1 for each completion"),
        ("None", "returned None for 3 completions; return a list with a 0 or 1 for each"),
        ("[1]", "returned 1 values for 3 completions; return one 0 or 1 for each"),
        ("[1] * 4", "returned 4 values for 3 completions"),
    ],
)  # fmt: skip
def test_a_value_that_is_no_reward_is_named_with_its_row(own: Write, body: str, said: str) -> None:
    own(f"def reward(completions, **columns):\n    return {body}\n")
    with grader() as grading, pytest.raises(LadderError) as raised:
        grading.grade_batch(items(["one", "half", "two"]))
    message = str(raised.value)
    assert message.startswith("params.yaml: task.reward: 'tasks.own:reward' returned ") and "\n" not in message
    assert said in message and ("own 2, 'What is 2?'" in message) == ("each completion" in said)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1", "tasks/own.py has no function 'reward'; define it"),
        ("reward = 1", "tasks/own.py has no function 'reward'"),
        ("import nowhere", "can't be imported: tasks/own.py, line 1: ModuleNotFoundError: No module named 'nowhere'; mend"),
        ("def reward(:", "can't be imported: SyntaxError"),
        ("raise SystemExit(1)", "can't be imported: tasks/own.py, line 1: SystemExit: 1; mend"),
    ],
)  # fmt: skip
def test_what_can_not_be_called_is_named(own: Write, code: str, said: str) -> None:
    own(code)
    with grader() as grading, pytest.raises(LadderError, match="reward") as raised:
        grading.grade_batch(items(["one"]))
    assert said in str(raised.value)


def test_a_module_that_dies_when_it_is_imported_is_told(own: Write) -> None:
    own("import os; os._exit(1)")
    with (
        grader() as grading,
        pytest.raises(LadderError, match="no worker process starts"),
    ):
        grading.grade_batch(items(["one"]))


def test_a_missing_module_is_named(own: Write) -> None:
    with grader() as grading, pytest.raises(LadderError, match=r"there is no tasks/own.py in this checkout; write it"):
        grading.grade_batch(items(["one"]))


def test_a_function_that_fails_on_too_many_is_stopped_early(own: Write) -> None:
    own("""
        def reward(completions, **columns):
            if "bad" in completions: raise KeyError("target")
            return [1] * len(completions)
    """)
    asked = items(["good"] * 90 + ["bad"] * 5 + ["good"] * 5)
    with grader(share=0.05) as grading:
        assert Counter(grade.why for grade in grading.grade_batch(asked)) == {"correct": 95, "reward_raised": 5}
        assert grading.grade_batch(items(["bad"]))[0].why == "reward_raised"  # one of one is no share
    with grader(share=0.04, parts=2) as grading:
        grading.grade_batch(asked)  # another rank's hundred may have fewer
    with grader(share=0.04) as grading, pytest.raises(GuardFired) as raised:
        grading.grade_batch(asked)
    assert str(raised.value) == (
        "grading: stopped by task.max_failed_share (0.04): the reward function failed on 5 of 100 answers (5 reward_raised), "
        "first on own 91: tasks/own.py, line 3: KeyError: 'target'; mend it, or change the limit"
    )


def test_a_worker_killed_between_two_batches_is_replaced(own: Write) -> None:
    own("def reward(completions, **columns):\n    return [1] * len(completions)\n")
    with grader() as grading:
        grading.grade_batch(items(["one"]))
        (pid,) = grading.worker_pids
        psutil.Process(pid).kill()
        while psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.002)
        assert grading.grade_batch(items(["one"] * 20)) and grading.worker_pids != [pid]

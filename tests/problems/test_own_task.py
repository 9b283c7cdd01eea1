"""A task of the user's, tried on made-up answers before anything is spent: what is wrong is one line, and writes nothing."""

import json
import os
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.store.digest import md5
from tests.conftest import CHECKOUT, Project, read_yaml, write_yaml

ROWS = [
    {"question": "Capital of France?", "reply": "Paris", "hint": "P"},
    {"question": "Capital of Italy?", "reply": "Rome", "hint": "R"},
    {"question": "Capital of Spain?", "reply": "Madrid", "hint": "M"},
    {"question": "Capital of Peru?", "reply": "Lima", "hint": "L"},
]


def own_task(project: Project, task: dict[str, Any], rows: list[dict[str, Any]] = ROWS, **columns: Any) -> None:
    """The small experiment with sources in a file of the user's own."""
    path = project.root / "own.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    params = read_yaml(project.root / "params.yaml")
    named = {"problem": "question", "answer": "reply", "rating": None, "year": None} | columns
    common = {
        "kind": "file",
        "path": "own.jsonl",
        "pin": f"md5:{md5(path)}",
        "hub": None,
        "licence": "own",
        "columns": named,
    }
    params["problems"]["sources"] = [common | {"name": "own", "split": "train"}]
    params["base"] = {
        "kind": "gguf", "path": "x.gguf", "pin": f"md5:{'0' * 32}", "parameters_billion": 0.1, "training_cutoff": None,
    }  # fmt: skip
    params["task"] |= task
    write_yaml(project.root / "params.yaml", params)


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if "__pycache__" not in path.parts}


def test_a_task_is_tried_on_a_few_rows_and_nothing_is_written(project: Project) -> None:
    own_task(
        project, {"reward": "exact", "prompt": "{problem} It begins with {hint}, as in \\boxed{}."}, extra=["hint"]
    )
    before = files(project.root)
    said = project.run("stages.prepare", "--check").stdout.splitlines()
    assert said[:3] == ["prompt of own 1:", "    Capital of France? It begins with P, as in \\boxed{}.", ""]
    assert [line.split() for line in said[3:7]] == [
        ["row", "answer", "reward", "why"],
        ["own", "1", "the", "known", "answer", "1", "correct"],
        ["own", "1", "an", "empty", "one", "0", "no_answer"],
        ["own", "1", "a", "wrong", "one", "0", "wrong"],
    ]
    assert len(said) == 4 + 9 and files(project.root) == before


def test_a_function_needs_no_known_answer_and_its_failures_are_shown(project: Project) -> None:
    write_reward(project, """
        def reward(completions, hint, problem, **_):
            rows = zip(completions, hint, problem)
            return [said.split("{")[1].startswith(first) and "Capital" in text for said, first, text in rows]
    """)  # fmt: skip
    own_task(project, {"reward": "tasks.own:reward"}, answer=None, extra=["hint"])
    said = project.run("stages.prepare", "--check").stdout
    assert "own 1  an empty one  0       own 1: tasks/own.py, line 4: IndexError: list index out of range" in said
    assert "own 3  a wrong one   0       wrong" in said and "known" not in said


REFUSED = [
    ("def reward(completions, **_): return [0.5] * len(completions)", "'tasks.own:reward' returned 0.5; return 0 or 1"),
    (
        "def reward(completions, **_): return [None] * len(completions)",
        "'tasks.own:reward' returned None; return 0 or 1",
    ),
    ("def reward(completions, **_): return [float('nan')] * len(completions)", "returned nan; return 0 or 1"),
    ("def reward(completions, **_): return [1]", "returned 1 values for 3 completions"),
]


def test_a_reward_that_is_none_is_one_line(project: Project) -> None:
    own_task(project, {"reward": "tasks.own:reward"}, extra=["hint"])
    for code, said in REFUSED:
        write_reward(project, code)
        refused(project, said)


def test_a_reward_that_fails_on_all_of_one_source_is_refused(project: Project) -> None:
    """The examination's rows have no hint: they get None for it, and the function can't do with that."""
    own_task(project, {"reward": "tasks.own:reward"}, extra=["hint"])
    params = read_yaml(project.root / "params.yaml")
    source = params["problems"]["sources"][0]
    exam = source | {"name": "exam", "split": "heldout", "columns": source["columns"] | {"extra": []}}
    params["problems"]["sources"].append(exam)
    write_yaml(project.root / "params.yaml", params)
    write_reward(
        project, "def reward(completions, hint, **_): return [h.lower() in said for said, h in zip(completions, hint)]"
    )
    refused(
        project,
        "fails on every made-up answer to exam (reward_raised), first on exam 1: tasks/own.py, line 1: AttributeError",
    )


def test_what_is_asked_elsewhere_is_read_before_anything_is_spent(project: Project) -> None:
    own_task(project, {"reward": "exact"})
    params = read_yaml(project.root / "params.yaml")
    params["evaluation"]["off_domain"]["sets"][0]["pin"] = f"md5:{'0' * 32}"
    write_yaml(project.root / "params.yaml", params)
    done = project.run("stages.prepare", "--check", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "code.jsonl: its bytes are md5:" in done.stderr


def test_answers_that_the_reward_can_not_read_are_one_line(project: Project) -> None:
    own_task(project, {"reward": "math"}, [row | {"reply": "\\frac{1}{"} for row in ROWS])
    refused(project, "none of its first 20 records is a problem (unreadable answer)")


def refused(project: Project, said: str) -> None:
    before = files(project.root)
    done = project.run("stages.prepare", "--check", check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: params.yaml: ") and done.stderr.count("\n") == 1 and said in done.stderr
    assert files(project.root) == before


def test_the_stage_itself_is_refused_before_it_writes(project: Project) -> None:
    write_reward(project, "def reward(completions, **_): return [0.5] * len(completions)")
    project.set("task.reward", "tasks.own:reward")
    done = project.run("stages.prepare", check=False)
    assert done.returncode == 2 and "returned 0.5; return 0 or 1 for each completion" in done.stderr
    assert not (project.root / "data").exists()


def write_reward(project: Project, code: str) -> None:
    (project.root / "tasks/own.py").write_text(textwrap.dedent(code))


def test_the_page_goes_from_two_files_to_a_bill_in_ten_lines(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    sums = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
    for name, part in (("train", sums[::2]), ("test", sums[1::2])):
        rows = [{"question": f"{a}+{b}+{c}=", "reply": str((a + b + c) % 10), "terms": 3} for a, b, c in part]
        (home / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    page = (CHECKOUT / "docs/own-task.md").read_text()
    bring, settings, run = re.findall(r"```(?:sh|yaml)\n(.*?)```", page, re.DOTALL)[:3]
    assert len("".join([bring, settings, run]).splitlines()) <= 10
    done = subprocess.run(
        ["bash", "-ec", bring], cwd=project.root, env=os.environ | {"HOME": str(home)}, capture_output=True, text=True, check=True
    )  # fmt: skip
    for line in done.stdout.splitlines():
        settings = settings.replace("md5:...", f"md5:{line.split()[0]}", 1)
    params, own = read_yaml(project.root / "params.yaml"), YAML(typ="safe", pure=True).load(settings)
    params["task"], params["problems"]["sources"] = own["task"], own["sources"]
    write_yaml(project.root / "params.yaml", params)
    check, climb, bill = [line.split("#")[0].split() for line in run.splitlines()]
    assert "exam 1  the known answer  1       correct" in project.run(*check[2:]).stdout
    assert climb == ["make", "run"]
    for stage in ("prepare", "base", "curriculum 8k", "train 8k"):  # of what it runs, up to the first rung
        project.run(*f"stages.{stage}".split())
    steps = (project.root / "metrics/train/8k.csv").read_text().splitlines()
    assert len(steps) == 1 + 2 and {"reward_raised", "reward_timeout"} <= {*steps[0].split(",")}
    billed = project.run(*bill[2:]).stdout
    assert "prepare" in billed and "train@8k" in billed

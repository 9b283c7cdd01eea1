"""`python -m stages.evaluation policy` as a user calls it: its reports, its messages, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from stages.problems.problem import write_problems
from tests.conftest import CHECKOUT, small_params, write_yaml
from tests.endpoint.served import Response, Served, completion, serve
from tests.evaluation.answered import problem

KEY = "sk-0123456789abcdef"
PRICES = ("--usd-per-million-input", "2", "--usd-per-million-output", "10")
PROBLEMS = [problem("a", "4"), problem("b", "7"), problem("c", "8", source="others")]
ASKED = 3 * (2 + 1)  # two samples and a greedy one


@pytest.fixture
def server() -> Iterator[Served]:
    with serve() as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout's data, without its code."""
    write_yaml(tmp_path / "params.yaml", small_params())
    write_problems(tmp_path / "data" / "heldout.jsonl", PROBLEMS, "heldout")
    return tmp_path


def command(server: Served, *arguments: str) -> list[str]:
    start = [sys.executable, "-m", "stages.evaluation", "policy"]
    return [*start, "--url", server.url, "--model", "owner/model", "--concurrency", "2", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(CHECKOUT), "SOME_KEY": KEY}


def run(folder: Path, server: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(server, *arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_policy_stands_beside_the_rungs(folder: Path, server: Served) -> None:
    right = {"Text of a": "4", "Text of b": "0", "Text of c": "8"}

    def answer(body: dict[str, Any]) -> Response:
        boxed = f"\\boxed{{{right[body['messages'][0]['content']]}}} {KEY}"
        return Response(completion(boxed, reasoning_content="Let me see."))

    server.answer = answer
    server.first = [Response(f"Slow down, {KEY}".encode(), 429, {"Retry-After": "0"})]
    rung = {
        "checkpoint": "8k", "benchmark": "sums", "metric": "avg@2", "value": 0.25, "low": 0.1, "high": 0.6, "problems": 2,
        "samples": 2, "context": 12, "at": "full", "status": "measured", "source": "grades/8k.parquet",
    }  # fmt: skip
    (folder / "reports").mkdir()
    (folder / "reports/evaluation.json").write_text(json.dumps({"rows": [rung], "comparisons": []}))
    done = run(folder, server, "--key-env", "SOME_KEY", "--max-usd", "1", *PRICES)
    assert done.returncode == 0, done.stderr
    assert len(server.asked) == ASKED + 1 and set(server.keys) == {f"Bearer {KEY}"}
    assert "answers 429: Slow down, [key]; waits" in done.stderr
    assert f"policy {ASKED}/{ASKED} answers" in done.stderr
    assert "63 tokens asked and 45 answered in all runs, 0.0006 USD" in done.stderr
    made = json.loads((folder / "reports/policies/owner%2Fmodel.json").read_text())
    assert made["rows"][0] == rung and made["spent"] == {"prompt_tokens": 63, "completion_tokens": 45, "usd": 0.000576}
    own = [row for row in made["rows"][1:] if row["metric"] == "avg@2"]
    assert [(row["benchmark"], row["value"], row["samples"]) for row in own] == [("others", 1.0, 2), ("sums", 0.5, 2)]
    assert all(set(row) == set(rung) and row["checkpoint"] == "owner/model" for row in made["rows"][1:])
    page = (folder / "reports/policies/owner%2Fmodel.md").read_text()
    assert "| 8k | 25.0 [10.0, 60.0] | - |" in page and "| owner/model | 50.0 [" in page
    assert (
        "Every problem was answered 2 times, of at most 12 tokens, at temperature 1 and top_p 1. owner/model: 63 tokens"
        in page
    )
    assert made["settings"]["samples_per_problem"] == 2 and made["settings"]["grading"]["require_closed_thinking"]
    after = files(folder)
    assert not any(KEY.encode() in content for content in after.values()) and KEY not in done.stderr + done.stdout
    again = run(folder, server)  # no key, no prices: nothing is asked
    assert again.returncode == 0 and len(server.asked) == ASKED + 1
    assert "63 tokens asked and 45 answered in all runs;" in again.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_stopped_in_the_middle_it_asks_only_what_is_new(folder: Path, server: Served, number: int, code: int) -> None:
    kept, held = folder / "runs/policies/owner%2Fmodel/answers.jsonl", threading.Event()
    reached, numbers = threading.Barrier(3), count()

    def answer(body: dict[str, Any]) -> Response:
        if next(numbers) >= 4 and not held.is_set():
            reached.wait(60)  # both requests under way, four answers kept
            return Response(completion(), held=held)
        return Response(completion())

    server.answer = answer
    process = subprocess.Popen(command(server, "--key-env", "SOME_KEY", *PRICES), cwd=folder, env=environment())
    assert KEY not in Path(f"/proc/{process.pid}/cmdline").read_text()
    reached.wait(60)
    process.send_signal(number)
    assert process.wait(60) == code
    held.set()
    assert len(kept.read_text().splitlines()) == 4 and len(server.asked) == 6
    with kept.open("a") as file:
        file.write('{"key": "cut off in the mid')
    done = run(folder, server, *PRICES)
    assert done.returncode == 0, done.stderr
    assert len(server.asked) == 6 + 5
    # The two that were under way may be billed: they count at their worst, 521 tokens asked and 12 answered.
    worst = 2 * (len("Text of a") + 512) + ASKED * 7
    assert f"{worst} tokens asked and {2 * 12 + ASKED * 5} answered in all runs" in done.stderr
    assert not any(KEY.encode() in content for content in files(folder).values())


def test_the_cap_ends_it_with_one_line_and_no_report(folder: Path, server: Served) -> None:
    done = run(folder, server, "--max-usd", "0.0013", *PRICES)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert (
        last.startswith("error: --max-usd: 0.0013 leaves no room for another answer after 0.0002 USD")
        and "3 of 9" in last
    )
    assert not (folder / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--max-usd", "1"], "error: --max-usd: 1, but without prices"),
        (["--usd-per-million-input", "1"], "go together; give both, or neither"),
        (["--max-usd", "nan", *PRICES], "'nan' is no number from 0"),
        (["--concurrency", "0"], "'0' is no whole number from 1 to 256"),
        (["--samples", "1e3"], "'1e3' is no whole number from 1 to 1024"),
        (["--model", ".."], "error: --model: '..' can't name a file"),
        (["--model", "24k"], "error: --model: '24k' is a checkpoint of the ladder's"),
        (["--url", f"http://me:{KEY}@host/v1"], "error: url: it holds a name, a password or a query"),
        (["--key-env", KEY], "error: key: that is no name of an environment variable"),
        (["--key-env", "NOT_THERE"], "error: key: the environment has no variable of that name"),
    ],
)
def test_bad_options_are_one_line(folder: Path, server: Served, arguments: list[str], says: str) -> None:
    refused = run(folder, server, *arguments)
    assert refused.returncode == 2 and says in refused.stderr.splitlines()[-1]
    assert KEY not in refused.stderr and "Traceback" not in refused.stderr
    assert server.asked == [] and not (folder / "runs").exists() and not (folder / "reports").exists()


def test_a_policy_that_never_closes_its_thinking_is_told(folder: Path, server: Served) -> None:
    server.answer = lambda body: Response(completion("\\boxed{4}"))
    done = run(folder, server, "--samples", "1")
    assert done.returncode == 0 and "warning: 6 of 6 answers have no </think>" in done.stderr

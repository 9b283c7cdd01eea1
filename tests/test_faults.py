"""What goes wrong ends in one clear line, is booked, leaves nothing half-written, and is made good by another run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil
import pytest

from stages.accounting.ledger import Ledger
from stages.accounting.reading import reading
from stages.accounting.records import Attempt, Failure, StepCost
from tests.conftest import CHECKOUT, Project, environment_of, lines

OUTS = ("models/8k", "metrics/train/8k.csv", "samples/train/8k.jsonl")
LONG = 40  # steps of a rung that is to be caught at work


def attempts(project: Project, stage: str) -> list[Attempt]:
    ledger = Ledger(project.root / "runs/ledger.db")
    ledger.close_vanished()
    return [attempt for attempt in ledger.read.attempts() if attempt.stage == stage]


def all_attempts(project: Project) -> list[Attempt]:
    ledger = Ledger(project.root / "runs/ledger.db")
    return ledger.read.attempts()


def steps_of(project: Project, attempt: Attempt) -> list[StepCost]:
    with reading(project.root / "runs/ledger.db") as ledger:
        return ledger.steps(attempt.id)


def at_work(project: Project) -> list[psutil.Process]:
    """All processes of this project: the flow, its server, DVC, stages."""
    return [process for process in psutil.process_iter(["cwd"]) if process.info["cwd"] == str(project.root)]


def wait_for_line(child: subprocess.Popen[str], part: str) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if part in line:
            return
    raise AssertionError(f"ended with {child.wait()} before it said {part!r}")


def step_of(line: str) -> int:
    """Of a progress line ``~ train@8k 3/40 ...``."""
    return int(line.split()[2].partition("/")[0])


def wait_for_step(child: subprocess.Popen[str], step: int) -> None:
    """Wait until `step` or a later one is done: a resumed rung may begin after it."""
    assert child.stdout is not None
    for line in child.stdout:
        if "train@8k " in line and step_of(line) >= step:
            return
    raise AssertionError(f"ended with {child.wait()} before step {step}")


def first_step(said: str) -> int:
    """The first that was finished."""
    return step_of(next(line for line in said.splitlines() if "train@8k " in line and " reward " in line))


def trainers(project: Project) -> list[psutil.Process]:
    """Running processes of this project's stages."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if process.info["cwd"] == str(project.root) and any(part.startswith("stages.") for part in command):
            found.append(process)
    return found


@pytest.fixture
def at_8k(climbed: Project) -> Project:
    """Ready to make a longer 8k rung."""
    climbed.set("rungs.r8k.steps", LONG)
    return climbed


def test_a_rung_killed_ten_times_ends_with_the_bytes_of_one_that_was_not(at_8k: Project) -> None:
    """kill -9 at random moments, three of them while a checkpoint is written; operational settings change on the way."""
    steps = 150
    at_8k.set("rungs.r8k.steps", steps)
    at_8k.run("stages.train", "8k")
    expected = at_8k.bytes_of(*OUTS)
    for path in expected:
        (at_8k.root / path).unlink()
    random = Random()
    moments = sorted(random.sample(range(5, steps - 20), 10))
    for kill, step in enumerate(moments):
        at_8k.set("operations.checkpoint_every_steps", random.randint(1, 5))
        at_8k.set("operations.keep_checkpoints", random.randint(1, 3))
        child = at_8k.start("stages.train", "8k")
        wait_for_step(child, step)
        if kill % 3 == 0:
            wait_until(lambda: bool(list((at_8k.root / "runs/resume").glob("*/.*.partial"))), child, poll_s=0.0)
        else:
            time.sleep(random.uniform(0, 0.05))  # anywhere in a step
        child.kill()
        child.wait()
        assert not (at_8k.root / OUTS[1]).exists()
        killed = attempts(at_8k, "train@8k")[-1]
        booked = steps_of(at_8k, killed)
        assert booked[-1].step >= step  # what was said was booked
        assert killed.wall_s >= sum(cost.wall_s for cost in booked)
    resumed = at_8k.run("stages.train", "8k")
    assert first_step(resumed.stderr) > moments[-1] - 5
    assert at_8k.bytes_of(*OUTS) == expected
    assert not list((at_8k.root / "runs/resume").iterdir())
    how = [attempt.status for attempt in attempts(at_8k, "train@8k")]
    assert how[-12:] == ["done", *["killed"] * 10, "done"]


def test_a_broken_checkpoint_is_named_and_the_one_before_it_resumes(at_8k: Project) -> None:
    at_8k.run("stages.train", "8k")
    expected = at_8k.bytes_of(*OUTS)
    for path in expected:
        (at_8k.root / path).unlink()
    child = at_8k.start("stages.train", "8k")
    wait_for_line(child, f"train@8k 9/{LONG} ")
    child.kill()
    child.wait()
    older, newest = sorted((at_8k.root / "runs/resume").glob("*/step-*"))
    state = newest / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    resumed = at_8k.run("stages.train", "8k").stderr
    assert f"warning: {state.relative_to(at_8k.root)}: truncated or altered" in resumed
    assert first_step(resumed) == int(older.name.removeprefix("step-")) + 1
    assert at_8k.bytes_of(*OUTS) == expected


def test_a_changed_setting_does_not_resume(at_8k: Project) -> None:
    child = at_8k.start("stages.train", "8k")
    wait_for_line(child, f"train@8k 3/{LONG} ")
    child.kill()
    child.wait()
    at_8k.set("grpo.clip_high", 0.3)
    said = at_8k.run("stages.train", "8k").stderr
    assert f"train@8k 1/{LONG} " in said


def test_two_do_not_make_the_same_rung(at_8k: Project) -> None:
    child = at_8k.start("stages.train", "8k")
    wait_for_line(child, f"train@8k 1/{LONG} ")
    os.kill(child.pid, signal.SIGSTOP)  # holds the state for as long as we look
    refused = at_8k.run("stages.train", "8k", check=False)
    os.kill(child.pid, signal.SIGCONT)
    child.kill()
    child.wait()
    assert refused.returncode == 2
    assert "another process is making the same rung" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_rung_says_so_and_goes_on_after_its_last_finished_step(
    at_8k: Project, number: signal.Signals
) -> None:
    at_8k.set("operations.checkpoint_every_steps", 100_000)
    child = at_8k.start("stages.train", "8k")
    wait_for_step(child, 5)
    child.send_signal(number)
    said, _ = child.communicate(timeout=30)
    assert child.returncode == 128 + number
    assert attempts(at_8k, "train@8k")[-1].status == "killed"
    finished = max([5, *(step_of(line) for line in said.splitlines() if "train@8k " in line)])
    assert first_step(at_8k.run("stages.train", "8k").stderr) in (
        finished + 1,
        finished + 2,
    )  # one may have ended unsaid


STUCK = """
import sys, threading, time, torch
from stages import process
process.STOP_S = 0.5
process.raise_when_stopped(lambda number: print("late", number.name, flush=True))
main, big = threading.main_thread().ident, torch.randn(7000, 7000)

def decompose():
    torch.linalg.svd(big)  # native code for a minute: Python can't handle a signal in it

def tell():
    seen = 0
    while seen < 20:  # in a row: it is not about to enter, it is inside
        seen = seen + 1 if sys._current_frames()[main].f_code is decompose.__code__ else 0
        time.sleep(0.01)
    print("begun", flush=True)

threading.Thread(target=tell, daemon=True).start()
decompose()
"""


FINALIZING = """
import time
from stages import process
process.raise_when_stopped(lambda number: print("late", number.name, flush=True))

class Finalized:
    def __del__(self):
        print("begun", flush=True)
        until = time.monotonic() + 1
        while time.monotonic() < until: pass

try:
    one = Finalized()
    del one
    time.sleep(60)
except process.Stopped as stop:
    print(stop, flush=True)
"""


def test_a_stop_that_falls_into_a_finalizer_is_not_lost(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", FINALIZING], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    wait_for_line(child, "begun")
    child.send_signal(signal.SIGTERM)
    said, _ = child.communicate(timeout=60)
    assert said == "stopped by SIGTERM\n"


def test_a_stop_ends_a_process_that_is_stuck_in_native_code(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", STUCK], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_for_line(child, "begun")
    child.send_signal(signal.SIGTERM)
    said, _ = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGTERM
    assert said == "late SIGTERM\n"


def wait_until(what: Callable[[], bool], child: subprocess.Popen[str], poll_s: float = 0.05) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert child.poll() is None, child.stdout and child.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(poll_s)


@pytest.mark.parametrize("command", [("dvc", "repro", "train@8k"), ("flows",)])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_trainer_outlives_its_dvc_or_its_flow(
    at_8k: Project, command: tuple[str, ...], number: signal.Signals
) -> None:
    at_8k.set("rungs.r8k.steps", 100_000)
    child = at_8k.start(*command)
    wait_until(lambda: attempts(at_8k, "train@8k")[-1].status == "running", child)
    running = at_work(at_8k)
    child.send_signal(number)
    child.wait(60)
    _, alive = psutil.wait_procs(running, timeout=30)
    assert not alive
    assert attempts(at_8k, "train@8k")[-1].failure == Failure("stopped", "stopped by SIGTERM")


def test_ctrl_c_in_a_terminal_ends_the_flow_and_nothing_begins_after_it(at_8k: Project) -> None:
    at_8k.set("rungs.r8k.steps", 100_000)
    at_8k.set("operations.parallel_stages", 1)
    at_8k.set("seed", 1)  # so that sample@base waits for its turn
    child = at_8k.start("flows")
    wait_until(lambda: attempts(at_8k, "train@8k")[-1].status == "running", child)
    running = at_work(at_8k)
    begun = len(all_attempts(at_8k))
    second = at_8k.run("flows", check=False)
    assert second.returncode == 2
    assert "another flow is climbing in this workspace; wait for it, or stop it first" in second.stderr
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(60) == 130
    assert child.stdout is not None
    said = child.stdout.read()
    assert "stopped; `make run` goes on from where it was" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(running, timeout=30)
    assert not alive
    assert len(all_attempts(at_8k)) == begun
    assert attempts(at_8k, "train@8k")[-1].failure == Failure("stopped", "stopped by SIGTERM")


def test_a_trainer_whose_dvc_dies_while_it_still_imports_does_not_begin(at_8k: Project) -> None:
    child = at_8k.start("dvc", "repro", "train@8k")
    wait_until(lambda: bool(trainers(at_8k)), child)
    running = trainers(at_8k)
    child.kill()
    child.wait(60)
    _, alive = psutil.wait_procs(running, timeout=60)
    assert not alive
    assert attempts(at_8k, "train@8k")[-1].status in ("done", "killed")  # that of the climb, or one that had just begun
    assert not (at_8k.root / "metrics/train/8k.csv").exists()


def test_a_stage_that_raises_is_one_line_and_booked(climbed: Project) -> None:
    broken = climbed.root / "stages/evaluation/examination.py"
    broken.write_text(
        broken.read_text().replace(
            "def examination_of(", "def examination_of(*_: object, **__: object):\n    return 1 / 0\n\n\ndef old("
        )
    )
    refused = climbed.run("flows", check=False)
    assert refused.returncode == 2
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert "ZeroDivisionError: division by zero; the traceback is in runs/errors/evaluate@" in line
    assert "Traceback" not in refused.stderr
    failed = [attempt for attempt in attempts(climbed, "evaluate@base") if attempt.status == "failed"]
    assert "ZeroDivisionError" in str(failed[0].failure)
    assert not (climbed.root / "metrics/evaluation/base.json").exists()


def test_a_missing_or_changed_checkpoint_is_refused_and_repro_restores_it(climbed: Project) -> None:
    weights = climbed.root / "models/base/model.safetensors"
    intact = weights.read_bytes()
    weights.chmod(0o644)
    weights.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    changed = climbed.run("stages.train", "8k", check=False)
    assert changed.returncode == 2
    assert "models/base: its md5 is" in changed.stderr
    assert "`dvc checkout models/base` brings the recorded one back" in changed.stderr
    weights.unlink()
    weights.with_name("config.json").unlink()
    for file in weights.parent.iterdir():
        file.unlink()
    weights.parent.rmdir()
    missing = climbed.run("stages.train", "8k", check=False)
    assert missing.returncode == 2
    assert "models/base: missing; `dvc repro base` makes it" in missing.stderr
    assert [attempt.status for attempt in attempts(climbed, "train@8k")[-2:]] == ["failed", "failed"]
    climbed.run("dvc", "repro", "train@8k")
    assert weights.read_bytes() == intact


def test_what_cannot_fit_is_refused_before_it_starts(project: Project) -> None:
    project.run("stages.profile", "deepscaler")
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("device: cuda", "device: cpu").replace("1.777", "100000.0"))
    refused = project.run("flows", check=False)
    assert refused.returncode == 2
    assert "4 checkpoint(s) of 1e+05 billion parameters and a rung's resume checkpoints need" in refused.stderr
    assert not (project.root / "data").exists()
    assert not (project.root / ".prefect").exists()  # no server was started for it
    (booked,) = attempts(project, "ladder")
    assert booked.status == "failed"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
@pytest.mark.parametrize(
    ("command", "folder", "size", "kept"),
    [
        ("stages.prepare", "data", "4k", []),
        ("stages.train 8k", "models", "40k", ["models/base"]),
        ("stages.train 8k", "runs/resume", "4k", []),
        ("stages.sample 8k", "samples", "4k", []),
        ("stages.sample 8k", "runs", "128k", ["runs/ledger.db"]),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(
    climbed: Project, command: str, folder: str, size: str, kept: list[str]
) -> None:
    """`folder` is a file system of `size` that holds what is `kept`, and nothing more than a bit."""
    copies = " && ".join(["true", *(f"cp -r {path} /var/tmp/" for path in kept)])
    back = " && ".join(["true", *(f"mv /var/tmp/{Path(path).name} {folder}/" for path in kept)])
    fill = f"(head -c 100000 /dev/zero > {folder}/filler || true)" if folder == "runs" else "true"
    script = (
        f"{copies} && mkdir -p {folder} && mount -t tmpfs -o size={size} tmpfs {folder} && {back} && {fill} || exit 99; "
        f"{sys.executable} -m {command}; code=$?; find {folder} -type f > left; exit $code"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=climbed.root, env=environment_of({}), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "no disk space left" in line
    assert "Traceback" not in done.stderr
    assert not [path for path in lines(climbed.root / "left") if path.endswith(".partial")]
    assert not [path for path in lines(climbed.root / "left") if path.startswith("models/8k")]

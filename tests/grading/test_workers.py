"""The pool: lazy, in order, one decision a pair; a killed worker or a late answer changes no other grade."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil
import pytest

from stages.grading import Grade, GradeItem, Grader
from stages.grading.workers import Outcome, Task, Workers

RIGHT = [GradeItem(rf"\boxed{{\sqrt{{{4 * n}}}}}", rf"2\sqrt{{{n}}}") for n in range(2, 400) if round(n**0.5) ** 2 != n]
WRONG = [GradeItem(item.response, r"\log_2 " + str(place + 3)) for place, item in enumerate(RIGHT)]
SLOW = r"|x-1|+|x-2|+|x-3|+|x-4|+|x-5|+|x-6|+|x-7|+|x-8| < 9"


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_cheap_answers_start_no_worker() -> None:
    with Grader(timeout_s=1, require_closed_thinking=False) as grader:
        items = [GradeItem(f"\\boxed{{{n}}}", str(n % 7)) for n in range(1_000)]
        grades = grader.grade_batch(items)
        assert [grade.reward for grade in grades] == [int(n == n % 7) for n in range(1_000)]
        assert grader.worker_pids == []


def test_workers_are_kept_between_batches_and_gone_afterwards() -> None:
    with Grader(timeout_s=1, require_closed_thinking=False, workers=2) as grader:
        grader.grade_batch(RIGHT[:4])
        pids = grader.worker_pids
        grader.grade_batch(RIGHT[4:8])
        assert grader.worker_pids == pids and len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_batch_keeps_its_order() -> None:
    items = [item for pair in zip(RIGHT, WRONG, strict=True) for item in pair][:60]
    with Grader(timeout_s=1, require_closed_thinking=False, workers=2) as grader:
        assert [grade.reward for grade in grader.grade_batch(items)] == [1, 0] * 30


def test_equal_pairs_are_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Task] = []
    decide = Workers.decide

    def count(workers: Workers, tasks: Sequence[Task]) -> list[Outcome]:
        asked.extend(tasks)
        return decide(workers, tasks)

    monkeypatch.setattr(Workers, "decide", count)
    with Grader(timeout_s=1, require_closed_thinking=False, workers=1) as grader:
        for _ in range(3):
            assert [grade.reward for grade in grader.grade_batch([*RIGHT[:2]] * 5)] == [1] * 10
    assert len(asked) == 2


def test_sigkill_in_mid_batch_changes_no_grade() -> None:
    with Grader(timeout_s=2, require_closed_thinking=False, workers=2) as grader:
        grader.grade_batch(RIGHT[:2])
        killed: list[int] = []
        done = threading.Event()

        def kill() -> None:
            while len(killed) < 6 and not done.is_set():
                for pid in grader.worker_pids[:1]:
                    if pid not in killed:
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)
                time.sleep(0.1)

        killer = threading.Thread(target=kill)
        killer.start()
        grades = grader.grade_batch([*RIGHT[2:], *WRONG])
        done.set()
        killer.join()
        assert killed
        assert [grade.why for grade in grades] == ["correct"] * (len(RIGHT) - 2) + ["wrong"] * len(WRONG)


def test_a_worker_killed_between_two_batches_is_replaced() -> None:
    with Grader(timeout_s=2, require_closed_thinking=False, workers=1) as grader:
        grader.grade_batch(RIGHT[:1])
        (pid,) = grader.worker_pids
        os.kill(pid, signal.SIGKILL)
        _wait_for(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        assert [grade.reward for grade in grader.grade_batch(RIGHT[1:3])] == [1, 1]
        assert grader.worker_pids != [pid]


def test_a_late_answer_is_a_timeout_and_costs_no_other() -> None:
    with Grader(timeout_s=0.3, require_closed_thinking=False, workers=1) as grader:
        items = [RIGHT[0], GradeItem(f"\\boxed{{{SLOW}}}", "(0,1)"), *RIGHT[1:20]]
        grades = grader.grade_batch(items)
        assert grades[1] == Grade(0, SLOW, "timeout")
        assert [grade.why for grade in grades[:1] + grades[2:]] == ["correct"] * 20


def test_an_answer_that_kills_its_workers_is_graded_0() -> None:
    with Grader(timeout_s=5, require_closed_thinking=False, workers=1) as grader:
        done = threading.Event()

        def kill_all() -> None:
            while not done.is_set():
                for worker in list(grader._workers._pool._workers):
                    if worker.question is not None:  # not while it starts
                        with suppress(ProcessLookupError):  # the grader may bury it meanwhile
                            os.kill(worker.pid, signal.SIGKILL)
                time.sleep(0.005)

        killer = threading.Thread(target=kill_all)
        killer.start()
        grades = grader.grade_batch([GradeItem(f"\\boxed{{{SLOW}}}", "(0,1)")])
        done.set()
        killer.join()
        assert grades == [Grade(0, SLOW, "too_large")]


def test_a_worker_dies_with_its_parent_and_ignores_ctrl_c() -> None:
    code = (
        "import time; from stages.grading import Grader, GradeItem\n"
        "grader = Grader(timeout_s=1, require_closed_thinking=False, workers=1)\n"
        r"grader.grade_batch([GradeItem(r'\boxed{\sqrt{8}}', r'2\sqrt{2}')])" + "\n"
        "print(grader.worker_pids[0], flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        worker.send_signal(signal.SIGINT)
        assert worker.environ()["CUDA_VISIBLE_DEVICES"] == ""
        assert worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
        parent.kill()
    _wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)

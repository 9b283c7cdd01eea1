"""Stage `prepare`: all sources to two tables, what is learned from and what is examined on; what is set aside to a third.

What the leak gate found, what is there more than once and what contradicts itself is told in three more, with the texts.
Embeddings and a judge's verdicts are kept in runs/gate: who is interrupted goes on there.

`python -m stages.prepare --check` reads a few rows, grades made-up answers to them by the task's reward, and writes nothing.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import indent

from stages.errors import LadderError, exit_on_error
from stages.evaluation.off_domain.asked import check_sets
from stages.params import Leaks, Params, Problems, load_params
from stages.problems.chat import Place
from stages.problems.dry_run import FEW, KNOWN, Tried, graded_answers, table
from stages.problems.embedding import EmbeddingCache
from stages.problems.encoder import Encoder, encoder_name
from stages.problems.judge import LeakJudge
from stages.problems.leaks import GateSettings, Screened, find_leaks
from stages.problems.problem import Problem, write_problems
from stages.problems.screening import Gate, Prepared, screen
from stages.problems.sources import Quarantined, load_source, load_sources, with_all_columns
from stages.stage import stage
from stages.store.files import write_jsonl
from stages.terminal import printable

TRAIN, HELDOUT, QUARANTINE = Path("data/train.jsonl"), Path("data/heldout.jsonl"), Path("data/quarantine.jsonl")
LEAKS, DUPLICATES, CONFLICTS = Path("data/leaks.jsonl"), Path("data/duplicates.jsonl"), Path("data/conflicts.jsonl")
KEPT = Path("runs/gate")
READ = 20  # records of a source, when its task is tried


def run(
    problems: Problems,
    seed: int,
    gate: Gate,
    say: Callable[[str], None] = lambda message: None,
    reward: str = "math",
) -> Prepared:
    """Raises LadderError where nothing is left to learn from or to examine on."""
    loaded = load_sources(problems.sources, seed, reward)
    prepared = screen(loaded, problems.duplicates, problems.leaks, gate, say)
    for split, left in (("train", prepared.train), ("heldout", prepared.heldout)):
        if not left:
            reasons = Counter(f"{one.source}: {one.reason}" for one in prepared.quarantined)
            aside = "".join(f"; {count} set aside ({reason})" for reason, count in reasons.most_common(5))
            raise LadderError(
                f"params.yaml: problems.sources: no problem of split {split!r} is left{aside}; add a source with some"
            )
    return prepared


def make_gate(settings: Leaks, judge_url: str | None, kept: Path, say: Callable[[str], None]) -> Gate:
    """The leak gate with its encoder and, if one is named, its judge; both read `kept` first, and only when it is used."""

    def gate(train: Sequence[Problem], benchmark: Sequence[Problem]) -> Screened:
        cache = EmbeddingCache(
            kept / "embeddings",
            encoder_name(settings.precision),
            lambda: Encoder(settings.precision, os.cpu_count() or 1),
        )
        judge = None
        if settings.judge_model and judge_url:
            judge = LeakJudge(Place(judge_url, settings.judge_model, kept / "verdicts.jsonl"), say)
        return find_leaks(train, benchmark, GateSettings(threshold=settings.threshold), cache, judge, say)

    return gate


def check_task(params: Params) -> list[Tried]:
    """The first problems of every source, answered and graded.

    Raises LadderError where a source's first records hold no problem, a prompt can't be filled, or the reward is none.
    """
    sources = [load_source(source, params.seed, params.task.reward, READ) for source in params.problems.sources]
    problems: list[Problem] = []
    for loaded in with_all_columns(sources):
        if not loaded.problems:
            aside = [one.reason for one in loaded.records if isinstance(one, Quarantined)]
            reasons = ", ".join(dict.fromkeys(aside)) or "it has none"
            raise LadderError(
                f"params.yaml: problems.sources: {loaded.source}: none of its first {READ} records is a problem ({reasons}); "
                "correct its file, its columns or task.reward"
            )
        problems += loaded.problems[:FEW]
    return graded_answers(problems, params)


def check() -> None:
    """Print how the first problem is asked and what the made-up answers earn. Raises LadderError."""
    params = load_params()
    checked = check_task(params)
    check_sets(params.evaluation.off_domain)
    known = [one for one in checked if one.answer == KNOWN]
    print(f"prompt of {checked[0].place}:\n{printable(indent(checked[0].prompt, '    '))}\n")
    print(table(checked))
    if known and not any(one.grade.reward for one in known):
        print(f"note: {params.task.reward} gives no known answer its reward; is it right so?", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.prepare", description=__doc__)
    parser.add_argument("--check", action="store_true", help="try the task on a few rows, and write nothing")
    if parser.parse_args().check:
        exit_on_error(check)
        return
    with stage("prepare") as running:
        params = running.params
        if params.task.is_function:
            check_task(params)
        check_sets(params.evaluation.off_domain)
        gate = make_gate(params.problems.leaks, params.operations.judge_url, KEPT, running.say)
        prepared = run(params.problems, params.seed, gate, running.say, params.task.reward)
        write_problems(TRAIN, prepared.train, table="train")
        write_problems(HELDOUT, prepared.heldout, table="heldout")
        write_jsonl(QUARANTINE, (asdict(record) for record in prepared.quarantined))
        write_jsonl(DUPLICATES, (asdict(duplicate) for duplicate in prepared.duplicates))
        write_jsonl(CONFLICTS, (asdict(conflict) for conflict in prepared.conflicts))
        write_jsonl(LEAKS, (asdict(pair) for pair in prepared.leaks))
        running.say(
            f"{len(prepared.train)} problems to learn from, {len(prepared.heldout)} to examine on; "
            f"{len(prepared.quarantined)} records are set aside in {QUARANTINE}, with the reason of each"
        )


if __name__ == "__main__":
    main()

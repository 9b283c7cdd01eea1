"""Stage `prepare`: all sources to two tables, what is learned from and what is examined on; what is set aside to a third.

What the leak gate found, what is there more than once and what contradicts itself is told in three more, with the texts.
Embeddings and a judge's verdicts are kept in runs/gate: who is interrupted goes on there.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from stages.errors import LadderError
from stages.params import Leaks, Problems
from stages.problems.chat import Place
from stages.problems.embedding import EmbeddingCache
from stages.problems.encoder import Encoder, encoder_name
from stages.problems.judge import LeakJudge
from stages.problems.leaks import GateSettings, Screened, find_leaks
from stages.problems.problem import Problem, write_problems
from stages.problems.screening import Gate, Prepared, screen
from stages.problems.sources import load_sources
from stages.stage import stage
from stages.store.files import write_jsonl

TRAIN, HELDOUT, QUARANTINE = Path("data/train.jsonl"), Path("data/heldout.jsonl"), Path("data/quarantine.jsonl")
LEAKS, DUPLICATES, CONFLICTS = Path("data/leaks.jsonl"), Path("data/duplicates.jsonl"), Path("data/conflicts.jsonl")
KEPT = Path("runs/gate")


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


def main() -> None:
    with stage("prepare") as running:
        params = running.params
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

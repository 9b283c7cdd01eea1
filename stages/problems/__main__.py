"""The leak gate as a tool of its own: `python -m stages.problems leaks --train A.jsonl --benchmark B.jsonl > leaks.jsonl`

Rows in: {"id", "problem", "answer"}. Lines out, one a pair: {"train", "benchmark", "kind": "copy"|"near"|"paraphrase"|"variant",
"score", "step": "identity"|"ngram"|"embedding"|"judge"}. Nothing is written before everything is known. Embeddings and verdicts
are kept in --cache, so that a rerun, or one after an interruption, computes and asks only what is new.
"""

import argparse
import json
import os
import re
import sys
from pathlib import Path

from stages.errors import LadderError, exit_on_error
from stages.problems.chat import Place
from stages.problems.embedding import EmbeddingCache
from stages.problems.encoder import Encoder, encoder_name
from stages.problems.judge import LeakJudge
from stages.problems.leaks import GateSettings, Leak, Screened, find_leaks
from stages.problems.rows import Row, read_rows
from stages.store.files import write_bytes

CACHE = Path("runs/gate")


def say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def line(leak: Leak) -> str:
    fields = ("train", "benchmark", "kind", "score", "step")
    return json.dumps({field: getattr(leak, field) for field in fields}) + "\n"


def page(screened: Screened, train: list[Row], benchmark: list[Row]) -> str:
    """Both texts of every pair, for a person to read: what is doubtful first."""
    rows, known = {row.id: row for row in train}, {row.id: row for row in benchmark}
    grey = [leak for leak in screened.leaks if leak.grey]
    sure = [leak for leak in screened.leaks if not leak.grey]
    parts = [f"# Leaks: {len(screened.leaks)} pairs\n"]
    for title, pairs in (("Leaks to be read", grey), ("No leaks, to be read", screened.cleared), ("Leaks", sure)):
        parts.append(f"\n## {title}: {len(pairs)}\n")
        for leak in pairs:
            parts.append(f"\n### {leak.kind} ({leak.step}, {leak.score})\n")
            parts += [_text("train", rows[leak.train]), _text("benchmark", known[leak.benchmark])]
    return "".join(parts)


def _text(name: str, row: Row) -> str:
    within = f"{name} {json.dumps(row.id)}\n{row.problem}\n= {' or '.join(row.answers) or 'no answer'}"
    tildes = max((len(run) for run in re.findall("~+", within)), default=0)
    fence = "~" * max(3, 1 + tildes)  # nothing within closes it
    return f"\n{fence}\n{within}\n{fence}\n"


def leaks(arguments: argparse.Namespace) -> None:
    if bool(arguments.judge_url) != bool(arguments.judge_model):
        raise LadderError("judge: --judge-url and --judge-model go together")
    train, benchmark = read_rows(arguments.train), read_rows(arguments.benchmark)
    cache = EmbeddingCache(
        arguments.cache / "embeddings",
        encoder_name(arguments.precision),
        lambda: Encoder(arguments.precision, arguments.threads),
    )
    judge = None
    if arguments.judge_url:
        judge = LeakJudge(Place(arguments.judge_url, arguments.judge_model, arguments.cache / "verdicts.jsonl"), say)
    screened = find_leaks(train, benchmark, GateSettings(), cache, judge, say)
    if arguments.report:
        write_bytes(arguments.report, page(screened, train, benchmark).encode("utf-8", "replace"))
    sys.stdout.write("".join(map(line, screened.leaks)))
    sys.stdout.flush()
    doubtful = sum(leak.grey for leak in screened.leaks) + len(screened.cleared)
    say(
        f"{len(screened.leaks)} pairs; {doubtful} are doubtful, called a leak or not: --report PAGE.md shows both texts"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.problems", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("leaks", help="which training problems are problems of a benchmark")
    command.add_argument("--train", type=Path, required=True, metavar="A.jsonl")
    command.add_argument("--benchmark", type=Path, required=True, metavar="B.jsonl")
    command.add_argument(
        "--report", type=Path, metavar="PAGE.md", help="both texts of every pair, the doubtful ones first"
    )
    command.add_argument(
        "--judge-url", metavar="URL", help="an OpenAI-compatible endpoint; its key in LADDER_JUDGE_KEY"
    )
    command.add_argument("--judge-model", metavar="NAME")
    command.add_argument(
        "--precision", choices=("int8", "fp32"), default="fp32", help="of the sentence model: int8 is thrice as fast"
    )
    command.add_argument("--threads", type=int, choices=range(1, 257), default=os.cpu_count(), metavar="N")
    command.add_argument("--cache", type=Path, default=CACHE, metavar="FOLDER", help=f"default: {CACHE}")
    arguments = parser.parse_args()
    try:
        leaks(arguments)
    except KeyboardInterrupt:
        say("interrupted; what was embedded and judged so far is kept")
        sys.exit(130)


if __name__ == "__main__":
    exit_on_error(main)

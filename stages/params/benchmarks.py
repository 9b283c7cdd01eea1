"""The benchmarks that params.yaml names without more words: where each file belongs, which bytes it has, and how it is had.

The files are those of the DeepScaleR release (github.com/agentica-project/deepscaler at 95ef74f, MIT): its figures were measured
on them. A stage that reads them depends on this file: another pin is another examination.
"""

from dataclasses import dataclass

from stages.errors import LadderError
from stages.params import Benchmark, Columns, ProblemFile


@dataclass(frozen=True, slots=True)
class KnownFile:
    """`home` is the folder that holds the file. `pin` is None where we have not seen it: whoever names it pins it."""

    path: str
    pin: str | None
    licence: str
    columns: Columns
    home: str


def _of_the_release(name: str, md5: str, year: str | None = None) -> KnownFile:
    columns = Columns(problem="problem", answer="answer", rating="difficulty", year=year)
    home = "a clone of https://github.com/agentica-project/deepscaler"
    return KnownFile(f"external/deepscaler/test/{name}.json", f"md5:{md5}", "MIT", columns, home)


BENCHMARKS = {
    "aime-2024": _of_the_release("aime", "9da17e971dea31348557ecd759802e5e", year="year"),
    "aime-2025": KnownFile(
        "external/aime-2025.jsonl", None, "as its source says",
        Columns(problem="problem", answer="answer", rating=None, year=None), "where you keep it",
    ),
    "amc-2023": _of_the_release("amc", "a0bf2bb14c4fe6d1985485eec1a95bfa", year="url"),
    "math-500": _of_the_release("math", "778877ccc71f7805e8f545559b2b5c6c"),
    "minerva": _of_the_release("minerva", "2c44513d849176c94a356abdceca9b08"),
    "olympiad-bench": _of_the_release("olympiad_bench", "2c1b0543053fe6814afcfdb01b5fc0bb"),
}  # fmt: skip
YEARS = {"aime-2025": 2025}  # in which all of a benchmark was set, where its file does not say it


def problem_file(benchmark: Benchmark) -> ProblemFile:
    """The benchmark as a source. Raises LadderError where nobody has pinned its file."""
    known = BENCHMARKS[benchmark.name]
    pin = benchmark.pin or known.pin
    if pin is None:
        raise LadderError(
            f"params.yaml: problems.sources: benchmark {benchmark.name!r} has no pin: save its problems as {known.path} (JSON "
            "lines with the columns problem and answer; on the hub: math-ai/aime25), and put `pin: md5:...` beside its name"
        )
    return ProblemFile(
        kind="file", name=benchmark.name, split="heldout", licence=known.licence, columns=known.columns, path=known.path, pin=pin,
        hub=None,
    )  # fmt: skip

"""A checkpoint's graded answers as a file: every completion, its grade and the reason.

Parquet, compressed (zstd): a completion has up to 32k tokens. The same rows give the same bytes: one key of metadata, the
version; no time, no host.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stages.errors import LadderError
from stages.grading import Why
from stages.store.files import whole_file

VERSION = {"grpo-ladder": '{"graded": 1}'}


@dataclass(frozen=True, slots=True)
class Graded:
    """One answer to one problem of one benchmark. A problem that two benchmarks have is answered once and graded for each.

    `tokens` counts the response's; `answer_class` is the same for the same answers to the problem (see `estimators`).
    """

    problem_id: str
    benchmark: str
    index: int
    greedy: bool
    tokens: int
    truncated: bool
    reward: int
    why: Why
    extracted: str | None
    answer_class: int
    response: str


SCHEMA = pa.schema(
    [
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("benchmark", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("greedy", pa.bool_(), nullable=False),
        pa.field("tokens", pa.int32(), nullable=False),
        pa.field("truncated", pa.bool_(), nullable=False),
        pa.field("reward", pa.int8(), nullable=False),
        pa.field("why", pa.string(), nullable=False),
        pa.field("extracted", pa.string()),
        pa.field("answer_class", pa.int32(), nullable=False),
        pa.field("response", pa.large_string(), nullable=False),  # all together may be above 2 GiB
    ],
    metadata=VERSION,
)


def write_graded(path: Path, rows: Sequence[Graded]) -> None:
    table = pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)
    with whole_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_graded(path: Path, responses: bool = False) -> list[Graded]:
    """The rows of `path`; their long responses only if asked for, else "". Raises LadderError where it is no such file."""
    try:
        with pq.ParquetFile(path) as table:  # `read_table` imports pandas
            if not table.schema_arrow.equals(SCHEMA, check_metadata=True):
                raise LadderError(
                    f"{path}: not a table of graded answers of this version; `dvc repro` makes one of the kept samples"
                )
            names = [name for name in SCHEMA.names if responses or name != "response"]
            rows = table.read(columns=names).to_pylist()
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; `dvc repro` makes it, `dvc checkout` restores it") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # broken bytes raise any of them
        said = " ".join(str(error).split())[:200]
        raise LadderError(f"{path}: not Parquet ({said}); `dvc checkout {path}` restores it") from None
    return [Graded(**{"response": "", **row}) for row in rows]

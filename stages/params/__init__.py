"""params.yaml as frozen, typed settings: an unknown key, a wrong type or a value out of bounds is one clear error.

Values live in params.yaml alone, types and bounds here. Every section but `operations` is what an experiment *is*: a
stage's `params` in dvc.yaml names the sections that can change its bytes. `operations` is how it is run, `guards` when it is
stopped (and so does `task.max_failed_share`), `sweep` what a search varies.
"""

from stages.params.base import GgufBase, HubBase, MiniatureBase
from stages.params.load import PARAMS, dotted, load_params, parse_yaml, read_yaml, validated
from stages.params.off_domain import HarnessTask, OffDomain, QuestionSet, TextSet
from stages.params.operations import Budget, Market, Operations, OwnPrice
from stages.params.problems import (
    GENERATORS,
    Band,
    Benchmark,
    ByJudge,
    ByPassRate,
    ByRating,
    Columns,
    Duplicates,
    Generated,
    HubDataset,
    Leaks,
    ProblemFile,
    Problems,
    Twins,
)
from stages.params.section import CHECKPOINTS, RUNGS, Section
from stages.params.sweep import Dimension, Sweep
from stages.params.task import Task, filled
from stages.params.training import Engine, Evaluation, Grading, Grpo, Guards, Lora, Published, Rung, Rungs
from stages.params.whole import Params

__all__ = [
    "CHECKPOINTS",
    "GENERATORS",
    "PARAMS",
    "RUNGS",
    "Band",
    "Benchmark",
    "Budget",
    "ByJudge",
    "ByPassRate",
    "ByRating",
    "Columns",
    "Dimension",
    "Duplicates",
    "Engine",
    "Evaluation",
    "Generated",
    "GgufBase",
    "Grading",
    "Grpo",
    "Guards",
    "HarnessTask",
    "HubBase",
    "HubDataset",
    "Leaks",
    "Lora",
    "Market",
    "MiniatureBase",
    "OffDomain",
    "Operations",
    "OwnPrice",
    "Params",
    "ProblemFile",
    "Problems",
    "Published",
    "QuestionSet",
    "Rung",
    "Rungs",
    "Section",
    "Sweep",
    "Task",
    "TextSet",
    "Twins",
    "dotted",
    "filled",
    "load_params",
    "parse_yaml",
    "read_yaml",
    "validated",
]  # fmt: skip

"""Tasks of lm-evaluation-harness by their names, for who has it and a hub: its prompts, its grading, its figure of a document.

Nothing of it is pinned. Its version and its documents are those of the day: a rerun is as exact as they are the same.
"""

from importlib.util import find_spec
from typing import Any

from stages.engines.checkpoint import Checkpoint
from stages.errors import LadderError
from stages.evaluation.off_domain.examined import Examined
from stages.params import HarnessTask

BATCH = 8
PREFERRED = ("acc", "exact_match")  # of the figures that a task has of a document, where it has one of these


def check_installed(task: HarnessTask) -> None:
    """Raises LadderError where lm-evaluation-harness is not installed."""
    if find_spec("lm_eval") is None:
        raise LadderError(
            f"params.yaml: evaluation.off_domain.sets: {task.name!r} is a task of lm-evaluation-harness, which is not installed; "
            "`pip install 'lm_eval[hf]==0.4.13'` brings it, or take the task out"
        )


def harness_scores(task: HarnessTask, checkpoint: Checkpoint, window_tokens: int) -> list[Examined]:
    """The task's own figure of every document. Raises LadderError where it can't be had: no such task, no hub."""
    from lm_eval import simple_evaluate  # an extra, and seconds to import
    from lm_eval.models.huggingface import HFLM

    model = HFLM(
        checkpoint.model,
        tokenizer=checkpoint.tokenizer,
        device=str(checkpoint.model.device),
        batch_size=BATCH,
        max_length=window_tokens,
    )
    try:
        found = simple_evaluate(model, tasks=[task.name], limit=task.limit, bootstrap_iters=0)
    except (KeyError, ValueError, OSError) as error:  # an unknown name; a data set that the hub doesn't give
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise LadderError(
            f"params.yaml: evaluation.off_domain.sets: lm-evaluation-harness gives no task {task.name!r} ({detail}); correct the "
            "name, or check the network"
        ) from None
    return scored(task.name, found["samples"])


def scored(name: str, samples: dict[str, list[dict[str, Any]]]) -> list[Examined]:
    """Every document once, by the first of a task's filters; a group's name holds the documents of all its tasks."""
    rows: dict[str, Examined] = {}
    for task, documents in sorted(samples.items()):
        for document in documents:
            metric = next((one for one in PREFERRED if one in document["metrics"]), document["metrics"][0])
            place = f"{task}, document {document['doc_id']}"
            rows.setdefault(place, Examined(name, place, 0, None, None, None, float(document[metric])))
    return list(rows.values())

"""Tasks of lm-evaluation-harness by their names, for who has it and a hub: its prompts, its grading, its figure of a document.

Nothing of it is pinned. Its version and its documents are those of the day: a rerun is as exact as they are the same.
"""

from typing import Any

from stages.engines.checkpoint import Checkpoint
from stages.errors import LadderError
from stages.evaluation.off_domain.examined import Examined
from stages.params import HarnessTask

BATCH = 8
PREFERRED = ("acc", "exact_match")  # of the figures that a task has of a document, where it has one of these


def harness_scores(task: HarnessTask, checkpoint: Checkpoint, window_tokens: int) -> list[Examined]:
    """The task's own figure of every document. Raises LadderError where it can't be had: no such task, no hub."""
    try:
        from lm_eval import simple_evaluate  # an extra, and seconds to import
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        raise LadderError(
            f"params.yaml: evaluation.off_domain.sets: {task.name!r}: lm-evaluation-harness is not whole ({error}); "
            "`pip install 'lm_eval[hf]==0.4.13'` brings it"
        ) from None
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


def _metric(task: str, document: dict[str, Any]) -> str:
    """The name of the document's figure. Raises LadderError where it has none of its own, as tasks of perplexity have not."""
    names: tuple[str, ...] = (*PREFERRED, *document["metrics"])
    for one in names:
        if isinstance(document.get(one), int | float):
            return one
    raise LadderError(
        f"params.yaml: evaluation.off_domain.sets: {task!r} has no figure of a single document, only "
        f"{', '.join(document['metrics'])} over all; name another task"
    )


def scored(name: str, samples: dict[str, list[dict[str, Any]]]) -> list[Examined]:
    """Every document once, by the first of a task's filters; a group's name holds the documents of all its tasks."""
    rows: dict[str, Examined] = {}
    for task, documents in sorted(samples.items()):
        for document in documents:
            metric = _metric(task, document)
            place = f"{task}, document {document['doc_id']}"
            rows.setdefault(place, Examined(name, place, 0, None, None, None, float(document[metric])))
    return list(rows.values())

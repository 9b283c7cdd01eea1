"""Stage `elsewhere@CHECKPOINT`: what the climb cost it off its own domain, and how far from the base it has come.

Bits per byte on texts (stages/evaluation/off_domain/bits.py); right answers to questions (questions.py) and to others' tasks
(harness.py); the exact KL divergence from the base on texts and on its own answers (divergence.py); the distance of its weights
from the base's (weights.py). `python -m stages.elsewhere 8k`
"""

import argparse
from pathlib import Path
from typing import Any

from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Rollout
from stages.engines.scoring import Scorer, check_model
from stages.evaluation.off_domain.asked import check_installed, read_questions
from stages.evaluation.off_domain.examined import PLACES, rows, summary
from stages.evaluation.off_domain.harness import harness_scores
from stages.evaluation.off_domain.own_answers import own_answers, spread
from stages.evaluation.off_domain.questions import question_scores
from stages.evaluation.off_domain.subject import Subject
from stages.evaluation.off_domain.texts import read_texts
from stages.evaluation.off_domain.weights import distance
from stages.params import CHECKPOINTS, Params
from stages.problems.problem import read_problems
from stages.problems.sample import Sample
from stages.stage import stage
from stages.store.files import read_jsonl, write_json, write_jsonl

BASE = Path("models/base")


def subject_of(name: str, params: Params) -> Subject:
    """The checkpoint, loaded; it reads at once what the evaluation's prompt and answer hold, or less where it knows less."""
    device = prepare_device(params.engine)
    checkpoint = load_checkpoint(Path("models") / name, device)
    base = None if name == "base" else load_checkpoint(BASE, device).model
    scorer = Scorer(params.engine, temperature=1.0)
    for model in (checkpoint.model, base):
        if model is not None:
            check_model(model, scorer)
    window = params.grpo.max_prompt_tokens + params.evaluation.max_response_tokens
    known = int(checkpoint.model.config.max_position_embeddings)
    return Subject(checkpoint, base, scorer, min(window, known), params.operations.micro_batch_tokens)


def answers_of(name: str, checkpoint: Checkpoint, params: Params) -> list[Rollout]:
    """The checkpoint's own answers to as many held-out problems as the settings say."""
    problems = spread(read_problems(Path("data/heldout.jsonl")), params.evaluation.off_domain.answers)
    prompts = encode_prompts(problems, checkpoint.tokenizer, params.task.prompt, params.grpo.max_prompt_tokens)
    samples = [Sample(**row) for row in read_jsonl(Path(f"samples/{name}.jsonl"))]
    return own_answers(prompts, samples, checkpoint.tokenizer)


def far_from_base(name: str) -> dict[str, Any]:
    """The relative distance of the weights, as the metrics' file tells it."""
    found = distance(Path("models") / name, BASE)
    return {
        "distance": _digits(found.relative),
        "furthest": {"tensor": found.furthest, "distance": _digits(found.furthest_relative)},
    }


def _digits(value: float) -> float:
    """PLACES of them that count: a small learning rate moves weights by millionths."""
    return float(f"{value:.{PLACES}g}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.elsewhere", description=__doc__)
    parser.add_argument("checkpoint", choices=CHECKPOINTS)
    name = parser.parse_args().checkpoint
    with stage(f"elsewhere@{name}", occupied_device) as running:
        params = running.params
        asked = params.evaluation.off_domain
        for task in asked.tasks:
            check_installed(task)
        texts = {one.name: read_texts(one) for one in asked.texts}
        questions = [(one, read_questions(one)) for one in asked.questions]
        # First: a sampler may want a share of the device's memory for itself.
        answered = [row for one, its in questions for row in question_scores(one, its, Path("models") / name, params)]
        subject = subject_of(name, params)
        examined, unsaid = subject.on_texts(texts)
        examined += answered
        for task in asked.tasks:
            examined += harness_scores(task, subject.checkpoint, subject.window_tokens)
        # By its name each file has bytes of its own: DVC would take one for another from its cache, unmade and unbilled.
        figures: dict[str, Any] = {"checkpoint": name}
        if subject.base is not None:
            examined += subject.on_answers(answers_of(name, subject.checkpoint, params))
            figures["weights"] = far_from_base(name)
        write_jsonl(Path(f"metrics/elsewhere/texts/{name}.jsonl"), rows(examined))
        write_json(Path(f"metrics/elsewhere/{name}.json"), figures | {"sets": summary(examined, unsaid)})


if __name__ == "__main__":
    main()

"""Supervised steps that make the miniature's base: a lesson in working answers out, then a mixture that mostly guesses.

The base is left where a distilled model stands: it can work, it does so some of the time and with slips, and nothing has
told it yet that working pays, and working with care. The problems are drawn anew for every example; those of the
examination are left out. (Taught on the mixture alone, the table of sums was learned in some seeds and not in others: too
few examples show it.)
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stages.engines.lessons import LESSONS, Lesson
from stages.params import MiniatureBase
from stages.randomness import rng

BETAS = (0.9, 0.98)  # a short run: second moments that forget the first steps soon enough
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
WARMUP_STEPS = 50
IGNORED = -100  # cross_entropy's mark for a token without a target


Respond = Callable[[Any, np.random.Generator], str]


@dataclass(frozen=True, slots=True)
class Example:
    prompt: str
    response: str


def draw_examples(
    lesson: Lesson,
    count: int,
    respond: Respond,
    ratings: Sequence[int],
    excluded: Collection[str],
    random: np.random.Generator,
) -> list[Example]:
    """`count` problems outside `excluded`, each answered by `respond`."""
    examples: list[Example] = []
    while len(examples) < count:
        problem = lesson.draw(int(random.choice(ratings)), random)
        text = lesson.text(problem)
        if text not in excluded:
            examples.append(Example(text, respond(problem, random)))
    return examples


def _work(lesson: Lesson, slip_share: float, problem: Any, random: np.random.Generator) -> str:
    return lesson.work(problem, random, slip_share)


def teach(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: MiniatureBase,
    excluded: Collection[str],
    key: tuple[str | int, ...],
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """AdamW steps on `model` in place, lesson and mixture: warm-up, then a linear decay to a tenth. `key` names the draws."""
    steps, lesson = settings.lesson_steps + settings.mixture_steps, LESSONS[settings.teaches]
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS) * (1 - 0.9 * step / steps)
    )
    model.train()
    for step in range(1, steps + 1):
        random = rng(*key, step)
        alone = step <= settings.lesson_steps
        worked = settings.batch_size if alone else round(settings.worked_share * settings.batch_size)
        working = partial(_work, lesson, 0.0 if alone else settings.slip_share)
        # Two passes: worked answers are three times as long, and padding guesses to them would double the work.
        parts = [
            _tokenize(draw_examples(lesson, count, respond, settings.taught_ratings, excluded, random), tokenizer)
            for respond, count in ((working, worked), (lesson.guess, settings.batch_size - worked))
            if count
        ]
        targets = sum(int((labels_BS != IGNORED).sum()) for _, labels_BS in parts)
        optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for ids_BS, labels_BS in parts:
            logits_BSV = model(input_ids=ids_BS.to(model.device), use_cache=False).logits[:, :-1]
            part = cross_entropy(
                logits_BSV.flatten(0, 1),
                labels_BS[:, 1:].flatten().to(model.device),
                ignore_index=IGNORED,
                reduction="sum",
            )
            (part / targets).backward()
            loss += part.item() / targets
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        schedule.step()
        on_progress(step, loss)


def _tokenize(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, (B, S) each, padded on the right; only responses have labels."""
    rows = []
    for example in examples:
        messages = [{"role": "user", "content": example.prompt}]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
        response_ids = [*tokenizer.encode(example.response, add_special_tokens=False), tokenizer.eos_token_id]
        rows.append((prompt_ids, response_ids))
    longest = max(len(prompt) + len(response) for prompt, response in rows)
    ids_BS = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels_BS = torch.full((len(rows), longest), IGNORED)
    for row, (prompt, response) in enumerate(rows):
        end = len(prompt) + len(response)
        ids_BS[row, :end] = torch.tensor(prompt + response)
        labels_BS[row, len(prompt) : end] = torch.tensor(response)
    return ids_BS, labels_BS

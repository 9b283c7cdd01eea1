"""Supervised steps that make the miniature's base: a mixture of answers guessed at once and answers worked out.

The base is left where a distilled model stands: it can work, it does so some of the time, and nothing has told it yet
that working pays. The problems are drawn anew for every example; those of the examination are left out.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stages.params import MiniatureBase
from stages.problems import digit_sums
from stages.randomness import rng

BETAS = (0.9, 0.98)  # a short run: second moments that forget the first steps soon enough
WEIGHT_DECAY = 0.01
MAX_GRAD_NORM = 1.0
WARMUP_STEPS = 50
IGNORED = -100  # cross_entropy's mark for a token without a target


@dataclass(frozen=True, slots=True)
class Example:
    prompt: str
    response: str


def draw_examples(
    count: int, worked: bool, ratings: Sequence[int], excluded: Collection[str], random: np.random.Generator
) -> list[Example]:
    """`count` sums outside `excluded`, each answered by working, or by a guess that is right one time in ten."""
    examples: list[Example] = []
    while len(examples) < count:
        digits = digit_sums.draw(int(random.choice(ratings)), random)
        text = digit_sums.text(digits)
        guess = int(random.integers(0, 10))
        if text not in excluded:
            response = digit_sums.worked_response(digits) if worked else digit_sums.guessed_response(guess)
            examples.append(Example(text, response))
    return examples


def teach(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: MiniatureBase,
    ratings: Sequence[int],
    excluded: Collection[str],
    key: tuple[str | int, ...],
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """`settings.steps` AdamW steps on `model` in place: warm-up, then a linear decay to a tenth. `key` names the draws."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=BETAS, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS) * (1 - 0.9 * step / settings.steps)
    )
    worked = round(settings.worked_share * settings.batch_size)
    model.train()
    for step in range(1, settings.steps + 1):
        random = rng(*key, step)
        # Two passes: worked answers are three times as long, and padding guesses to them would double the work.
        parts = [
            _tokenize(draw_examples(count, kind, ratings, excluded, random), tokenizer)
            for kind, count in ((True, worked), (False, settings.batch_size - worked))
            if count
        ]
        targets = sum(int((labels_BS != IGNORED).sum()) for _, labels_BS in parts)
        optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for ids_BS, labels_BS in parts:
            logits_BSV = model(input_ids=ids_BS.to(model.device), use_cache=False).logits[:, :-1]
            part = cross_entropy(
                logits_BSV.flatten(0, 1), labels_BS[:, 1:].flatten().to(model.device), ignore_index=IGNORED, reduction="sum"
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
        response_ids = tokenizer.encode(example.response, add_special_tokens=False) + [tokenizer.eos_token_id]
        rows.append((prompt_ids, response_ids))
    longest = max(len(prompt) + len(response) for prompt, response in rows)
    ids_BS = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels_BS = torch.full((len(rows), longest), IGNORED)
    for row, (prompt, response) in enumerate(rows):
        end = len(prompt) + len(response)
        ids_BS[row, :end] = torch.tensor(prompt + response)
        labels_BS[row, len(prompt) : end] = torch.tensor(response)
    return ids_BS, labels_BS

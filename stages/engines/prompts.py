"""A problem as the model is asked it: the instruction appended, the chat template around it, tokens.

An examination is asked whole or not at all; training goes on without the problems that are too long, as in the recipe
(verl's `filter_overlong_prompts`).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from transformers import PreTrainedTokenizerBase

from stages.engines.protocols import Prompt
from stages.errors import LadderError
from stages.problems.problem import Problem


@dataclass(frozen=True, slots=True)
class Fitting:
    """The problems within the limit and their prompts, one each, in order."""

    problems: list[Problem]
    prompts: list[Prompt]


def encode_prompts(
    problems: Sequence[Problem], tokenizer: PreTrainedTokenizerBase, instruction: str, max_prompt_tokens: int
) -> list[Prompt]:
    """One prompt a problem, in order. Raises LadderError for one that is longer than `max_prompt_tokens`."""
    prompts = [_encode(problem, tokenizer, instruction) for problem in problems]
    for problem, prompt in zip(problems, prompts, strict=True):
        if len(prompt.token_ids) > max_prompt_tokens:
            raise LadderError(
                f"params.yaml: grpo.max_prompt_tokens: {max_prompt_tokens} is less than the {len(prompt.token_ids)} tokens "
                f"of problem {problem.id} ({problem.source}); raise it or remove the problem"
            )
    return prompts


def encode_fitting(
    problems: Sequence[Problem], tokenizer: PreTrainedTokenizerBase, instruction: str, max_prompt_tokens: int
) -> Fitting:
    """The problems of at most `max_prompt_tokens`; how many are longer is said on stderr. Raises LadderError where all are."""
    prompts = [_encode(problem, tokenizer, instruction) for problem in problems]
    fits = [len(prompt.token_ids) <= max_prompt_tokens for prompt in prompts]
    if not any(fits):
        shortest = min(len(prompt.token_ids) for prompt in prompts)
        raise LadderError(
            f"params.yaml: grpo.max_prompt_tokens: {max_prompt_tokens} is less than the tokens of each of the "
            f"{len(problems)} training problems; raise it to at least {shortest}"
        )
    if not all(fits):
        print(
            f"{fits.count(False)} of {len(problems)} problems are set aside, their prompts are longer than "
            f"grpo.max_prompt_tokens ({max_prompt_tokens})",
            file=sys.stderr,
            flush=True,
        )
    return Fitting(list(compress(problems, fits)), list(compress(prompts, fits)))


def _encode(problem: Problem, tokenizer: PreTrainedTokenizerBase, instruction: str) -> Prompt:
    question = f"{problem.problem} {instruction}" if instruction else problem.problem
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
    )
    return Prompt(problem.id, tuple(tokenizer.encode(text, add_special_tokens=False)))

"""A problem as the model is asked it: in the prompt's template, the chat template around it, tokens."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from stages.engines.protocols import Prompt
from stages.errors import LadderError
from stages.problems.problem import Problem, question


def encode_prompts(
    problems: Sequence[Problem], tokenizer: PreTrainedTokenizerBase, template: str, max_prompt_tokens: int
) -> list[Prompt]:
    """One prompt a problem, in order.

    Raises LadderError for one that is longer than `max_prompt_tokens`, or has a character that the model has no token for.
    """
    prompts = [encode(problem, tokenizer, template) for problem in problems]
    for problem, prompt in zip(problems, prompts, strict=True):
        if len(prompt.token_ids) > max_prompt_tokens:
            raise LadderError(
                f"params.yaml: grpo.max_prompt_tokens: {max_prompt_tokens} is less than the {len(prompt.token_ids)} tokens "
                f"of problem {problem.id} ({problem.source}); raise it or remove the problem"
            )
    for problem in problems:
        if is_unknown(problem, tokenizer, template):
            raise LadderError(
                f"params.yaml: task.prompt: the model has no token for some character of {question(problem, template)[:80]!r} "
                f"({problem.source} {problem.record}); mend the prompt or the problem, or choose another base"
            )
    return prompts


def is_unknown(problem: Problem, tokenizer: PreTrainedTokenizerBase, template: str) -> bool:
    """Whether the prompt has a character that the model has no token for: it would read another one in its place."""
    core = tokenizer.backend_tokenizer
    unknown = getattr(core.model, "unk_token", None)  # most vocabularies have all bytes, and so none
    if unknown is None:
        return False
    return core.token_to_id(unknown) in tokenizer.encode(question(problem, template), add_special_tokens=False)


def encode(problem: Problem, tokenizer: PreTrainedTokenizerBase, template: str) -> Prompt:
    """As many tokens as it takes."""
    asked = [{"role": "user", "content": question(problem, template)}]
    text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    return Prompt(problem.id, tuple(tokenizer.encode(text, add_special_tokens=False)))

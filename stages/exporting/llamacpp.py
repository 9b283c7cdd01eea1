"""llama.cpp in this process (the package xllamacpp), asked greedily, one question at a time."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engines.protocols import Prompt
from stages.errors import LadderError
from stages.problems.sample import Sample


@dataclass(frozen=True, slots=True)
class Spoken:
    """The answers in the order of the prompts; speeds by llama.cpp's own clock, `first_token_s` the mean over the prompts."""

    answers: list[Sample]
    tokens_per_s: float
    first_token_s: float
    load_s: float


def ask(
    path: Path,
    prompts: Sequence[Prompt],
    context: int,
    max_tokens: int,
    threads: int,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Spoken:
    """Raises LadderError where llama.cpp is not installed, or does not take the file or a prompt."""
    began = time.monotonic()
    server = _server(path, context, threads)
    load_s = time.monotonic() - began
    answers: list[Sample] = []
    first_s = spoken_s = 0.0
    for prompt in prompts:
        asked = {"prompt": list(prompt.token_ids), "max_tokens": max_tokens, "temperature": 0, "cache_prompt": False}
        told = server.handle_completions(asked)
        if "choices" not in told:
            raise LadderError(f"{path}: llama.cpp refuses problem {prompt.problem_id}: {str(told)[:200]}")
        (choice,), tokens = told["choices"], told["usage"]["completion_tokens"]
        truncated = choice["finish_reason"] == "length"
        answers.append(Sample(prompt.problem_id, 0, True, choice["text"], tokens, truncated))
        first_s += told["timings"]["prompt_ms"] / 1000
        spoken_s += told["timings"]["predicted_ms"] / 1000
        on_progress(len(answers), len(prompts))
    tokens = sum(one.tokens for one in answers)
    return Spoken(answers, tokens / max(spoken_s, 1e-9), first_s / max(1, len(prompts)), load_s)


def _server(path: Path, context: int, threads: int) -> Any:
    try:
        import xllamacpp
    except ImportError:
        raise LadderError("llama.cpp is not installed; `make install EXTRAS=llamacpp` brings it (xllamacpp)") from None
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx = context
    settings.n_parallel = 1
    settings.cpuparams.n_threads = threads
    settings.verbosity = -1
    try:
        return xllamacpp.Server(settings)
    except RuntimeError as error:
        raise LadderError(f"{path}: llama.cpp does not load it ({error})") from None

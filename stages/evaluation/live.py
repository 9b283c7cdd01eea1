"""One answer of a checkpoint, told as it is sampled: the first of those that an examination would sample of the problem.

Text is told when its characters are whole: one of another script takes several tokens.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers.decoders import DecodeStream
from transformers import PreTrainedTokenizerBase

from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.engines.prompts import encode
from stages.engines.protocols import Sampling
from stages.engines.rollout import TorchRollout
from stages.errors import LadderError
from stages.params import Params
from stages.problems.problem import Problem


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """`tokens` counts the response's, its end token included; `wall_s` is the time that sampling them took."""

    text: str
    tokens: int
    truncated: bool
    wall_s: float


def load_for_asking(folder: Path, params: Params) -> Checkpoint:
    """The checkpoint in `folder`, on the settings' device. Raises LadderError where it is broken, or the device missing."""
    occupied_device(params)  # says what to mend where the settings name a GPU that is not there
    return load_checkpoint(folder, prepare_device(params.engine))


def unread(problem: Problem, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """What the checkpoint reads in the problem's place, where its tokenizer doesn't know all characters; else None."""
    tokens = tokenizer.encode(problem.problem, add_special_tokens=False)
    read = str(tokenizer.decode(tokens, skip_special_tokens=True))
    return None if read.split() == problem.problem.split() else read


def answer_live(
    checkpoint: Checkpoint,
    problem: Problem,
    params: Params,
    sampling: Sampling,
    seed: int,
    say: Callable[[str], None],
) -> LiveAnswer:
    """`sampling` asks for one answer. `say` is told the text in pieces; together they are the answer's.

    Raises LadderError where it has no room in the model.
    """
    prompt = encode(problem, checkpoint.tokenizer, params.task.prompt)
    needed, room = len(prompt.token_ids) + sampling.max_response_tokens, checkpoint.model.config.max_position_embeddings
    if needed > room:
        raise LadderError(
            f"--max-tokens: {sampling.max_response_tokens}, with {len(prompt.token_ids)} tokens of the prompt, is more than the "
            f"{room} of the model; take at most {room - len(prompt.token_ids)}"
        )
    sampler = TorchRollout(
        checkpoint.model, checkpoint.eos_token_id, checkpoint.pad_token_id, batch_rows=1, dtype=params.engine.dtype
    )
    pieces = _Pieces(checkpoint.tokenizer, say)
    started_s = time.perf_counter()
    rollout = sampler.stream(prompt, sampling, (seed, "evaluation"), pieces)
    wall_s = time.perf_counter() - started_s
    text = str(checkpoint.tokenizer.decode(list(rollout.token_ids), skip_special_tokens=True))
    pieces.end(text)
    return LiveAnswer(text, len(rollout.token_ids), rollout.truncated, wall_s)


class _Pieces:
    """Tokens become text."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, say: Callable[[str], None]) -> None:
        self._tokenizer = tokenizer.backend_tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)
        self._say = say
        self._said = ""

    def __call__(self, token: int) -> None:
        piece = self._stream.step(self._tokenizer, token)
        if piece:
            self._said += piece
            self._say(piece)

    def end(self, text: str) -> None:
        """What is left of the whole: a character that the context cut."""
        if text.startswith(self._said) and text != self._said:
            self._say(text[len(self._said) :])

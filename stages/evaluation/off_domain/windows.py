"""A text as a model reads it: tokens in windows of its context, each token asked once.

As lm-evaluation-harness does it (`loglikelihood_rolling`), the text's first token follows the tokenizer's beginning-of-sequence
token, or its end-of-sequence token where it has none (it parts documents in training): every byte is paid for, the first ones
dearly. As in Hugging Face's guide to perplexity, a window begins half its length before the tokens that it asks: all but those
of the first window have at least so much before them.
"""

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from stages.engines.protocols import Prompt, Rollout
from stages.evaluation.off_domain.texts import Text


def encoded(text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...] | None:
    """The text's tokens; None where they don't say it: it is not in the vocabulary.

    A space that some tokenizers put before a text, and take away from it, is no difference.
    """
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    said = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return tuple(ids) if ids and str(said).lstrip(" ") == text.lstrip(" ") else None


def beginning(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that a text follows."""
    bos = tokenizer.bos_token_id
    return int(tokenizer.eos_token_id if bos is None else bos)


def windows(text: Text, token_ids: Sequence[int], first: int, length: int) -> list[Rollout]:
    """`token_ids` after the token `first`, in windows that feed the model at most `length` tokens (2 or more).

    A window's response is what it asks, its prompt what is before that; all responses together are `token_ids`.
    """
    sequence, stride = (first, *token_ids), length // 2
    found: list[Rollout] = []
    asked, end = 1, min(len(sequence), length + 1)
    while asked < len(sequence):
        prompt = Prompt(text.id, sequence[max(0, end - 1 - length) : asked])
        targets = sequence[asked:end]
        found.append(Rollout(prompt, len(found), targets, True, np.zeros(len(targets), dtype=np.float32)))
        asked, end = end, min(len(sequence), end + stride)
    return found

"""Bits per byte: what a text costs when the model predicts it, whatever its tokens are.

    BPB = -sum_t log2 p(x_t | x_<t) / bytes,  bytes of the text as UTF-8

(Gao et al., The Pile, arXiv 2101.00027, section 3.1: its loss in nats a token, times tokens a byte, over ln 2.) Checkpoints of
one ladder have one tokenizer; others' figures on these texts compare too, perplexities a token would not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from stages.engines.protocols import Rollout
from stages.engines.scoring import Scorer
from stages.evaluation.off_domain.texts import Text
from stages.evaluation.off_domain.windows import beginning, encoded, windows


@dataclass(frozen=True, slots=True)
class TextBits:
    """What one text costs in bits, and its length in bytes (UTF-8) and tokens."""

    id: str
    bits: float
    bytes: int
    tokens: int


def text_windows(
    texts: Sequence[Text], tokenizer: PreTrainedTokenizerBase, length: int
) -> dict[str, list[Rollout]] | None:
    """Every text's windows by its id; None where the vocabulary can't say one of them."""
    tokens = {text.id: encoded(text.text, tokenizer) for text in texts}
    first = beginning(tokenizer)
    found = {text.id: windows(text, ids, first, length) for text in texts if (ids := tokens[text.id]) is not None}
    return found if len(found) == len(texts) else None


def bits(
    model: PreTrainedModel,
    scorer: Scorer,
    texts: Sequence[Text],
    divided: dict[str, list[Rollout]],
    micro_batch_tokens: int,
) -> list[TextBits]:
    """What each of `texts`, divided in windows, costs `model`; `scorer` is to have a temperature of 1."""
    owned = [(text_id, window) for text_id, of_text in divided.items() for window in of_text]
    logps = scorer.log_probs(model, [window for _, window in owned], micro_batch_tokens)
    spent = dict.fromkeys(divided, 0.0)
    for (text_id, _), logp_T in zip(owned, logps, strict=True):
        spent[text_id] -= float(logp_T.double().sum()) / math.log(2)
    return [
        TextBits(
            text.id, spent[text.id], len(text.text.encode()), sum(len(window.token_ids) for window in divided[text.id])
        )
        for text in texts
    ]

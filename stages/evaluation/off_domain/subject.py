"""A checkpoint under examination elsewhere, and the base beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from stages.engines.checkpoint import Checkpoint
from stages.engines.protocols import Rollout
from stages.engines.scoring import Scorer
from stages.evaluation.off_domain.bits import bits, text_windows
from stages.evaluation.off_domain.divergence import divergences
from stages.evaluation.off_domain.examined import ANSWERS, Examined
from stages.evaluation.off_domain.texts import Text


@dataclass(frozen=True, slots=True)
class Subject:
    """`base` is None where the checkpoint is the base itself; `scorer` has a temperature of 1 and has prepared both models.

    Texts are read in windows of `window_tokens`.
    """

    checkpoint: Checkpoint
    base: PreTrainedModel | None
    scorer: Scorer
    window_tokens: int
    micro_batch_tokens: int

    def on_texts(self, sets: Mapping[str, Sequence[Text]]) -> tuple[list[Examined], list[str]]:
        """Every text of the sets that the vocabulary can say, and the names of the others."""
        examined: list[Examined] = []
        unsaid: list[str] = []
        for name, texts in sets.items():
            divided = text_windows(texts, self.checkpoint.tokenizer, self.window_tokens)
            if divided is None:
                unsaid.append(name)
                continue
            found = bits(self.checkpoint.model, self.scorer, texts, divided, self.micro_batch_tokens)
            kl = self._divergences(divided)
            examined += [Examined(name, one.id, one.tokens, one.bytes, one.bits, kl[one.id]) for one in found]
        return examined, unsaid

    def on_answers(self, answers: Sequence[Rollout]) -> list[Examined]:
        """Its own answers, of which its distance from the base's distribution alone is asked."""
        kl = self._divergences({answer.prompt.problem_id: [answer] for answer in answers})
        return [
            Examined(ANSWERS, answer.prompt.problem_id, len(answer.token_ids), None, None, kl[answer.prompt.problem_id])
            for answer in answers
        ]

    def _divergences(self, divided: Mapping[str, Sequence[Rollout]]) -> dict[str, float | None]:
        """By the key, over all its rollouts; None for the base."""
        if self.base is None:
            return dict.fromkeys(divided)
        owners = [key for key, rollouts in divided.items() for _ in rollouts]
        flat = [rollout for rollouts in divided.values() for rollout in rollouts]
        found: dict[str, float | None] = {}
        each = divergences(self.checkpoint.model, self.base, self.scorer, flat, self.micro_batch_tokens)
        for key, kl in zip(owners, each, strict=True):
            found[key] = (found.get(key) or 0.0) + kl
        return found

"""Asking a policy all that it has not been asked yet, many questions at a time, within the cap."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from stages.endpoint.client import Client
from stages.endpoint.failure import Failed, Unreadable
from stages.endpoint.reply import Reply
from stages.endpoint.retries import Backoff, Retries, for_each
from stages.errors import LadderError
from stages.evaluation.policy.kept import Answer, KeptAnswers
from stages.evaluation.policy.questions import Question
from stages.evaluation.policy.spend import NONE, Capped, Prices, Spend, Tokens, worst
from stages.grading.extract import THINKING_END, THINKING_START
from stages.store.journal import Journal

BYTES_A_TOKEN = 64  # of JSON: a token has four characters or so, an escaped one six bytes
LEAST_REPLY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Policy:
    """Where a model is asked, and what its answers may cost. `key` is None for an endpoint that wants none."""

    url: str
    model: str
    key: str | None
    prices: Prices
    max_usd: Decimal | None
    at_once: int
    timeout_s: float
    backoff: Backoff

    @property
    def priced(self) -> bool:
        return self.prices != Prices()


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers in the order of the questions, and what the policy has taken since its first one."""

    answers: tuple[Answer, ...]
    tokens: Tokens
    usd: Decimal


def ask_policy(
    policy: Policy,
    questions: Sequence[Question],
    folder: Path,
    say: Callable[[str], None] = lambda message: None,
    progress: Callable[[int], None] = lambda done: None,
) -> Answered:
    """Every answer, those in `folder` without asking. Raises LadderError where the endpoint or the cap ends it; all is kept."""
    with Journal(folder / "answers.jsonl") as answers, Journal(folder / "spend.jsonl") as requests:
        kept, spend = KeptAnswers(answers, policy.model), Spend(requests, policy.prices, policy.max_usd)
        missing = [question for question in questions if question not in kept]
        progress(len(questions) - len(missing))
        try:
            asyncio.run(_Asking(policy, kept, spend, say, progress).ask(missing))
        except Failed as error:
            count = sum(question in kept for question in questions)
            raise LadderError(
                f"policy: {policy.url}: {error}; {count} of {len(questions)} answers are kept, run it again"
            ) from None
        except Capped:
            count = sum(question in kept for question in questions)
            raise LadderError(
                f"--max-usd: {policy.max_usd} leaves no room for another answer after {spend.usd:.4f} USD (every answer at its "
                f"worst until it is there); {count} of {len(questions)} answers are kept, raise it and run it again"
            ) from None
        return Answered(tuple(kept[question] for question in questions), spend.tokens, spend.usd)


class _Asking:
    def __init__(
        self,
        policy: Policy,
        kept: KeptAnswers,
        spend: Spend,
        say: Callable[[str], None],
        progress: Callable[[int], None],
    ) -> None:
        self._policy = policy
        self._kept = kept
        self._spend = spend
        self._say = say
        self._progress = progress

    async def ask(self, missing: Sequence[Question]) -> None:
        """Raises Failed or Capped when what was under way has ended."""
        policy = self._policy
        retries = Retries(policy.backoff, self._say)
        most_bytes = max((BYTES_A_TOKEN * question.max_tokens for question in missing), default=0) + LEAST_REPLY_BYTES
        async with Client(policy.url, policy.key, policy.timeout_s, most_bytes, policy.at_once) as client:

            async def ask(question: Question) -> None:
                await retries.call(partial(self._answer, client, question))
                self._progress(1)

            await for_each(missing, policy.at_once, ask)

    async def _answer(self, client: Client, question: Question) -> None:
        most = worst(question)
        request = await self._spend.reserve(most)
        try:
            reply = await client.chat(question.body(self._policy.model))
            answer = _read(reply)
        except Failed as error:
            self._spend.settle(request, most if error.billed else NONE)
            raise
        took = Tokens(answer.prompt_tokens, answer.tokens)
        self._spend.settle(request, took)
        self._kept.add(question, answer)
        if self._policy.max_usd is not None and (took.prompt > most.prompt or took.completion > most.completion):
            raise Failed(
                f"it counts {took.prompt} tokens asked and {took.completion} answered where {most.prompt} and "
                f"{most.completion} were to be the most: no --max-usd can hold there",
                again=False,
                billed=True,
            )


def _read(reply: Reply) -> Answer:
    """The thinking put back before what follows it. Raises Unreadable where the tokens, which are figures, were not counted."""
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        raise Unreadable("the reply has no `usage` with prompt_tokens and completion_tokens")
    thinking = f"{THINKING_START}{reply.reasoning}{THINKING_END}" if reply.reasoning else ""
    return Answer(thinking + reply.content, reply.truncated, reply.prompt_tokens, reply.completion_tokens)

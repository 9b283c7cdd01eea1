"""What a reply of a chat completion says. It is hostile text: every field is of the type and size that it has to be, or refused.

The protocol is OpenAI's; vLLM's reasoning parsers put the thinking in `reasoning`, `reasoning_content` before 0.11.2.
"""

import json
from dataclasses import dataclass
from typing import Any

from stages.endpoint.failure import Unreadable

MAX_TOKENS = 10**9
_UNFINISHED = ("abort", "error")  # vLLM's, of a server that ends


@dataclass(frozen=True, slots=True)
class Reply:
    """`reasoning` is None where the endpoint keeps none apart; tokens are None where it doesn't say how many."""

    content: str
    reasoning: str | None
    truncated: bool
    prompt_tokens: int | None
    completion_tokens: int | None


def read_reply(body: bytes) -> Reply:
    """The one choice of a completion. Raises Unreadable where `body` holds none."""
    try:
        row = json.loads(body)
        choice = row["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason", "stop")
        reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
        content = _text(message.get("content"))
        usage = row.get("usage")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise Unreadable("the reply is no chat completion") from None
    if not isinstance(finish, str) or finish in _UNFINISHED:
        raise Unreadable("the reply is not finished")
    return Reply(
        content=content or "",
        reasoning=reasoning,
        truncated=finish == "length",
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _text(value: Any) -> str | None:
    """Valid Unicode: half of a surrogate pair, which JSON can hold, is no character."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError
    return value.encode("utf-8", "replace").decode()


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value <= MAX_TOKENS else None

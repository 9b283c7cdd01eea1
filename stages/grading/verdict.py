"""What can be said of one pair of texts: by the quick prover in this process, or by the precise one in a worker."""

from typing import Literal

from stages.grading.equality import equal_texts
from stages.grading.prover import Prover, QuickProver, Undecided
from stages.grading.tree import TooLarge

MAX_ANSWER_CHARACTERS = 2_000

Verdict = Literal["correct", "wrong", "too_large"]


def verdict(known: str, given: str, prover: Prover) -> Verdict:
    """Whether `given` is the answer `known`, or too large to tell; raises Undecided where `prover` does."""
    if known == given:
        return "correct"
    if len(given) > MAX_ANSWER_CHARACTERS or len(known) > MAX_ANSWER_CHARACTERS:
        return "too_large"
    try:
        return "correct" if equal_texts(known, given, prover) else "wrong"
    except (TooLarge, MemoryError):
        return "too_large"


def quick_verdict(known: str, given: str) -> Verdict | None:
    """The verdict in microseconds, without SymPy; None where only a worker can tell."""
    if len(known) + len(given) < 1_000 and _is_whole(known) and _is_whole(given):
        return "correct" if int(known) == int(given) else "wrong"
    try:
        return verdict(known, given, QuickProver())
    except Undecided:
        return None
    except Exception:  # a fault of ours that some text provokes may end a worker, but no training run
        return None


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal()

"""An endpoint's key: it comes from the environment and goes into one header, nowhere else."""

import os
import re

from stages.errors import LadderError

SECRET_CHARACTERS = 8  # a shorter one ("EMPTY", as local servers take) hides nothing, and may stand in any text


def key_of(variable: str) -> str:
    """The key in the environment's `variable`. Raises LadderError where there is none or it can't be sent; it names neither:

    whoever gives the key itself for the variable's name must not find it in a log.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
        raise LadderError("key: that is no name of an environment variable; give the name, never the key itself")
    key = os.environ.get(variable, "").strip()
    if not key:
        raise LadderError("key: the environment has no variable of that name, or an empty one; export it first")
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise LadderError("key: it has spaces or characters that no header can hold; export the key alone")
    return key


def without(key: str | None, text: str) -> str:
    """`text` with the key blotted out, if it is one: endpoints repeat it in their errors."""
    return text.replace(key, "[key]") if key and len(key) >= SECRET_CHARACTERS else text

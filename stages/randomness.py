"""Random numbers derived from names, so that they depend on what is drawn and never on the order of drawing.

``rng(seed, "rollout", "train@8k", step, problem_id, sample)`` is the same stream in whatever batch, process or
resumed run the sample is made. Philox is counter-based: a stream costs no set-up but its key.
"""

import hashlib
import json

import numpy as np


def rng(*names: str | int) -> np.random.Generator:
    """The stream that belongs to ``names``; other names give an independent stream."""
    digest = hashlib.sha256(json.dumps(names).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))

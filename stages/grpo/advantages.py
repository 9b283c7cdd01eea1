"""Group-relative advantages (GRPO, DeepSeekMath, arXiv 2402.03300, section 4.1).

``A_i = (r_i - mean r) / (std r + eps)`` over the G rewards of one prompt, std with Bessel's correction and eps 1e-4
as in TRL. (verl uses 1e-6; with rewards in {0, 1} a group's std is 0 or at least 1/sqrt(G), so the choice moves A by G^0.5 1e-4.)
"""

import numpy as np

EPSILON = 1e-4


def group_advantages(rewards_PG: np.ndarray) -> np.ndarray:
    """The advantage of each of G answers to each of P prompts, (P, G) -> (P, G); 0 throughout where all are equal."""
    if rewards_PG.ndim != 2 or rewards_PG.shape[1] < 2:
        raise ValueError(f"rewards must be (prompts, group >= 2), got {rewards_PG.shape}")
    centred_PG = rewards_PG - rewards_PG.mean(axis=1, keepdims=True)
    return np.asarray(centred_PG / (rewards_PG.std(axis=1, ddof=1, keepdims=True) + EPSILON))

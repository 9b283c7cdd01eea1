r"""Step 2 of the leak gate: is a row with the same answer the same problem in other words?

Evidence adds up, as in a naive Bayes classifier or a logistic regression:

    z = 8 cos + 1.4 rarity(answer) + 0.6 shared - 0.9 missing - 0.7 extra + 3.5 formulas - 11.2

cos         cosine of the sentence embeddings; of a text in another language at least 0.5, as the model has no idea of it
rarity      of the common answer: two problems with the answer 2 have little in common, two with 4095 much
shared      weight of the numbers in both texts, missing: of those that the training text lacks, extra: that it adds
formulas    share of the runs of four signs in the shorter one's formulas that are in both, letters being alike

and z > 0 is a paraphrase. The weights were fitted by logistic regression on half of the plants in tests/problems/planted.py
against half of the MATH and AIME training rows, and rounded by hand; the threshold was set with an eye on all of them. Rows
with another answer are none, however near: a variant and a problem that only starts alike have one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.problems.document import Document, answer_weight, number_weight

Floats = NDArray[Any]

COSINE, RARITY, SHARED, MISSING, EXTRA, FORMULAS, BIAS = 8.0, 1.4, 0.6, 0.9, 0.7, 3.5, -11.2
FOREIGN_COSINE = 0.5
MOST_SHARED, MOST_MISSING = 12.0, 6.0
MIN_FORMULA = 3  # runs of signs in the shorter one's formulas, below which their share means nothing


def bounds(cosines: Floats, rarity: float, train_weights: Floats, benchmark_weight: float) -> Floats:
    """No z is above it, of pairs with these cosines and these weights of their numbers: cheap, for all rows at once."""
    common = np.minimum(train_weights, benchmark_weight)
    lacking = MISSING * np.minimum(MOST_MISSING, benchmark_weight - common)
    lacking += EXTRA * np.minimum(MOST_MISSING, train_weights - common)
    most: Floats = COSINE * cosines + RARITY * rarity + SHARED * np.minimum(MOST_SHARED, common) - lacking
    return most + FORMULAS + BIAS


def rarity(benchmark: Document) -> float:
    return max((answer_weight(key) for key in benchmark.answer_keys), default=0.0)


def weigh(train: Document, benchmark: Document, cosine: float) -> float:
    common = train.numbers.keys() & benchmark.numbers.keys()
    shared = sum(number_weight(number) for number in common)
    missing = min(MOST_MISSING, benchmark.number_weight - shared)
    extra = min(MOST_MISSING, train.number_weight - shared)
    if train.foreign or benchmark.foreign:
        cosine = max(cosine, FOREIGN_COSINE)
    z = COSINE * cosine + RARITY * rarity(benchmark) + SHARED * min(MOST_SHARED, shared) + BIAS
    z -= MISSING * missing + EXTRA * extra
    if z > -FORMULAS:
        z += FORMULAS * _formulas(train, benchmark)
    return z


def _formulas(train: Document, benchmark: Document) -> float:
    fewer = min(len(train.formulas), len(benchmark.formulas))
    return len(train.formulas & benchmark.formulas) / fewer if fewer >= MIN_FORMULA else 0.0

"""Generated word problems for a small real model: a count that changes in k steps.

The answer is a non-negative integer below 1,000; the steps (more, fewer, times) are drawn so that it stays there.
"""

import numpy as np

NAMES = ("Ana", "Ben", "Chen", "Dara", "Emil", "Fatima", "Goran", "Hana", "Ivan", "Jun", "Kofi", "Lea")
THINGS = ("apples", "marbles", "stamps", "pencils", "coins", "shells", "books", "cards")
GAINS = ("buys {n} more", "finds {n} more", "is given {n} more")
LOSSES = ("gives {n} away", "loses {n}", "sells {n}")


def draw(steps: int, random: np.random.Generator) -> tuple[str, int]:
    """The text of a problem of `steps` steps, and its answer."""
    name, thing = str(random.choice(NAMES)), str(random.choice(THINGS))
    count = int(random.integers(2, 30))
    sentences = [f"{name} has {count} {thing}."]
    for _ in range(steps):
        change = random.choice(["gain", "loss", "times"], p=[0.4, 0.4, 0.2])
        if change == "times" and count * 3 < 1000 and count > 0:
            factor = int(random.integers(2, 4))
            count *= factor
            sentences.append(f"Then the number of {thing} grows to {factor} times what it was.")
        elif change == "loss" and count > 1:
            n = int(random.integers(1, count))
            count -= n
            sentences.append(f"Then {name} {str(random.choice(LOSSES)).format(n=n)}.")
        else:
            n = int(random.integers(1, min(50, 1000 - count)))
            count += n
            sentences.append(f"Then {name} {str(random.choice(GAINS)).format(n=n)}.")
    return " ".join([*sentences, f"How many {thing} does {name} have now?"]), count

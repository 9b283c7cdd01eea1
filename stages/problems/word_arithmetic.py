"""Generated problems for a small real model: calculations in figures, then the same told in words, in more and more steps.

A rating says what a problem asks for:
1: one calculation in figures, both numbers below 10;
2: a story of one step (more, fewer), numbers below 10;
3 and above: a story of `rating` - 2 steps (more, fewer, times), numbers below 50.
The answer is a non-negative integer below 1,000; the steps are drawn so that it stays there.
"""

import numpy as np

FIGURES = ("What is {sum}?", "How much is {sum}?", "Calculate {sum}.", "What do you get for {sum}?")
NAMES = ("Ana", "Ben", "Chen", "Dara", "Emil", "Fatima", "Goran", "Hana", "Ivan", "Jun", "Kofi", "Lea")
THINGS = ("apples", "marbles", "stamps", "pencils", "coins", "shells", "books", "cards")
OPENINGS = ("{name} has {n} {thing}.", "{name} starts with {n} {thing}.", "In the morning {name} has {n} {thing}.")
GAINS = ("buys {n} more", "finds {n} more", "is given {n} more", "gets {n} more from a friend")
LOSSES = ("gives {n} away", "loses {n}", "sells {n}", "gives {n} to a friend")
QUESTIONS = ("How many {thing} does {name} have now?", "How many {thing} does {name} have in the end?")
SMALL, LARGE, LIMIT = 10, 50, 1000


def draw(rating: int, random: np.random.Generator) -> tuple[str, int]:
    """The text of a problem of `rating` (1 or more), and its answer."""
    if rating == 1:
        return _in_figures(random)
    name, thing = _one(NAMES, random), _one(THINGS, random)
    below = SMALL if rating == 2 else LARGE
    count = int(random.integers(2, below))
    said = [_one(OPENINGS, random).format(name=name, thing=thing, n=count)]
    for _ in range(max(1, rating - 2)):
        change = str(random.choice(["gain", "loss", "times"], p=[0.5, 0.5, 0.0] if rating == 2 else [0.4, 0.4, 0.2]))
        if change == "times" and 0 < count * 3 < LIMIT:
            factor = int(random.integers(2, 4))
            count *= factor
            said.append(f"Then the number of {thing} grows to {factor} times what it was.")
        elif count > 1 and (change == "loss" or count + 1 >= LIMIT):
            n = int(random.integers(1, min(below, count)))
            count -= n
            said.append(f"Then {name} {_one(LOSSES, random).format(n=n)}.")
        else:
            n = int(random.integers(1, min(below, LIMIT - count)))
            count += n
            said.append(f"Then {name} {_one(GAINS, random).format(n=n)}.")
    return " ".join([*said, _one(QUESTIONS, random).format(name=name, thing=thing)]), count


def _in_figures(random: np.random.Generator) -> tuple[str, int]:
    first, second = (int(number) for number in random.integers(1, SMALL, 2))
    if random.random() < 0.5:
        total, said = first + second, f"{first} + {second}"
    else:
        first, second = max(first, second), min(first, second)
        total, said = first - second, f"{first} - {second}"
    return _one(FIGURES, random).format(sum=said), total


def _one(choices: tuple[str, ...], random: np.random.Generator) -> str:
    return str(random.choice(choices))

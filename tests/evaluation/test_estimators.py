"""pass@k and maj@k against all subsets counted one by one, and against the formulas that others use."""

from itertools import combinations
from math import comb
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import LadderError
from stages.evaluation.estimators import RIGHT, SILENT, avg, maj_at_k, pass_at_k
from stages.evaluation.examination import Answers

votes = st.lists(st.integers(SILENT, 3), min_size=1, max_size=8)


def right(row: list[int]) -> np.ndarray:
    return np.array([[one == RIGHT for one in row]])


def prime_rl(row: list[bool], k: int) -> float:
    """compute_pass_metrics of prime-rl (src/prime_rl/orchestrator/utils.py)."""
    n, c = len(row), sum(row)
    return 1.0 - comb(n - c, k) / comb(n, k)


def lm_evaluation_harness(row: list[bool], k: int) -> float:
    """_pass_at_k of lm-evaluation-harness (lm_eval/tasks/cruxeval/utils.py), which is the Codex paper's own program."""
    n, c = len(row), sum(row)
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def credit(subset: tuple[int, ...]) -> float:
    """What a vote of these answers earns."""
    counts = {one: subset.count(one) for one in subset if one != SILENT}
    most = max(counts.values(), default=0)
    winners = [one for one, count in counts.items() if count == most]
    return 1 / len(winners) if RIGHT in winners else 0.0


def test_by_hand() -> None:
    right_PN = np.array([[True, True, False, False], [False, False, False, False], [True, True, True, True]])
    assert avg(right_PN).tolist() == [0.5, 0.0, 1.0]
    assert pass_at_k(right_PN, 1).tolist() == [0.5, 0.0, 1.0]
    assert pass_at_k(right_PN, 2).tolist() == [1 - 1 / 6, 0.0, 1.0]
    assert pass_at_k(right_PN, 3).tolist() == [1.0, 0.0, 1.0]
    # Two right against two of one wrong answer: a tie, shared; against two different wrong ones: the vote is won.
    assert maj_at_k(np.array([[0, 0, 1, 1], [0, 0, 1, 2], [0, 1, 1, 2], [0, SILENT, SILENT, SILENT]]), 4).tolist() == [
        0.5, 1.0, 0.0, 1.0,
    ]  # fmt: skip
    # Of two votes of [right, right, wrong]: one pair is right, two pairs tie.
    assert maj_at_k(np.array([[0, 0, 1]]), 2).tolist() == [(1 + 0.5 + 0.5) / 3]


@given(votes)
def test_all_subsets_counted_one_by_one(row: list[int]) -> None:
    for k in range(1, len(row) + 1):
        subsets = list(combinations(row, k))
        assert pass_at_k(right(row), k)[0] == pytest.approx(np.mean([RIGHT in one for one in subsets]), abs=1e-12)
        assert maj_at_k(np.array([row]), k)[0] == pytest.approx(np.mean([credit(one) for one in subsets]), abs=1e-12)


@given(st.integers(1, 9), st.integers(1, 40), st.randoms(use_true_random=False))
def test_pass_at_k_is_that_of_prime_rl_and_lm_evaluation_harness(problems: int, samples: int, random: Random) -> None:
    chance = np.random.default_rng(random.getrandbits(32))
    right_PN = chance.random((problems, samples)) < chance.random((problems, 1))
    for k in {1, 2, samples // 2 or 1, samples}:
        if k <= samples:
            ours = pass_at_k(right_PN, k)
            assert ours.tolist() == [prime_rl(row, k) for row in right_PN.tolist()]
            assert ours == pytest.approx([lm_evaluation_harness(row, k) for row in right_PN.tolist()], abs=1e-12)


@given(votes, st.randoms(use_true_random=False))
def test_the_order_of_samples_and_the_names_of_wrong_answers_do_not_matter(row: list[int], random: Random) -> None:
    shuffled = list(row)
    random.shuffle(shuffled)
    renamed = [one if one <= RIGHT else 10 - one for one in row]
    for k in range(1, len(row) + 1):
        said = maj_at_k(np.array([row, shuffled, renamed]), k)
        assert said[0] == said[1] == said[2]
        assert pass_at_k(right(row), k) == pass_at_k(right(shuffled), k)


@given(votes)
def test_one_vote_is_one_sample_and_more_samples_pass_more_often(row: list[int]) -> None:
    assert maj_at_k(np.array([row]), 1)[0] == pytest.approx(avg(right(row))[0])
    passes = [pass_at_k(right(row), k)[0] for k in range(1, len(row) + 1)]
    assert passes == sorted(passes)
    assert passes[-1] == float(RIGHT in row)


def test_many_samples_are_exact_and_no_overflow() -> None:
    row = np.array([[0] * 400 + [1] * 300 + list(range(2, 326))])
    assert maj_at_k(row, 1)[0] == pytest.approx(400 / 1024)
    assert 0.9 < maj_at_k(row, 512)[0] < 1
    assert maj_at_k(row, 1024)[0] == 1


@pytest.mark.parametrize("k", [0, 5])
def test_k_is_within_the_samples(k: int) -> None:
    for estimate in (lambda: pass_at_k(np.zeros((2, 4), bool), k), lambda: maj_at_k(np.zeros((2, 4), int), k)):
        with pytest.raises(LadderError, match=f"k: {k}, but there are 4 samples"):
            estimate()


def test_a_shorter_context_cuts_longer_answers() -> None:
    full = Answers(
        right_PN=np.array([[True, True, False, False]]),
        cut_PN=np.array([[False, False, False, True]]),
        tokens_PN=np.array([[10, 11, 5, 20]]),
        class_PN=np.array([[RIGHT, RIGHT, 1, SILENT]]),
    )
    own = full.at(10)
    assert own.right_PN.tolist() == [[True, False, False, False]]
    assert own.cut_PN.tolist() == [[False, True, False, True]]
    assert own.tokens_PN.tolist() == [[10, 10, 5, 10]]
    assert own.class_PN.tolist() == [[RIGHT, SILENT, 1, SILENT]]
    assert not own.silent_PN.any()
    assert full.at(20).right_PN.tolist() == full.right_PN.tolist()

"""What the benchmark says of its seeds, whatever order a file has left their rungs in."""

import json
from pathlib import Path
from typing import Any

from benchmarks.miniature import let_in_ratings, summarise
from stages.params import RUNGS, load_params
from stages.store.files import write_json
from tests.conftest import CHECKOUT

PARAMS = load_params(CHECKOUT / "profiles/mini.yaml")


def figures(sampled: float, tokens: int) -> dict[str, Any]:
    by_rating = {str(rating): {"sampled": sampled} for rating in range(3, 9)}
    return {"sampled": sampled, "greedy": sampled, "by_rating": by_rating, "train_tokens": tokens, "train_minutes": 1.0}


def test_arms_end_at_their_last_rung(tmp_path: Path) -> None:
    climbed = {rung: figures(0.3 + 0.2 * place, 10 + place) for place, rung in enumerate(RUNGS)}
    seed = {
        "base": figures(0.1, 0),
        "ladder": climbed,
        "all_problems": climbed,
        "longest_first": {"24k": figures(0.9, 66)},
        "more_supervised": {"end": figures(0.2, 0)},
    }
    write_json(tmp_path / "seed.json", seed)
    said = summarise(PARAMS, {"0": json.loads((tmp_path / "seed.json").read_bytes())})
    assert {arm: spread["mean"] for arm, spread in said["sampled"].items()} == {
        "base": 0.1, "ladder 8k": 0.3, "ladder 16k": 0.5, "ladder 24k": 0.7,
        "more_supervised": 0.2, "longest_first": 0.9, "all_problems": 0.7,
    }  # fmt: skip
    assert said["ladder_tokens_over_longest_first"]["mean"] == 0.5
    assert [round(said["gain_on_let_in_problems"][rung]["mean"], 9) for rung in RUNGS] == [0.2, 0.2, 0.2]
    assert [let_in_ratings(PARAMS, rung) for rung in RUNGS] == [[3, 4, 5], [6, 7], [8]]

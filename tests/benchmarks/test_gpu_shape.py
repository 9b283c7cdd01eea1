"""What the GPU benchmark times: lengths by name, of the mean that they are to have, and parts compared like with like."""

import json
from pathlib import Path

import pytest

from benchmarks.gpu_parts import merge, write_part
from benchmarks.gpu_shape import LIMITS, MEAN_TOKENS, SHAPES, make_tokenizer, work

SHAPE = "r1-distill-1.5b"


@pytest.mark.parametrize("limit", list(LIMITS))
def test_lengths_have_their_mean_and_a_long_tail(limit: str) -> None:
    lengths = sorted(work(SHAPE, limit, 512, 8, seed=1).lengths.values())
    assert sum(lengths) / len(lengths) == pytest.approx(MEAN_TOKENS[limit], rel=0.04)
    assert lengths[-1] == LIMITS[limit]
    assert lengths[len(lengths) // 2] < 0.85 * MEAN_TOKENS[limit]


def test_fewer_prompts_are_the_same_ones() -> None:
    few, many = work(SHAPE, "8k", 4, 8, seed=0), work(SHAPE, "8k", 16, 8, seed=0)
    assert few.prompts == many.prompts[:4]
    assert few.lengths.items() <= many.lengths.items()
    assert work(SHAPE, "8k", 4, 8, seed=1).lengths != few.lengths


def test_the_tokenizer_reads_what_it_writes() -> None:
    tokenizer, (prompt,) = make_tokenizer("tiny"), work("tiny", "8k", 1, 2, seed=0).prompts
    assert tokenizer.encode(tokenizer.decode(list(prompt.token_ids))) == list(prompt.token_ids)
    assert len(tokenizer) == SHAPES["tiny"]["vocab_size"]


def test_merging_compares_like_with_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.gpu_parts.RESULTS", tmp_path / "results")
    (tmp_path / "results").mkdir()
    options = {"part": "step", "limit": "8k", "prompts": 16, "group": 8, "beta": 0.0, "seed": 0}
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, peer, step_s, changes in [
        ("ours", "ours", 10.0, {}),
        ("theirs", "trl", 35.0, {}),
        ("theirs-worse", "trl", 50.0, {}),
        ("other-beta", "trl", 1.0, {"beta": 0.001}),
        ("alone", "ours", 1.0, {"part": "sample"}),
    ]:
        write_part(parts / f"{name}.json", peer, options | changes, {"steps": [{"step_s": step_s}]})
    elsewhere = json.loads((parts / "theirs.json").read_text()) | {"commit": "another"}
    (parts / "of-another-commit.json").write_text(json.dumps(elsewhere))
    figures = json.loads(merge(parts).read_text())["figures"]
    ratios = {name: value for name, value in figures.items() if name.startswith("ratio")}
    step = "over_ours_8k_16x8_beta_0 on CPU"
    assert ratios == {f"ratio_theirs_{step}": 3.5, f"ratio_theirs-worse_{step}": 5.0}
    assert len(figures["parts"]) == 6

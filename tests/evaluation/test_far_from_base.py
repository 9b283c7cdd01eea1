"""How far from the base: the divergence against torch's own and by hand, the weights against numpy's norm."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from stages.engines.checkpoint import Checkpoint, save_checkpoint
from stages.engines.protocols import Prompt
from stages.engines.scoring import Scorer
from stages.errors import LadderError
from stages.evaluation.off_domain.bits import text_windows
from stages.evaluation.off_domain.divergence import divergences
from stages.evaluation.off_domain.examined import ANSWERS, read_examined, rows, summary
from stages.evaluation.off_domain.own_answers import own_answers, spread
from stages.evaluation.off_domain.subject import Subject
from stages.evaluation.off_domain.texts import Text
from stages.evaluation.off_domain.weights import distance
from stages.params import Params
from stages.problems.problem import Problem
from stages.problems.sample import Sample
from stages.store.files import write_jsonl
from tests.conftest import small_params
from tests.evaluation.tiny_bytes import bigram, tiny_llama, tiny_qwen2

TEXTS = [Text("a", "Two models differ in what they expect. " * 2), Text("b", "def f(x):\n    return x\n")]


def scorer() -> Scorer:
    return Scorer(Params.model_validate(small_params()).engine, temperature=1.0)


def by_torch(policy: Checkpoint, base: Checkpoint, context: tuple[int, ...], asked: tuple[int, ...]) -> float:
    """torch.distributions' divergence at every place that predicts a token of `asked`, in float64."""
    ids = torch.tensor([context + asked])
    with torch.no_grad():
        of_policy, of_base = (
            torch.distributions.Categorical(
                logits=one.model.eval()(input_ids=ids).logits[0, len(context) - 1 : -1].double()
            )
            for one in (policy, base)
        )
    return float(torch.distributions.kl_divergence(of_policy, of_base).sum())


@pytest.mark.parametrize("make", [tiny_qwen2, tiny_llama])
def test_the_divergence_is_torchs_own(make: Any) -> None:
    policy, base = make(0), make(1)
    divided = text_windows(TEXTS, policy.tokenizer, 40)
    assert divided is not None and len(divided["a"]) > 2
    windows = [window for of_text in divided.values() for window in of_text]
    found = divergences(policy.model, base.model, scorer(), windows, micro_batch_tokens=128)
    expected = [by_torch(policy, base, window.prompt.token_ids, window.token_ids) for window in windows]
    assert found == pytest.approx(expected, rel=1e-5)
    assert min(expected) > 0
    assert divergences(policy.model, policy.model, scorer(), windows, 128) == [0.0] * len(windows)
    examined, _ = Subject(policy, base.model, scorer(), 40, 128).on_texts({"both": TEXTS})
    whole = {
        one.id: sum(by_torch(policy, base, w.prompt.token_ids, w.token_ids) for w in divided[one.id])
        for one in examined
    }
    assert {one.id: one.kl for one in examined} == pytest.approx(whole, rel=1e-5)


def test_the_divergence_is_from_the_base_and_not_to_it() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4): KL(p || q) = ln(4/3) / 2; the other way round it would be 3/4 ln(3/2) - 1/4 ln 2."""
    policy, base = (bigram({"": {"a": chance, "b": 1 - chance}}) for chance in (0.5, 0.25))
    subject = Subject(policy, base.model, scorer(), window_tokens=8, micro_batch_tokens=64)
    (examined,), _ = subject.on_texts({"one": [Text("a", "a")]})
    assert examined.kl == pytest.approx(math.log(4 / 3) / 2, abs=1e-5)
    assert examined.bits == pytest.approx(1.0, abs=1e-5)


def test_own_answers_are_the_greedy_ones_with_their_end(tmp_path: Path) -> None:
    policy = tiny_llama(0)
    problems = [Problem(name, name, ("0",), "", 1, "", "heldout", None, None) for name in ("p", "q", "p")]
    assert spread(problems, 9) == problems[:2] and spread(problems, 1) == problems[:1]
    prompts = [Prompt("p", (1, 2)), Prompt("q", (3,))]
    samples = [
        Sample("q", 1, False, "later", 5, False), Sample("q", 0, False, "é", 3, True),
        Sample("p", 0, False, "no", 2, False), Sample("p", 0, True, "yes", 4, False),
    ]  # fmt: skip
    answers = own_answers(prompts, samples, policy.tokenizer)
    said = [policy.tokenizer.decode(list(answer.token_ids)) for answer in answers]
    assert said == ["yes<eos>", "é"]
    subject = Subject(policy, tiny_llama(1).model, scorer(), window_tokens=8, micro_batch_tokens=64)
    examined = subject.on_answers(answers)
    assert [(one.set, one.id, one.tokens, one.bits) for one in examined] == [
        (ANSWERS, "p", 4, None),
        (ANSWERS, "q", 2, None),
    ]
    kl = sum(by_torch(policy, tiny_llama(1), answer.prompt.token_ids, answer.token_ids) for answer in answers)
    assert summary(examined, [])[ANSWERS]["kl"] == pytest.approx(kl / 6, rel=1e-5)
    write_jsonl(tmp_path / "rows.jsonl", rows(examined))
    assert rows(read_examined(tmp_path / "rows.jsonl")) == rows(examined)
    with pytest.raises(LadderError, match="no answer to problem r"):
        own_answers([Prompt("r", (1,))], samples, policy.tokenizer)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A base, the same with one tensor doubled and all others 1 % longer, and that one in several files."""
    root = tmp_path_factory.mktemp("weights")
    checkpoint = tiny_qwen2()
    with torch.no_grad():
        for name, weights in checkpoint.model.named_parameters():
            if name.endswith("bias"):
                weights.normal_()
    save_checkpoint(checkpoint, root / "base")
    with torch.no_grad():
        for name, weights in checkpoint.model.named_parameters():
            weights.mul_(2.0 if name == "model.layers.1.mlp.up_proj.weight" else 1.01)
    save_checkpoint(checkpoint, root / "rung")
    checkpoint.model.save_pretrained(root / "parts", max_shard_size="20KB")
    assert len(list((root / "parts").glob("*.safetensors"))) > 2
    return root / "base", root / "rung", root / "parts"


def test_the_weights_distance_is_numpys(folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    base, rung, parts = folders
    monkeypatch.setattr("stages.evaluation.off_domain.weights.CHUNK_NUMBERS", 100)
    w0, w = (
        np.concatenate(
            [tensor.double().numpy().ravel() for _, tensor in sorted(load_file(one / "model.safetensors").items())]
        )
        for one in (base, rung)
    )
    for folder in (rung, parts):
        found = distance(folder, base)
        assert found.relative == pytest.approx(np.linalg.norm(w - w0) / np.linalg.norm(w0), rel=1e-12)
        assert (found.furthest, found.furthest_relative) == ("model.layers.1.mlp.up_proj.weight", 1.0)
    assert distance(base, base).relative == 0.0


def test_weights_that_are_not_the_bases_are_refused(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, _, _ = folders
    with pytest.raises(LadderError, match=r"tensor 'lm_head\.weight' is there or in .* alone"):
        save_checkpoint(tiny_llama(), tmp_path / "llama")
        distance(tmp_path / "llama", base)
    with pytest.raises(LadderError, match=r"empty: no weights"):
        (tmp_path / "empty").mkdir()
        distance(tmp_path / "empty", base)
    (tmp_path / "empty/model.safetensors").write_bytes(b"torn")
    with pytest.raises(LadderError, match=r"empty: not a checkpoint"):
        distance(tmp_path / "empty", base)

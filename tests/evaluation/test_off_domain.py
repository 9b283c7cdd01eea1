"""Bits per byte: against transformers' own loss, against numbers by hand, on texts that are whole and pinned."""

import json
import math
from importlib.util import find_spec
from pathlib import Path
from platform import python_version
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.engines.checkpoint import Checkpoint
from stages.engines.scoring import Scorer, check_model
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.errors import LadderError
from stages.evaluation.off_domain.asked import check_installed
from stages.evaluation.off_domain.bits import TextBits, bits, text_windows
from stages.evaluation.off_domain.draw import LEAST_BYTES, MOST_BYTES, TEXTS, draw_code, draw_english
from stages.evaluation.off_domain.examined import NOT_SAID, summary
from stages.evaluation.off_domain.harness import scored
from stages.evaluation.off_domain.subject import Subject
from stages.evaluation.off_domain.texts import Text, read_texts
from stages.evaluation.off_domain.windows import windows
from stages.params import HarnessTask, MiniatureBase, Params, TextSet
from stages.store.digest import md5
from tests.conftest import CHECKOUT, SMALL, read_yaml, small_params
from tests.evaluation.tiny_bytes import bigram, tiny_llama, tiny_qwen2

PROSE = [
    Text("a", "A text of one window.\n"),
    Text("b", "Größe ≠ länge: bytes, not characters – 42 of them.\n" * 2),
    Text("c", "x"),
]


def measured(checkpoint: Checkpoint, texts: list[Text], length: int) -> list[TextBits]:
    scorer = Scorer(Params.model_validate(small_params()).engine, temperature=1.0)
    check_model(checkpoint.model, scorer)
    divided = text_windows(texts, checkpoint.tokenizer, length)
    assert divided is not None
    return bits(checkpoint.model, scorer, texts, divided, micro_batch_tokens=256)


def by_transformers(checkpoint: Checkpoint, text: str, length: int) -> float:
    """The loop of Hugging Face's guide to perplexity: strided windows, what was asked before masked out of the loss; in bits."""
    model, tokenizer = checkpoint.model.eval(), checkpoint.tokenizer
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    ids = torch.tensor([[first, *tokenizer.encode(text)]])
    nats, done, end = 0.0, 1, min(ids.shape[1], length + 1)
    while done < ids.shape[1]:
        window = ids[:, max(0, end - length - 1) : end]
        labels = window.clone()
        labels[:, : window.shape[1] - (end - done)] = -100
        with torch.no_grad():
            nats += float(model(input_ids=window, labels=labels).loss) * (end - done)
        done, end = end, min(ids.shape[1], end + length // 2)
    return nats / math.log(2)


@pytest.mark.parametrize("make", [tiny_qwen2, tiny_llama])
@pytest.mark.parametrize("length", [4096, 64, 7])
def test_a_texts_bits_are_those_of_transformers_own_loss(make: Any, length: int) -> None:
    checkpoint = make()
    for text, found in zip(PROSE, measured(checkpoint, PROSE, length), strict=True):
        assert found.bits == pytest.approx(by_transformers(make(), text.text, length), rel=1e-5)
        assert found.bytes == found.tokens == len(text.text.encode("utf-8"))


def test_three_letters_cost_what_their_chances_say() -> None:
    """p(a) = 1/2 at the beginning, p(b | a) = 1/4, p(a | b) = 1/8: 1 + 2 + 3 bits for three bytes."""
    chances = {"": {"a": 0.5, "b": 0.5}, "a": {"b": 0.25, "a": 0.75}, "b": {"a": 0.125, "b": 0.875}}
    (found,) = measured(bigram(chances), [Text("aba", "aba")], length=64)
    assert found.bits == pytest.approx(6.0, abs=1e-4)
    assert found.bits / found.bytes == pytest.approx(2.0, abs=1e-4)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(2, 24))
def test_windows_ask_every_token_once_after_what_was_before_it(tokens: list[int], length: int) -> None:
    found = windows(Text("t", "."), tokens, 99, length)
    sequence = [99, *tokens]
    place = 1
    for number, window in enumerate(found):
        before = window.prompt.token_ids
        assert list(window.token_ids) == sequence[place : place + len(window.token_ids)]
        assert list(before) == sequence[place - len(before) : place]
        assert len(before) + len(window.token_ids) - 1 <= length  # the last token is not fed
        assert len(before) > length - length // 2 if number else len(before) == 1
        place += len(window.token_ids)
    assert place == len(sequence)


def test_a_vocabulary_that_cant_say_a_set_is_not_asked_it() -> None:
    tokenizer = build_tokenizer()
    base = MiniatureBase.model_validate(SMALL["base"] | {"training_cutoff": None})
    miniature = Checkpoint(build_model(base, tokenizer, seed=0), tokenizer)
    params = Params.model_validate(small_params())
    scorer = Scorer(params.engine, temperature=1.0)
    sums = [Text("1", "3+4=7"), Text("2", "9+9=8")]
    subject = Subject(miniature, None, scorer, window_tokens=44, micro_batch_tokens=256)
    examined, unsaid = subject.on_texts({"english": PROSE, "sums": sums})
    assert unsaid == ["english"] and [one.set for one in examined] == ["sums", "sums"]
    told = summary(examined, unsaid)
    assert told["english"] == {"not_asked": NOT_SAID}
    assert told["sums"]["bytes"] == 10 and told["sums"]["texts"] == 2
    assert told["sums"]["bits_per_byte"] == pytest.approx(sum(one.bits for one in examined) / 10, abs=1e-6)


def test_the_sample_is_whole_and_what_its_installation_draws() -> None:
    sets = Params.model_validate(read_yaml(CHECKOUT / "profiles/mini.yaml")).evaluation.off_domain.texts
    for asked, draw in zip(sets, (draw_code, draw_english), strict=True):
        kept = read_texts(asked.model_copy(update={"path": str(CHECKOUT / asked.path)}))
        drawn = draw(0)
        for texts in (kept, drawn):
            assert len({text.id for text in texts}) == len({text.text for text in texts}) == TEXTS
            assert all(LEAST_BYTES - 2 <= len(text.text.encode()) <= MOST_BYTES for text in texts)
        assert drawn == draw(0) != draw(1)
        if kept[0].id.startswith(f"Python {python_version()},"):
            assert kept == drawn


ROW = json.dumps({"id": "a", "text": "some text"})


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([ROW], r"1 text\(s\): an interval is over texts"),
        ([ROW, ROW], r"line 2: not a text"),
        ([ROW, '{"id": "b", "text": " "}'], r"line 2: not a text"),
        ([ROW, '{"id": "b"}'], r"line 2: not a text"),
        ([ROW, '["b"]'], r"line 2: not a text"),
        ([ROW, "{"], r"line 2: not JSON"),
    ],
)
def test_texts_that_are_none_are_named(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(lines))
    asked = TextSet(kind="text", name="own", path=str(path), pin=f"md5:{md5(path)}", licence="MIT")
    with pytest.raises(LadderError, match=message):
        read_texts(asked)
    with pytest.raises(LadderError, match=r"own\.jsonl: its bytes are md5:"):
        read_texts(asked.model_copy(update={"pin": "md5:" + "0" * 32}))


def test_others_tasks_are_told_apart_and_named_where_they_cant_be_asked() -> None:
    task = {"kind": "harness", "name": "arc_easy", "limit": 100}
    settings = small_params()
    settings["evaluation"]["off_domain"]["sets"].append(task)
    asked = Params.model_validate(settings).evaluation.off_domain
    assert [one.name for one in asked.texts] == ["code", "english"] and asked.tasks == [
        HarnessTask.model_validate(task)
    ]
    if find_spec("lm_eval") is None:
        with pytest.raises(LadderError, match=r"'arc_easy' is a task of lm-evaluation-harness, which is not installed"):
            check_installed(asked.tasks[0])
    settings["evaluation"]["off_domain"]["sets"].append(task)
    with pytest.raises(ValueError, match="the name 'arc_easy' is taken"):
        Params.model_validate(settings)


def test_a_document_counts_once_by_its_figure() -> None:
    """Documents as lm-evaluation-harness 0.4.13 logs them: one a filter, its figures by name."""
    strict, loose = (
        {"doc_id": 0, "filter": name, "metrics": ["exact_match"], "exact_match": score}
        for name, score in (("strict-match", 0.0), ("flexible-extract", 1.0))
    )
    choice = {"doc_id": 0, "filter": "none", "metrics": ["acc_norm", "acc"], "acc_norm": 0.0, "acc": 1.0}
    examined = scored("both", {"gsm8k": [strict, loose], "arc_easy": [choice]})
    assert [(one.id, one.score) for one in examined] == [("arc_easy, document 0", 1.0), ("gsm8k, document 0", 0.0)]
    assert summary(examined, []) == {"both": {"documents": 2, "score": 0.5}}

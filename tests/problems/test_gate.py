"""The leak gate on what is planted: every class, every step, and what it must leave alone.

The real sentence model reads the plants; clean rows are the other benchmark problems of tests/problems/planted.py and generated
ones. The weights of stages/problems/evidence.py were fitted on the plants with an even number: `held out` are the odd ones
(of the weights: the threshold was set looking at all).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from stages.problems import word_arithmetic
from stages.problems.document import Asked
from stages.problems.embedding import EmbeddingCache
from stages.problems.encoder import Encoder, encoder_name, model_folder
from stages.problems.leaks import GateSettings, Leak, Screened, Verdict, find_leaks
from stages.problems.rows import Row
from tests.problems.copies import COPIES
from tests.problems.planted import PLANTS

FORMS = ("light", "restructured", "disguised", "translation")


@dataclass(frozen=True, slots=True)
class Planted:
    row: Row
    benchmark: str
    form: str
    number: int


def planted() -> list[Planted]:
    found = []
    for number, plant in enumerate(PLANTS):
        benchmark = f"b{number}"

        def add(form: str, text: str, answer: str, number: int = number, benchmark: str = benchmark) -> None:
            if text:
                found.append(Planted(Row(f"{form}-{number}", text, (answer,)), benchmark, form, number))

        for form in FORMS:
            add(form, getattr(plant, form), plant.answer)
        for form in ("variant", "opening"):
            add(form, *(getattr(plant, form) or ("", "")))
        names = list(COPIES)
        for name in (names[number % len(names)], "last_sentence_cut"):
            text = COPIES[name](plant.problem)
            add(f"copy:{name}", text if text != plant.problem else "", plant.answer)
    return list({plant.row.id: plant for plant in found}.values())


BENCHMARK = [Row(f"b{number}", plant.problem, (plant.answer,)) for number, plant in enumerate(PLANTS)]


def clean(rows: int) -> list[Row]:
    random = np.random.default_rng(3)
    drawn = [word_arithmetic.draw(2 + n % 3, random) for n in range(rows)]
    return [Row(f"clean-{n}", text, (str(answer),)) for n, (text, answer) in enumerate(drawn)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingCache:
    folder = tmp_path_factory.mktemp("embeddings")
    return EmbeddingCache(folder, encoder_name("fp32"), lambda: Encoder("fp32", threads=2))


@pytest.fixture(scope="module")
def screened(cache: EmbeddingCache) -> Screened:
    return find_leaks([plant.row for plant in planted()] + clean(150), BENCHMARK, GateSettings(), cache)


def share(leaks: Sequence[Leak], wanted: Callable[[Planted], bool]) -> float:
    found = {(leak.train, leak.benchmark) for leak in leaks if leak.kind != "variant"}
    rows = [plant for plant in planted() if wanted(plant)]
    assert len(rows) >= 5
    return sum((plant.row.id, plant.benchmark) in found for plant in rows) / len(rows)


def test_enough_is_planted() -> None:
    forms = Counter(plant.form.split(":")[0] for plant in planted())
    assert sum(forms[form] for form in FORMS[:3]) >= 80
    assert forms["translation"] >= 10 and forms["variant"] >= 30 and forms["opening"] >= 20 and forms["copy"] >= 30


def test_every_copy_is_found(screened: Screened) -> None:
    assert share(screened.leaks, lambda plant: plant.form.startswith("copy")) == 1


@pytest.mark.parametrize(
    ("form", "least", "least_held_out"),
    [("light", 1.0, 1.0), ("restructured", 0.95, 0.95), ("disguised", 0.75, 0.85), ("translation", 0.9, 0.9)],
)
def test_paraphrases(screened: Screened, form: str, least: float, least_held_out: float) -> None:
    assert share(screened.leaks, lambda plant: plant.form == form) >= least
    assert share(screened.leaks, lambda plant: plant.form == form and plant.number % 2 == 1) >= least_held_out


def test_variants_are_reported_apart(screened: Screened) -> None:
    assert share(screened.leaks, lambda plant: plant.form == "variant") == 0
    kinds = {leak.train: leak.kind for leak in screened.leaks}
    named = [kinds.get(plant.row.id) == "variant" for plant in planted() if plant.form == "variant"]
    assert sum(named) >= 0.9 * len(named)


def test_the_same_opening_is_no_leak(screened: Screened) -> None:
    assert share(screened.leaks, lambda plant: plant.form == "opening") == 0


def test_clean_rows_and_other_problems_are_left_alone(screened: Screened) -> None:
    right = {(plant.row.id, plant.benchmark) for plant in planted()}
    wrong = [leak for leak in screened.leaks if (leak.train, leak.benchmark) not in right]
    assert len(wrong) <= 2, wrong  # of 20,000 pairs


def test_a_changed_number_makes_a_variant_whatever_the_answer(cache: EmbeddingCache) -> None:
    rows = [
        Row(f"v{number}", plant.variant[0], (plant.answer,))
        for number, plant in enumerate(PLANTS)
        if plant.variant and "BANDANA" not in plant.variant[0]
    ]
    leaks = [
        leak
        for leak in find_leaks(rows, BENCHMARK, GateSettings(), cache).leaks
        if leak.train[1:] == leak.benchmark[1:]
    ]
    assert Counter(leak.kind for leak in leaks)["variant"] >= len(rows) - 1


def test_a_verdict_depends_on_the_row_and_the_benchmark_alone(screened: Screened, cache: EmbeddingCache) -> None:
    rows = [plant.row for plant in planted()]
    some = rows[5::7][::-1]
    alone = find_leaks(some, BENCHMARK, GateSettings(), cache).leaks
    assert sorted(map(repr, alone)) == sorted(
        repr(leak) for leak in screened.leaks if leak.train in {row.id for row in some}
    )


def test_doubtful_pairs_are_listed_on_both_sides(screened: Screened) -> None:
    settings = GateSettings()
    for leak in [*screened.leaks, *screened.cleared]:
        z = np.log(leak.score / (1 - leak.score)) if leak.score < 1 else np.inf
        if leak.step == "embedding":
            assert leak.grey == (abs(z - settings.threshold) <= settings.grey + 1e-2)
    assert screened.cleared and all(leak.grey for leak in screened.cleared)


class Oracle:
    """Knows what was planted."""

    def __init__(self) -> None:
        self.asked: list[tuple[Asked, Asked]] = []

    def verdicts(self, pairs: Sequence[tuple[Asked, Asked]]) -> list[Verdict | None]:
        self.asked += pairs
        right = {(plant.row.id, plant.benchmark): plant.form for plant in planted()}
        return [_oracle(right.get((train.id, benchmark.id))) for train, benchmark in pairs]


def _oracle(form: str | None) -> Verdict:
    return "same" if form in FORMS else "variant" if form == "variant" else "different"


def test_a_judge_sees_what_the_evidence_leaves_open(cache: EmbeddingCache) -> None:
    judge = Oracle()
    rows = [plant.row for plant in planted()]
    leaks = find_leaks(rows, BENCHMARK, GateSettings(), cache, judge).leaks
    assert share(leaks, lambda plant: plant.form in FORMS[:3]) >= 0.95
    assert {leak.step for leak in leaks} == {"identity", "ngram", "judge"}
    assert len(judge.asked) == len({(train.id, known.id) for train, known in judge.asked}) <= 15 * len(BENCHMARK)
    decided = {(leak.train, leak.benchmark) for leak in leaks if leak.step != "judge"}
    assert not decided & {(train.id, known.id) for train, known in judge.asked}  # what is sure costs nothing


def test_a_silent_judge_changes_nothing(screened: Screened, cache: EmbeddingCache) -> None:
    class Silent:
        def verdicts(self, pairs: Sequence[tuple[Asked, Asked]]) -> list[Verdict | None]:
            return [None] * len(pairs)

    rows = [plant.row for plant in planted()] + clean(150)
    assert find_leaks(rows, BENCHMARK, GateSettings(), cache, Silent()) == screened


def test_an_answer_made_a_whole_number_hides_no_copy(cache: EmbeddingCache) -> None:
    text = (
        "Two dice with faces 1 to 8 are thrown until their sum is at least 9 in one throw. What is the probability that this"
        " happens in the second throw"
    )
    form = ", if it is written as $\\frac{m}{n}$ with coprime positive integers $m$ and $n$? Find $m+n$."
    plain, restated = Row("plain", text + "?", ("63/256",)), Row("restated", text + form, ("319",))
    for train, benchmark in ((plain, restated), (restated, plain)):
        assert [leak.kind for leak in find_leaks([train], [benchmark], GateSettings(), cache).leaks] == ["near"]


def test_rows_without_an_answer_are_compared_by_their_text(cache: EmbeddingCache) -> None:
    copy = Row("copy", COPIES["prefixed"](BENCHMARK[0].problem), ())
    assert [leak.kind for leak in find_leaks([copy], BENCHMARK, GateSettings(), cache).leaks] == ["copy"]


def test_the_network_is_the_published_one() -> None:
    """Against transformers' BERT on the same weights, mean-pooled and normalised."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    texts = [PLANTS[0].problem, PLANTS[15].problem, "x", "word " * 400]
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder())
    bert = transformers.AutoModel.from_pretrained(model_folder()).eval()
    expected = []
    with torch.no_grad():
        for text in texts:
            states = bert(**tokenizer(text, truncation=True, max_length=256, return_tensors="pt")).last_hidden_state
            expected.append(torch.nn.functional.normalize(states.mean(1))[0].numpy())
    ours = np.concatenate(list(Encoder("fp32", 1).embed(texts)))
    np.testing.assert_allclose(ours, np.stack(expected), atol=2e-6)
    int8 = np.concatenate(list(Encoder("int8", 1).embed(texts)))
    assert ((int8 * ours).sum(axis=1) > 0.975).all()
    one = np.concatenate(list(Encoder("int8", 1).embed(texts[1:2])))
    np.testing.assert_array_equal(one[0], int8[1])  # whatever stands beside it


def test_embeddings_are_computed_once(tmp_path: Path) -> None:
    made: list[list[str]] = []

    class Letters:
        def embed(self, texts):  # type: ignore[no-untyped-def]
            made.append(list(texts))
            yield np.array([[ord(text[0]), 1.0] for text in made[-1]], np.float32)

    first = EmbeddingCache(tmp_path, "letters", Letters).embed(["a", "b", "a"])
    assert made == [["a", "b"]]
    again = EmbeddingCache(tmp_path, "letters", Letters)
    np.testing.assert_array_equal(again.embed(["a", "b", "a"]), first)
    assert len(made) == 1 and again.missing(["a", "c"]) == 1
    again.embed(["c"])
    files = sorted((tmp_path / "letters").iterdir())
    assert made[-1] == ["c"] and len(files) == 2
    files[0].write_bytes(files[0].read_bytes()[:-40])  # a torn disk
    mended = EmbeddingCache(tmp_path, "letters", Letters)
    np.testing.assert_array_equal(mended.embed(["a", "b", "a"]), first)
    assert made[-1] == ["a", "b"]
    assert EmbeddingCache(tmp_path, "other", Letters).missing(["a"]) == 1

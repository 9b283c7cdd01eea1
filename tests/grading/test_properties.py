"""An equal spelling keeps the grade, a changed number loses it, and two expressions may change places."""

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stages.grading import GradeItem, Grader
from tests.grading.cases import read_cases

_WRITTEN = (
    r"\frac \sqrt { } ( ) [ ] \{ \} , ; : = < \le \in \cup \pm | ^ _ ! \% \circ x 2 12 0.5 + - * / \pi i e \infty"
    r" \text{or} \sin \log \begin{pmatrix} \end{pmatrix} & \\ \sum \binom \lfloor \rfloor ' ~ \pmod"
)
PIECES = _WRITTEN.split()
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

whole = st.integers(-10_000, 10_000)
positive = st.integers(1, 500)


def reward(grader: Grader, answer: str, response_answer: str) -> int:
    return grader.grade_batch([GradeItem(f"\\boxed{{{response_answer}}}", answer)])[0].reward


def spellings_of_fraction(value: Fraction, factor: int) -> list[str]:
    above, below = value.numerator * factor, value.denominator * factor
    sign, size = ("-" if above < 0 else ""), abs(above)
    return [
        f"\\frac{{{above}}}{{{below}}}",
        f"{sign}\\dfrac{{{size}}}{{{below}}}",
        f"{above}/{below}",
        f"\\left({sign}\\tfrac{{{size}}}{{{below}}}\\right)",
        f"${sign}\\frac{{{size}}}{{{below}}}$",
        f"{sign}{size} \\div {below}",
        f"x = \\frac{{{above}}}{{{below}}}",
        f"{{{above} \\over {below}}}",
        f"{sign}\\frac{{{size}}}{{{below}}} \\text{{ units}}",
    ]


def spellings_of_whole(value: int) -> list[str]:
    return [
        f"{value}.0",
        f"{value:,}",
        f"{value:,}".replace(",", "{,}"),
        f"{value:,}".replace(",", ",\\!"),
        f"\\text{{{value}}}",
    ]


@QUICK
@given(value=st.fractions(min_value=-50, max_value=50, max_denominator=99), factor=st.integers(1, 9), data=st.data())
def test_an_equal_spelling_keeps_the_grade(grader: Grader, value: Fraction, factor: int, data: st.DataObject) -> None:
    spelling = data.draw(st.sampled_from(spellings_of_fraction(value, factor)))
    assert reward(grader, str(value), spelling) == 1
    assert reward(grader, spelling, str(value)) == 1


@QUICK
@given(value=whole, data=st.data())
def test_an_equal_spelling_of_a_whole_number_keeps_the_grade(grader: Grader, value: int, data: st.DataObject) -> None:
    assert reward(grader, str(value), data.draw(st.sampled_from(spellings_of_whole(value)))) == 1


@QUICK
@given(
    value=st.fractions(min_value=-50, max_value=50, max_denominator=99), change=whole, below=positive, data=st.data()
)
def test_a_changed_number_loses_the_grade(
    grader: Grader, value: Fraction, change: int, below: int, data: st.DataObject
) -> None:
    other = value + Fraction(change, below)
    spelling = data.draw(st.sampled_from(spellings_of_fraction(other, 1)))
    assert reward(grader, str(value), spelling) == int(other == value)


@QUICK
@given(roots=st.lists(st.integers(-9, 9), min_size=1, max_size=4), lead=st.integers(1, 5), shift=st.integers(0, 2))
def test_a_polynomial_equals_its_factors_and_no_other(grader: Grader, roots: list[int], lead: int, shift: int) -> None:
    coefficients = [lead]
    for root in roots:
        coefficients = [a - root * b for a, b in zip([*coefficients, 0], [0, *coefficients], strict=True)]
    coefficients[-1] += shift
    degree = len(roots)
    expanded = "+".join(f"{c}x^{{{degree - place}}}" for place, c in enumerate(coefficients)).replace("+-", "-")
    factored = f"{lead}" + "".join(f"(x-{root})".replace("--", "+") for root in roots)
    assert reward(grader, expanded, factored) == int(shift == 0)
    assert reward(grader, factored, expanded) == int(shift == 0)


@QUICK
@given(a=st.integers(2, 60), b=st.integers(2, 12), shift=st.integers(0, 1))
def test_roots_are_compared_exactly(grader: Grader, a: int, b: int, shift: int) -> None:
    known, said = f"{b}\\sqrt{{{a}}}", f"\\sqrt{{{a * b * b + shift}}}"
    assert reward(grader, known, said) == int(shift == 0)
    assert reward(grader, said, known) == int(shift == 0)


@QUICK
@given(digits=st.integers(1, 200))
def test_no_number_of_threes_is_a_third(grader: Grader, digits: int) -> None:
    assert reward(grader, "\\frac{1}{3}", "0." + "3" * digits) == 0


@QUICK
@given(items=st.lists(st.integers(-99, 99), min_size=2, max_size=6, unique=True), data=st.data())
def test_a_list_has_no_order_and_a_tuple_has(grader: Grader, items: list[int], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(items))
    known, said = (", ".join(map(str, some)) for some in (items, shuffled))
    assert reward(grader, known, said) == 1
    assert reward(grader, f"({known})", f"({said})") == int(shuffled == items)


def test_expressions_are_compared_alike_from_either_side(grader: Grader) -> None:
    rules = {
        "fractions",
        "roots",
        "polynomials and expressions",
        "trigonometry",
        "logarithms",
        "complex numbers",
        "powers",
    }
    cases = [case for case in read_cases() if case.rule in rules]
    swapped = [GradeItem(f"\\boxed{{{case.answer}}}", case.response[len("\\boxed{") : -1]) for case in cases]
    grades = grader.grade_batch(swapped)
    assert [case for case, grade in zip(cases, grades, strict=True) if grade.reward != case.reward] == []


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14))
def test_no_text_ends_a_worker_or_is_the_answer_by_accident(grader: Grader, pieces: list[str]) -> None:
    grade = grader.grade_batch([GradeItem(f"\\boxed{{{''.join(pieces)}}}", "918273645")])[0]
    assert grade.why in ("wrong", "no_answer", "too_large") and grade.reward == 0

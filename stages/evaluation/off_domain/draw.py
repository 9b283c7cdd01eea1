"""Off-domain texts drawn from an installation of Python: code of its standard library, prose of its language reference.

Both lie on every machine that has Python, both are under Python's own licence (PSF-2.0, its text beside the sample), and nothing
of either is fetched. What is drawn is kept in the repository and pinned: the library differs from version to version, and a rerun
is exact. A model has most likely read both in training: a figure says little alone, its change from the base's is what counts.
"""

import pydoc_data.topics
import re
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from platform import python_version

import numpy as np

from stages.errors import LadderError
from stages.evaluation.off_domain.texts import Text
from stages.randomness import rng

TEXTS = 40
MOST_BYTES, LEAST_BYTES = 2048, 1536
NOT_LIBRARY = frozenset(("encodings", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "turtledemo"))
OTHERS_TERMS = re.compile(r"copyright|licen[cs]e", re.IGNORECASE)
"""A file that speaks of either may be under others' terms than Python's own."""
BEGINS = re.compile(r"(def|class|async def|@)\b")
LEAST_PROSE = 120  # characters of a paragraph: shorter ones are headings and captions


def draw_code(seed: int) -> list[Text]:
    """TEXTS excerpts of the standard library, each of another module, from the head of a function or a class on."""
    found = {name: places for name, places in _modules() if places}
    names = _chosen(sorted(found), seed, "code")
    drawn = []
    for name in names:
        places = found[name]
        line, text = places[int(rng(seed, "off domain", name).integers(len(places)))]
        drawn.append(Text(f"Python {python_version()}, Lib/{name}, line {line}", text))
    return drawn


def draw_english(seed: int) -> list[Text]:
    """TEXTS passages of the language reference, as `help()` shows it: paragraphs in their order, code and tables left out."""
    passages = list(_passages())
    chosen = _chosen([str(number) for number in range(len(passages))], seed, "english")
    return [passages[int(number)] for number in chosen]


def licence() -> bytes:
    """The terms that both are under. Raises LadderError where the installation has them not."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    path = folder / "LICENSE.txt"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise LadderError(
            f"{path}: missing: this installation of Python has no licence to keep beside its texts; draw with another"
        ) from None


def _chosen(names: Sequence[str], seed: int, what: str) -> list[str]:
    """TEXTS of `names`, in their order. Raises LadderError where there are fewer."""
    if len(names) < TEXTS:
        raise LadderError(
            f"the installation's {what}: {len(names)} texts of {LEAST_BYTES} bytes, {TEXTS} are drawn; draw with a whole "
            "installation of Python"
        )
    places = rng(seed, "off domain", what).choice(len(names), size=TEXTS, replace=False)
    return [names[int(place)] for place in np.sort(places)]


def _modules() -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Every module of the library under Python's own terms, and its excerpts by the line that they begin at."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        private = path.name.startswith("_") and path.name != "__init__.py"
        if private or NOT_LIBRARY.intersection(parts) or any(part.startswith("test") for part in parts):
            continue
        source = path.read_text(encoding="utf-8", errors="replace")
        if not OTHERS_TERMS.search(source) and "\ufffd" not in source:
            yield "/".join(parts), list(_excerpts(source))


def _excerpts(source: str) -> Iterator[tuple[int, str]]:
    lines = source.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if BEGINS.match(line) and not (number and lines[number - 1].startswith("@")):
            text = _whole_parts(lines[number:])
            if len(text.encode()) >= LEAST_BYTES:
                yield number + 1, text


def _passages() -> Iterator[Text]:
    """Each paragraph once: topics quote one another."""
    seen: set[str] = set()
    for topic, text in sorted(pydoc_data.topics.topics.items()):
        paragraphs = [paragraph for paragraph in re.split(r"\n\s*\n", text) if _is_prose(paragraph)]
        new = [paragraph + "\n\n" for paragraph in paragraphs if paragraph not in seen]
        seen.update(paragraphs)
        part = 0
        while new:
            passage = _whole_parts(new)
            if len(passage.encode()) >= LEAST_BYTES:
                part += 1
                yield Text(
                    f"Python {python_version()}, language reference, {topic}, part {part}", passage.strip() + "\n"
                )
            new = new[max(1, passage.count("\n\n")) :]


def _is_prose(paragraph: str) -> bool:
    lines = paragraph.splitlines()
    whole = len(paragraph) >= LEAST_PROSE and paragraph.rstrip().endswith((".", ".)"))
    return whole and all(re.match(r"[\w\"(‘“*`]", line) for line in lines) and "::=" not in paragraph


def _whole_parts(parts: Sequence[str]) -> str:
    """The first of `parts`, as many as MOST_BYTES hold."""
    text = ""
    for part in parts:
        if len((text + part).encode()) > MOST_BYTES:
            break
        text += part
    return text

"""A set of off-domain texts: JSON lines with `id` and `text`, its bytes pinned in the settings."""

from dataclasses import dataclass
from pathlib import Path

from stages.errors import LadderError
from stages.params import TextSet
from stages.store.digest import check_pin
from stages.store.files import read_jsonl


@dataclass(frozen=True, slots=True)
class Text:
    """One text; `id` says where it is from."""

    id: str
    text: str


def read_texts(asked: TextSet) -> list[Text]:
    """The set's texts. Raises LadderError where its bytes are not the pinned ones, or no texts to measure."""
    path = Path(asked.path)
    check_pin(path, asked.pin)
    texts: dict[str, Text] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        match row:
            case {"id": str(name), "text": str(text)} if text.strip() and is_unicode(text) and name not in texts:
                texts[name] = Text(name, text)
            case _:
                raise LadderError(
                    f"{path}, line {number}: not a text of an off-domain set: each line is an object with an `id` that no other "
                    "has and a `text` that is not empty and Unicode; mend the line and pin the file anew"
                )
    if len(texts) < 2:
        raise LadderError(f"{path}: {len(texts)} text(s): an interval is over texts; give it two or more")
    return list(texts.values())


def is_unicode(text: str) -> bool:
    """Whether it has no half of a character, as JSON's escapes can say one."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)

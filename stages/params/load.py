"""Reading params.yaml, and what is said of a value that is refused."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.errors import LadderError
from stages.params.whole import Params

PARAMS = Path("params.yaml")
Model = TypeVar("Model", bound=BaseModel)


def load_params(path: Path = PARAMS) -> Params:
    """The settings of `path`. Raises LadderError with one line that names every wrong field, its value and the mend."""
    return validated(Params, read_yaml(path), path, "profiles/mini.yaml shows every key")


def dotted(loc: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in loc)


def validated(
    model: type[Model], values: Any, path: Path, example: str, place: Callable[[Sequence[int | str]], str] = dotted
) -> Model:
    """`values` of the file `path` as a `model`. Raises LadderError with one line that names every wrong field.

    `example` says where a missing field can be looked up; `place` tells a field's place in the file.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise LadderError("; ".join(_explain(path, details, example, place) for details in error.errors())) from None


def parse_yaml(text: str) -> Any:
    """YAML 1.2 as DVC reads it: `2e-06` is a number here and a string to PyYAML. Raises YAMLError."""
    return deepcopy(_parsed(text))


@lru_cache(maxsize=8)  # a stage reads its settings and the graph several times, .1 s each
def _parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def read_yaml(path: Path) -> Any:
    """What a file of YAML says. Raises LadderError."""
    try:
        return parse_yaml(path.read_text())
    except FileNotFoundError:
        raise LadderError(f"{path}: missing; `make profile PROFILE=mini` writes the default") from None
    except OSError as error:
        raise LadderError(f"{path}: can't be read ({error.strerror}); it has to be a file that you may read") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise LadderError(f"{path}: not YAML: {' '.join(str(error).split())}; mend that line") from None


def _explain(path: Path, details: Any, example: str, place: Callable[[Sequence[int | str]], str]) -> str:
    loc = place(details["loc"])
    field = loc or "the whole file"
    value = repr(details["input"])
    value = value if len(value) <= 80 else value[:77] + "..."
    match details["type"]:
        case "extra_forbidden":
            return f"{path}: {field}: unknown key (value {value}); remove it or correct its name"
        case "missing":
            return f"{path}: {field}: missing; add it ({example})"
        case "value_error":
            message = details["ctx"]["error"]  # of the whole file: it names its field itself
            return f"{path}: {loc}: {message}" if loc else f"{path}: {message}"
        case _:
            return f"{path}: {field}: {value} is refused: {details['msg'][0].lower()}{details['msg'][1:]}"

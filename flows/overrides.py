"""Settings that differ from a file's: exactly what `dvc exp run -S KEY=VALUE` makes of them."""

import difflib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from pydantic import JsonValue

from stages.errors import LadderError
from stages.params import PARAMS, Params, load_params, read_yaml, validated

Overrides = Mapping[str, JsonValue]


def with_overrides(source: Path, overrides: Overrides) -> bytes:
    """`source` with each dotted key of `overrides` set to its value, checked as a whole, in the bytes that DVC would write.

    Raises LadderError for a path that `source` does not have, and for settings that are refused.
    """
    known = read_yaml(source)
    load_params(source)
    for path in overrides:
        _check_path(known, path, source)
    if not overrides:
        return source.read_bytes()
    from dvc.exceptions import DvcException  # takes a second to import
    from dvc.utils.hydra import apply_overrides  # what -S calls

    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / PARAMS.name
        changed.write_bytes(source.read_bytes())
        try:
            apply_overrides(changed, [f"{path}={hydra_value(value)}" for path, value in overrides.items()])
        except DvcException as error:
            raise LadderError(f"set: {json.dumps(dict(overrides))}: {error}; {error.__cause__}") from None
        validated(Params, read_yaml(changed), PARAMS, f"{source} with your overrides")
        return changed.read_bytes()


def hydra_value(value: JsonValue) -> str:
    """A value in the grammar of Hydra's overrides (hydra.cc/docs/advanced/override_grammar/basic), which -S reads."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{hydra_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(hydra_value, value)) + "]"
    if isinstance(value, str):
        return QuotedString(value, Quote.double).with_quotes()
    return json.dumps(value)


def setting_paths(settings: Any, at: str = "") -> Iterator[str]:
    """Every dotted key of a tree of settings, sections included; lists are values."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            path = f"{at}.{key}" if at else str(key)
            yield path
            yield from setting_paths(value, path)


def _check_path(known: Any, path: str, source: Path) -> None:
    paths = list(setting_paths(known))
    if path in paths:
        return
    near = difflib.get_close_matches(path, paths, n=1, cutoff=0.7)
    mend = f"did you mean {near[0]}?" if near else "profiles/mini.yaml shows every key"
    raise LadderError(f"set: {path}: {source} has no such setting; {mend}")

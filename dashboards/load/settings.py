"""A run's settings by dotted path, to be shown and to measure its course by; what is refused in them the stages say."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dashboards.load.runs import Run
from stages.errors import LadderError
from stages.params import RUNGS

LEFT_OUT = ("operations", "sweep")  # they change no byte


def settings_of(run: Run) -> Mapping[str, Any]:
    """Of its params.yaml; empty where that can't be read."""
    try:
        return settings_in(run.files.read("params.yaml"))
    except LadderError:
        return {}


def identity_settings(run: Run) -> Mapping[str, Any]:
    """Those that can change a byte of its results."""
    return {path: value for path, value in settings_of(run).items() if path.split(".")[0] not in LEFT_OUT}


def planned_steps(run: Run) -> dict[str, int]:
    """By rung; empty where they can't be read."""
    found = {rung: settings_of(run).get(f"rungs.r{rung}.steps") for rung in RUNGS}
    return {rung: int(steps) for rung, steps in found.items() if isinstance(steps, int)}


def context_of(run: Run) -> dict[str, int]:
    """By rung, its limit in response tokens."""
    found = {rung: settings_of(run).get(f"rungs.r{rung}.max_response_tokens") for rung in RUNGS}
    return {rung: int(tokens) for rung, tokens in found.items() if isinstance(tokens, int)}


def guards_of(run: Run) -> dict[str, float]:
    """Those that have a limit."""
    found = {
        path.removeprefix("guards."): value for path, value in settings_of(run).items() if path.startswith("guards.")
    }
    return {name: float(limit) for name, limit in found.items() if isinstance(limit, int | float)}


@lru_cache(1024)
def settings_in(content: bytes) -> Mapping[str, Any]:
    """Of a params.yaml's content."""
    try:
        text = content.decode()
        try:  # by section: most of a hundred runs' are alike
            sections = [_section(part) for part in _SECTIONS.split(text) if part.strip()]
        except YAMLError:  # one refers to another (an anchor)
            sections = [_section(text)]
        return flat({key: value for section in sections if section for key, value in section.items()})
    except (YAMLError, UnicodeDecodeError, AttributeError):
        return {}


@lru_cache(4096)
def _section(text: str) -> Any:
    return YAML(typ="safe").load(text)


_SECTIONS = re.compile(r"^(?=[^\s#])", re.MULTILINE)  # what is not indented begins one


def flat(node: Any, path: str = "") -> dict[str, Any]:
    """The leaves of `node` by dotted path."""
    if not isinstance(node, dict):
        return {path: node}
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= flat(value, f"{path}.{key}" if path else f"{key}")
    return found

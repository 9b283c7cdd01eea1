"""A process that calls a reward function of the user's: one JSON line in, one out. Started by function.py alone.

In: the completions of a batch and what the function is given with them. Out: its values, or how it failed, or which value is
none. The bounds are the grader's (bounds.py), memory included: a function that imports a large library needs a smaller one.
"""

import importlib
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from stages.grading.bounds import bounded, limit_processor_time
from stages.grading.pool import READY, ROOT

Reward = Callable[..., Any]
IMPORT_LIMIT_S = 30.0
MAX_NOTE_CHARACTERS = 300


def main() -> None:
    lines, name = bounded(), sys.argv[1]
    limit_processor_time(IMPORT_LIMIT_S)
    loaded = load(name)
    if isinstance(loaded, str):
        print(loaded, file=lines.answers, flush=True)
        return
    print(READY, file=lines.answers, flush=True)
    for line in lines.questions:
        arguments, limit_s = json.loads(line)
        limit_processor_time(limit_s)
        print(json.dumps(called(loaded, arguments)), file=lines.answers, flush=True)


def load(name: str) -> Reward | str:
    """The function `package.module:function`; a line that says what is missing where there is none."""
    module, _, function = name.partition(":")
    file = f"{module.replace('.', '/')}.py"
    if not (ROOT / file).exists():
        return f"params.yaml: task.reward: {name!r}: there is no {file} in this checkout; write it, or correct the name"
    try:
        found = getattr(importlib.import_module(module), function, None)
    except BaseException as error:  # importing runs the user's code, which may raise anything
        return f"params.yaml: task.reward: {name!r} can't be imported: {noted(error)}; mend {file}"
    if not callable(found):
        return (
            f"params.yaml: task.reward: {name!r}: {file} has no function {function!r}; define it, or correct the name"
        )
    loaded: Reward = found
    return loaded


def called(reward: Reward, arguments: dict[str, Any]) -> dict[str, Any]:
    """{"values": [0 or 1, ...]}, {"failed": how, "note": a line} or {"refused": what is wrong, "place": of which completion}."""
    count = len(arguments["completions"])  # before: the lists are the function's
    try:
        values = reward(**arguments)
    except MemoryError as error:
        return {"failed": "too_large", "note": noted(error)}
    except (
        BaseException
    ) as error:  # the user's code may raise anything, SystemExit too: it costs its own completions alone
        return {"failed": "reward_raised", "note": noted(error)}
    if not isinstance(values, list | tuple):
        return {"refused": f"returned {_shown(values)} for {count} completions; return a list with a 0 or 1 for each"}
    if len(values) != count:
        return {"refused": f"returned {len(values)} values for {count} completions; return one 0 or 1 for each"}
    for place, value in enumerate(values):
        if not _is_reward(value):
            return {"refused": f"returned {_shown(value)}; return 0 or 1 for each completion", "place": place}
    return {"values": [int(value) for value in values]}


def noted(error: BaseException) -> str:
    """The error in a line, with the line of this checkout's code that raised it."""
    try:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_NOTE_CHARACTERS]
    except Exception:  # the user's exception may have a text that raises
        said = type(error).__name__
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(f"{ROOT}/tasks/")]
    return f"{own[-1].filename.removeprefix(f'{ROOT}/')}, line {own[-1].lineno}: {said}" if own else said


def _is_reward(value: object) -> bool:
    """0 or 1, whatever number or truth value says it: numpy's too, but no array."""
    try:
        return getattr(value, "ndim", 0) == 0 and value in (0, 1) and int(value) in (0, 1)
    except Exception:  # the user's object may have a comparison that raises, as an array's truth does
        return False


def _shown(value: object) -> str:
    try:
        return repr(value)[:80]
    except Exception:  # the user's object may have a repr that raises
        return f"a {type(value).__name__}"


if __name__ == "__main__":
    main()

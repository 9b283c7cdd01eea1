"""`python -m stages.evaluation policy --url http://HOST:8000/v1 --model NAME`: the examination for a model behind an endpoint.

Answers are kept in runs/policies/NAME/ as they come: a run that was killed or capped goes on where it was, a rerun asks nothing.
"""

import argparse
import sys
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from stages.endpoint.client import checked_url
from stages.endpoint.key import key_of
from stages.endpoint.retries import Backoff
from stages.errors import LadderError
from stages.evaluation.asked import asked_how, asked_with
from stages.evaluation.graded import Graded
from stages.evaluation.options import decimal, whole
from stages.evaluation.policy.asking import Answered, Policy, ask_policy
from stages.evaluation.policy.questions import questions
from stages.evaluation.policy.report import beside, graded_answers, policy_report
from stages.evaluation.policy.spend import Prices
from stages.evaluation.table import markdown
from stages.params import CHECKPOINTS, Params, load_params
from stages.problems.problem import Problem, read_problems
from stages.process import hold_lock
from stages.store.files import read_json, write_bytes, write_json

KEPT = Path("runs/policies")
REPORTS = Path("reports/policies")
EVALUATION = Path("reports/evaluation.json")
MAX_NAME_CHARACTERS = 120
SAY_EVERY = 100  # answers, where no terminal has a line that lives


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "policy", help="examine a model behind an OpenAI-compatible endpoint", description=__doc__
    )
    command.add_argument("--url", required=True, help="the base that ends in /v1")
    command.add_argument("--model", required=True, metavar="NAME", help="as the endpoint calls it")
    command.add_argument("--key-env", metavar="VARIABLE", help="the environment variable that holds the endpoint's key")
    command.add_argument("--samples", type=whole(1, 1024), metavar="N", help="a problem; default: samples_per_problem")
    command.add_argument("--max-usd", type=decimal(10**9), metavar="X", help="never spend more, earlier runs included")
    command.add_argument(
        "--usd-per-million-input", type=decimal(10**9), metavar="A", help="the endpoint's price of prompts"
    )
    command.add_argument(
        "--usd-per-million-output", type=decimal(10**9), metavar="B", help="and of answers, thinking included"
    )
    command.add_argument(
        "--concurrency", type=whole(1, 256), default=16, metavar="N", help="requests under way at most"
    )
    command.add_argument("--timeout-s", type=whole(1, 86_400), default=3600, metavar="S", help="for one whole answer")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    policy, params = _policy(options), load_params()
    problems = read_problems(Path("data/heldout.jsonl"))
    name = quote(policy.model, safe="")
    if options.samples is not None:  # the rest of the settings holds for a policy as for a checkpoint
        params = _with_samples(params, options.samples)
    settings = params.evaluation
    asked = questions(problems, settings.samples_per_problem, params.task.prompt, settings)
    folder = KEPT / name
    with hold_lock(folder / "lock", f"another process asks {policy.model}"):
        answered = ask_policy(policy, asked, folder, _say, _Progress(len(asked)))
    graded = graded_answers(asked, answered.answers, problems, params)
    _write(REPORTS / name, policy, params, problems, graded, answered)
    _say(f"{_told(answered, policy)}; {REPORTS / name}.md and .json have the figures")
    _warn_of_open_thinking(graded)


def _policy(options: argparse.Namespace) -> Policy:
    """Raises LadderError where the options don't go together."""
    given = (options.usd_per_million_input, options.usd_per_million_output)
    if (given[0] is None) != (given[1] is None):
        raise LadderError("--usd-per-million-input and --usd-per-million-output go together; give both, or neither")
    if options.max_usd is not None and given[0] is None:
        raise LadderError(
            f"--max-usd: {options.max_usd}, but without prices nothing is known to cost anything; give "
            "--usd-per-million-input and --usd-per-million-output"
        )
    if not options.model.strip(".") or len(quote(options.model, safe="")) > MAX_NAME_CHARACTERS:
        raise LadderError(
            f"--model: {options.model[:MAX_NAME_CHARACTERS]!r} can't name a file; serve it under another name"
        )
    if options.model in CHECKPOINTS:
        raise LadderError(f"--model: {options.model!r} is a checkpoint of the ladder's; serve it under another name")
    return Policy(
        url=checked_url(options.url),
        model=options.model,
        key=key_of(options.key_env) if options.key_env is not None else None,
        prices=Prices(given[0] or Decimal(0), given[1] or Decimal(0)),
        max_usd=options.max_usd,
        at_once=options.concurrency,
        timeout_s=options.timeout_s,
        backoff=Backoff(),
    )


def _with_samples(params: Params, samples: int) -> Params:
    evaluation = params.evaluation.model_copy(update={"samples_per_problem": samples})
    return params.model_copy(update={"evaluation": evaluation})


def _write(
    path: Path, policy: Policy, params: Params, problems: list[Problem], graded: list[Graded], answered: Answered
) -> None:
    evaluation = read_json(EVALUATION) if EVALUATION.exists() else None
    made = beside(policy_report(policy.model, policy.url, graded, problems, params), evaluation)
    usage = {"prompt_tokens": answered.tokens.prompt, "completion_tokens": answered.tokens.completion}
    spent = usage | {"usd": float(answered.usd) if policy.priced else None}
    write_json(path.with_name(f"{path.name}.json"), made | {"settings": asked_with(params), "spent": spent})
    asked = f"{asked_how(params)} {policy.model}: {_told(answered, policy)}."
    page = markdown(made, params.evaluation.confidence, asked)
    write_bytes(path.with_name(f"{path.name}.md"), page.encode())


def _told(answered: Answered, policy: Policy) -> str:
    tokens = f"{answered.tokens.prompt} tokens asked and {answered.tokens.completion} answered in all runs"
    return f"{tokens}, {answered.usd:.4f} USD" if policy.priced else tokens


def _warn_of_open_thinking(graded: list[Graded]) -> None:
    silent = sum(row.why == "unclosed_thinking" for row in graded)
    if 2 * silent > len(graded):
        _say(
            f"warning: {silent} of {len(graded)} answers have no </think>: params.yaml's grading.require_closed_thinking "
            "counts them as wrong, whatever they answer"
        )


class _Progress:
    """Told of `more` answers at a time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def __call__(self, more: int) -> None:
        self._done += more
        line = f"policy {self._done}/{self._total} answers"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="\n" if self._done == self._total else "", file=sys.stderr, flush=True)
        elif self._done % SAY_EVERY == 0 or self._done == self._total:
            _say(line)


def _say(message: str) -> None:
    start = "\r\x1b[K" if sys.stderr.isatty() else ""  # in the place of the line that lives
    print(f"{start}{message}", file=sys.stderr, flush=True)

"""Stage `curriculum@RUNG`: the prepared problems that a rung sees, by their difficulty. `python -m stages.curriculum 8k`

Difficulty is what the source says, what the checkpoint that the rung starts from finds, or what a judge says. The checkpoint's
answers and the judge's ratings are kept in runs/: a rerun, or one after an interruption, asks only what is new.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stages.accounting.records import Device
from stages.engines.checkpoint import load_tokenizer
from stages.engines.device import occupied_device
from stages.engines.prompts import encode, is_unknown
from stages.engines.protocols import Prompt, Sampling
from stages.evaluation.answers import answerer_of
from stages.evaluation.pass_rate import pass_rates
from stages.params import CHECKPOINTS, RUNGS, ByJudge, ByPassRate, Params
from stages.problems.chat import Place
from stages.problems.curriculum import Candidate, Curriculum, pick
from stages.problems.judge import judged_difficulties
from stages.problems.problem import Problem, read_problems
from stages.problems.rung_table import write_left_out, write_rung_table
from stages.stage import Running, one_core, stage

NO_TOKEN = "the model has no token for some character"
RATINGS = Path("runs/gate/ratings.jsonl")


def run(running: Running, name: str, problems: Sequence[Problem], start: Path) -> Curriculum:
    """`start` is the folder of the checkpoint that the rung starts from."""
    params, tokenizer = running.params, load_tokenizer(start)
    prompts = [encode(problem, tokenizer, params.task.prompt) for problem in problems]
    unknown = [is_unknown(problem, tokenizer, params.task.prompt) for problem in problems]
    fit = [
        place
        for place, prompt in enumerate(prompts)
        if len(prompt.token_ids) <= params.grpo.max_prompt_tokens and not unknown[place]
    ]
    measured = _difficulties(running, name, [problems[at] for at in fit], [prompts[at] for at in fit], start)
    difficulties = dict(zip(fit, measured, strict=True))
    candidates = [
        Candidate(
            problem,
            difficulties.get(at),
            len(prompt.token_ids),
            NO_TOKEN if unknown[at] else _unfit(prompt, difficulties.get(at), params),
        )
        for at, (problem, prompt) in enumerate(zip(problems, prompts, strict=True))
    ]
    return pick(candidates, name, params.rungs.of(name), params.seed)


def _difficulties(
    running: Running, name: str, problems: list[Problem], prompts: list[Prompt], start: Path
) -> Sequence[float | None]:
    settings, params = running.params.curriculum, running.params
    if isinstance(settings, ByJudge):
        place = Place(str(params.operations.judge_url), settings.model, RATINGS)
        return judged_difficulties(problems, settings.ratings, place, running.say)
    if isinstance(settings, ByPassRate):
        sampling = Sampling(settings.samples, params.grpo.temperature, params.rungs.of(name).max_response_tokens)
        total = len(problems) * settings.samples

        def told(done: int) -> None:
            running.progress(done, total, "samples for the pass rate")

        with answerer_of(start, params, running.took) as answerer:
            key = (params.seed, "pass rate")
            rates = pass_rates(answerer, problems, prompts, sampling, key, params.grading, params.task, told)
        return [1 - rate for rate in rates]
    return [problem.rating for problem in problems]


def _unfit(prompt: Prompt, difficulty: float | None, params: Params) -> str | None:
    """Why a problem is out of the rung whatever its bands."""
    settings = params.curriculum
    if len(prompt.token_ids) > params.grpo.max_prompt_tokens:
        return f"the prompt is longer than {params.grpo.max_prompt_tokens} tokens"
    if isinstance(settings, ByPassRate) and difficulty == 0 and settings.leave_out_always_solved:
        return "always solved"
    if isinstance(settings, ByPassRate) and difficulty == 1 and settings.leave_out_never_solved:
        return "never solved"
    return None


def _device(params: Params) -> Device:
    return occupied_device(params) if isinstance(params.curriculum, ByPassRate) else one_core(params)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.curriculum", description=__doc__)
    parser.add_argument("rung", choices=RUNGS)
    name = parser.parse_args().rung
    with stage(f"curriculum@{name}", _device) as running:
        start = Path("models") / CHECKPOINTS[CHECKPOINTS.index(name) - 1]
        curriculum = run(running, name, read_problems(Path("data/train.jsonl")), start)
        examined = read_problems(Path("data/heldout.jsonl"))
        write_rung_table(Path(f"data/curriculum/{name}.parquet"), name, curriculum, examined)
        write_left_out(Path(f"data/curriculum/{name}-left-out.parquet"), name, curriculum)
        running.say(f"{len(curriculum.within)} problems, {len(curriculum.left_out)} left out")


if __name__ == "__main__":
    main()

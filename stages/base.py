"""Stage `base`: the checkpoint that the ladder starts from, the miniature's taught here, a real one fetched."""

from collections.abc import Callable
from pathlib import Path

from stages.engines.checkpoint import Checkpoint, load_base, save_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.engines.supervised import teach
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.errors import LadderError
from stages.params import Engine, GgufBase, HubBase, MiniatureBase
from stages.problems.problem import read_problems
from stages.stage import stage

REPORT_EVERY_STEPS = 20


def run(
    settings: MiniatureBase | HubBase | GgufBase,
    engine: Engine,
    seed: int,
    heldout: Path,
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
) -> Checkpoint:
    device = prepare_device(engine)
    if not isinstance(settings, MiniatureBase):
        return load_base(settings)
    problems = read_problems(heldout)
    if {problem.source for problem in problems} != {"digit_sums"}:
        raise LadderError("params.yaml: base.kind: 'miniature' knows digit_sums alone; choose another base or source")
    tokenizer = build_tokenizer()
    model = build_model(settings, tokenizer, seed).to(device)
    ratings = sorted({int(problem.rating) for problem in problems if problem.rating})
    excluded = {problem.problem for problem in problems}
    teach(model, tokenizer, settings, ratings, excluded, (seed, "base"), on_progress)
    return Checkpoint(model, tokenizer)


def main() -> None:
    with stage("base", occupied_device) as running:
        settings = running.params.base

        def report(step: int, loss: float) -> None:
            if isinstance(settings, MiniatureBase) and step % REPORT_EVERY_STEPS == 0:
                running.progress(step, settings.steps, f"loss {loss:.3f}")

        checkpoint = run(settings, running.params.engine, running.params.seed, Path("data/heldout.jsonl"), report)
        save_checkpoint(checkpoint, Path("models/base"))


if __name__ == "__main__":
    main()

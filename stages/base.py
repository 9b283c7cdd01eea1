"""Stage `base`: the checkpoint that the ladder starts from, the miniature's taught here, a real one fetched."""

from collections.abc import Callable, Sequence
from pathlib import Path

from stages.engines.checkpoint import Checkpoint, load_base, save_checkpoint
from stages.engines.device import occupied_device, on_device, prepare_device
from stages.engines.supervised import teach
from stages.engines.tiny_qwen2 import build_model, build_tokenizer
from stages.params import Engine, GgufBase, HubBase, MiniatureBase
from stages.problems.problem import Problem, read_problems
from stages.stage import stage

REPORT_EVERY_STEPS = 20


def run(
    settings: MiniatureBase | HubBase | GgufBase,
    engine: Engine,
    seed: int,
    heldout: Sequence[Problem],
    on_progress: Callable[[int, float], None] = lambda step, loss: None,
) -> Checkpoint:
    device = prepare_device(engine)
    if not isinstance(settings, MiniatureBase):
        return load_base(settings)
    tokenizer = build_tokenizer(settings.teaches)
    model = on_device(build_model(settings, tokenizer, seed), device)
    excluded = {problem.problem for problem in heldout}
    teach(model, tokenizer, settings, excluded, (seed, "base"), on_progress)
    return Checkpoint(model, tokenizer)


def main() -> None:
    with stage("base", occupied_device) as running:
        settings = running.params.base

        def report(step: int, loss: float) -> None:
            if isinstance(settings, MiniatureBase) and step % REPORT_EVERY_STEPS == 0:
                running.progress(step, settings.lesson_steps + settings.mixture_steps, f"loss {loss:.3f}")

        heldout = read_problems(Path("data/heldout.jsonl"))
        checkpoint = run(settings, running.params.engine, running.params.seed, heldout, report)
        save_checkpoint(checkpoint, Path("models/base"))


if __name__ == "__main__":
    main()

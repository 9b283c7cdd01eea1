"""Stage `elsewhere@CHECKPOINT`: what the climb cost it off its own domain. `python -m stages.elsewhere 8k`"""

import argparse
from pathlib import Path

from stages.engines.checkpoint import Checkpoint, load_checkpoint
from stages.engines.device import occupied_device, prepare_device
from stages.engines.scoring import Scorer, check_model
from stages.evaluation.off_domain.bits import bits, text_windows
from stages.evaluation.off_domain.examined import Examined, rows, summary
from stages.evaluation.off_domain.texts import Text, read_texts
from stages.params import CHECKPOINTS, Params
from stages.stage import stage
from stages.store.files import write_json, write_jsonl


def window_tokens(checkpoint: Checkpoint, params: Params) -> int:
    """What is fed at once: the evaluation's context, prompt and answer, or less where the model knows fewer positions."""
    longest = params.grpo.max_prompt_tokens + params.evaluation.max_response_tokens
    return min(longest, int(checkpoint.model.config.max_position_embeddings))


def examine(
    checkpoint: Checkpoint, scorer: Scorer, texts: dict[str, list[Text]], params: Params
) -> tuple[list[Examined], list[str]]:
    """The figures of every text of the sets that the vocabulary can say, and the names of the others."""
    examined: list[Examined] = []
    unsaid: list[str] = []
    length = window_tokens(checkpoint, params)
    for name, of_set in texts.items():
        divided = text_windows(of_set, checkpoint.tokenizer, length)
        if divided is None:
            unsaid.append(name)
            continue
        found = bits(checkpoint.model, scorer, of_set, divided, params.operations.micro_batch_tokens)
        examined += [Examined(name, one.id, one.bits, one.bytes, one.tokens) for one in found]
    return examined, unsaid


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.elsewhere", description=__doc__)
    parser.add_argument("checkpoint", choices=CHECKPOINTS)
    name = parser.parse_args().checkpoint
    with stage(f"elsewhere@{name}", occupied_device) as running:
        params = running.params
        texts = {asked.name: read_texts(asked) for asked in params.evaluation.off_domain.sets}
        checkpoint = load_checkpoint(Path("models") / name, prepare_device(params.engine))
        scorer = Scorer(params.engine, temperature=1.0)
        check_model(checkpoint.model, scorer)
        examined, unsaid = examine(checkpoint, scorer, texts, params)
        write_jsonl(Path(f"metrics/elsewhere/texts/{name}.jsonl"), rows(examined))
        write_json(Path(f"metrics/elsewhere/{name}.json"), {"sets": summary(examined, unsaid)})


if __name__ == "__main__":
    main()

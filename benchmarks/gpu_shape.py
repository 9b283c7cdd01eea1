"""What benchmarks/gpu_step.py and benchmarks/trl_peer.py share: the recipe's shape with random weights, and how long it answers.

Time and memory depend on shapes and lengths, not on what a model knows. An answer's length is drawn by its name from a log-normal
distribution, cut at the context, and forced: a model of random weights ends nowhere. Its mean is that of `MEAN_TOKENS`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from stages.engines.protocols import Prompt
from stages.randomness import rng

SHAPES: dict[str, dict[str, Any]] = {
    "r1-distill-1.5b": {  # DeepSeek-R1-Distill-Qwen-1.5B: 1.777 B parameters
        "vocab_size": 151_936, "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
        "num_attention_heads": 12, "num_key_value_heads": 2, "max_position_embeddings": 32_768, "tie_word_embeddings": False,
    },
    "small": {  # 0.12 B parameters
        "vocab_size": 32_768, "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 12,
        "num_key_value_heads": 2, "max_position_embeddings": 32_768, "tie_word_embeddings": False,
    },
    "tiny": {
        "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 512, "tie_word_embeddings": False,
    },
}  # fmt: skip
LIMITS = {"8k": 8192, "16k": 16_384, "24k": 24_576}
MEAN_TOKENS = {"8k": 3000, "16k": 6000, "24k": 9000}
TINY_LIMIT, TINY_MEAN = 48, 20
SIGMA = 0.8  # of the logarithm of a length
SHORTEST, LONGEST = 100, 300  # prompts
SPECIAL = 2  # tokens at the end of the vocabulary: <eos>, <pad>


@dataclass(frozen=True, slots=True)
class Work:
    """What a step is: prompts, and by (problem id, sample) how many tokens each answer has."""

    limit: int
    prompts: list[Prompt]
    lengths: Mapping[tuple[str, int], int]

    @property
    def tokens(self) -> int:
        return sum(self.lengths.values())


def work(shape: str, limit_name: str, prompts: int, group: int, seed: int) -> Work:
    tiny = shape == "tiny"
    limit = TINY_LIMIT if tiny else LIMITS[limit_name]
    median = math.log(_median(limit, TINY_MEAN if tiny else MEAN_TOKENS[limit_name]))
    words = SHAPES[shape]["vocab_size"] - SPECIAL
    asked = []
    for name in map(str, range(prompts)):
        draw = rng(seed, "prompt", name)
        size = int(draw.integers(SHORTEST, LONGEST + 1)) // (10 if tiny else 1)
        asked.append(Prompt(name, tuple(draw.integers(0, words, size).tolist())))
    lengths = {
        (prompt.problem_id, sample): _length(
            limit, median, float(rng(seed, "length", prompt.problem_id, sample).normal())
        )
        for prompt in asked
        for sample in range(group)
    }
    return Work(limit, asked, lengths)


def _length(limit: int, median: float, normal: float) -> int:
    return min(limit, math.ceil(math.exp(median + SIGMA * normal)))


def _median(limit: int, mean: int) -> float:
    """That of the log-normal distribution whose mean is `mean` once it is cut at `limit`; by bisection."""
    quantiles = [NormalDist().inv_cdf((i + 0.5) / 2000) for i in range(2000)]
    low, high = 1.0, float(limit)
    for _ in range(60):
        middle = (low + high) / 2
        found = sum(_length(limit, math.log(middle), normal) for normal in quantiles) / len(quantiles)
        low, high = (middle, high) if found < mean else (low, middle)
    return low


def make_model(shape: str, device: torch.device, seed: int) -> PreTrainedModel:
    """In float32, of numbers that bfloat16 holds: the sampler's copy is the trainer's weights."""
    torch.manual_seed(seed)
    eos = SHAPES[shape]["vocab_size"] - SPECIAL
    config = Qwen2Config(**SHAPES[shape], eos_token_id=eos, pad_token_id=eos + 1, bos_token_id=None)
    with device:  # made there: a CPU takes a minute to draw as many numbers
        model = Qwen2ForCausalLM(config)
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()
    return model


def make_tokenizer(shape: str) -> PreTrainedTokenizerFast:
    """A word a token."""
    words = SHAPES[shape]["vocab_size"] - SPECIAL
    vocabulary = {f"w{i}": i for i in range(words)} | {"<eos>": words, "<pad>": words + 1}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", pad_token="<pad>")


def save_folder(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The checkpoint in bfloat16, which loses nothing (`make_model`)."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.dtype = torch.bfloat16
    model.config.architectures = ["Qwen2ForCausalLM"]
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    weights = {name: parameter.detach().bfloat16().cpu() for name, parameter in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

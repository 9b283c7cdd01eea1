"""The miniature: a Qwen2 of about 0.23 M parameters with a tokenizer of its own, built from nothing.

Architecture and file format are those of the real base model (transformers' Qwen2ForCausalLM, safetensors, a chat
template that opens `<think>`), so that every other room treats both alike.
"""

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from stages.engines.lessons import LESSONS
from stages.params import MiniatureBase

CHAT_TEMPLATE = (
    "{% for message in messages %}<user>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<think>{% endif %}"
)


def build_tokenizer(teaches: str = "digit_sums") -> PreTrainedTokenizerFast:
    """One token a symbol of what it is taught; decoding joins them without spaces."""
    symbols = LESSONS[teaches].symbols
    number = r"|\d+" if any(symbol.isdigit() and len(symbol) > 1 for symbol in symbols) else ""
    core = Tokenizer(models.WordLevel({symbol: i for i, symbol in enumerate(symbols)}, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.Split(Regex(rf"<\w+>|</think>|\\boxed\{{{number}|."), behavior="isolated")
    core.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token="<eos>")
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model(settings: MiniatureBase, tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """A freshly initialised model; `seed` decides every weight."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=256,
        initializer_range=0.1,  # the default 0.02 is made for wide models
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},  # no prompt here is longer than 70 tokens
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    return Qwen2ForCausalLM(config)

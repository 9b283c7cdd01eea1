"""Tiny models that can say any text, a token a byte; and one whose every probability is known beforehand."""

from collections.abc import Mapping

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from stages.engines.checkpoint import Checkpoint

SHAPE = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 4096, "initializer_range": 0.3,
}  # fmt: skip


def byte_tokenizer(bos: bool) -> PreTrainedTokenizerFast:
    """A token a byte of UTF-8, and two special ones: end of sequence, and the beginning where there is one."""
    symbols = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<eos>", *(["<bos>"] if bos else [])]
    core = Tokenizer(models.BPE({symbol: number for number, symbol in enumerate(symbols)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<eos>", **({"bos_token": "<bos>"} if bos else {}))


def tiny_qwen2(seed: int = 0) -> Checkpoint:
    """Tied to its embeddings, without a beginning-of-sequence token, as Qwen2 is."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer(bos=False)
    config = Qwen2Config(
        vocab_size=len(tokenizer), tie_word_embeddings=True, bos_token_id=None, eos_token_id=256, **SHAPE
    )
    return Checkpoint(Qwen2ForCausalLM(config), tokenizer)


def tiny_llama(seed: int = 0) -> Checkpoint:
    """With a beginning-of-sequence token and a head of its own, as Llama has them."""
    torch.manual_seed(seed)
    tokenizer = byte_tokenizer(bos=True)
    config = LlamaConfig(
        vocab_size=len(tokenizer), tie_word_embeddings=False, bos_token_id=257, eos_token_id=256, **SHAPE
    )
    return Checkpoint(LlamaForCausalLM(config), tokenizer)


def bigram(chances: Mapping[str, Mapping[str, float]]) -> Checkpoint:
    """p(next byte | byte before it) as told, byte by byte; "" is the beginning of a text. What is not told is next to never.

    Attention and MLP add nothing, the embedding of each symbol is a direction of its own, and the head reads log p off it.
    """
    tokenizer = byte_tokenizer(bos=True)
    said = {*chances, *(symbol for after in chances.values() for symbol in after)} - {""}
    size, places = 260, {"": 257, **{symbol: tokenizer.encode(symbol)[0] for symbol in said}}
    shape = SHAPE | {"hidden_size": size, "num_attention_heads": 2, "num_key_value_heads": 2}
    config = LlamaConfig(
        vocab_size=258, tie_word_embeddings=False, bos_token_id=257, eos_token_id=256, rms_norm_eps=0.0, **shape
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(258, size))
        logp_VH = torch.full((258, size), -100.0)
        for before, after in chances.items():
            for symbol, chance in after.items():
                logp_VH[places[symbol], places[before]] = torch.tensor(chance).log()
        model.lm_head.weight.copy_(logp_VH / size**0.5)  # the norm makes a unit vector sqrt(H) long
    return Checkpoint(model, tokenizer)

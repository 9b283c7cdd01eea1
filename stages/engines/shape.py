"""A model's shape, which its nominal cost goes by."""

from transformers import PreTrainedModel

from stages.accounting.flops import ModelShape


def shape_of(model: PreTrainedModel) -> ModelShape:
    """Of a decoder with one attention layer a block. Biases and norms are no matrices."""
    config = model.config
    embedding = model.get_parameter("model.embed_tokens.weight")
    matrices = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() == 2) - embedding.numel()
    if model.lm_head.weight is embedding:  # tied: it is the head, too
        matrices += embedding.numel()
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return ModelShape(matrices, config.num_hidden_layers, config.num_attention_heads * size)

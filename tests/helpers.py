"""Models for tests: small shapes, and weights that make positions differ."""

import torch

from minillm.config import ModelConfig
from minillm.model.transformer import Transformer


def small_config(**changes) -> ModelConfig:
    """A grouped-query model of two layers; `changes` replace single fields."""
    shape = dict(vocab_size=50, d_model=32, n_layers=2, n_heads=4, n_kv_heads=2, max_seq_len=24)
    return ModelConfig(**{**shape, **changes})


def lively(model: Transformer) -> Transformer:
    """Weights large enough that logits differ from position to position (initial ones are nearly equal)."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.3)
    return model.eval()


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    """With corrections (LoRA) that are not zero."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
    return model

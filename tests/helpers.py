"""Models for tests: small shapes, weights that make positions differ, and modules that write a given vector."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from minillm.config import ModelConfig
from minillm.model.transformer import Transformer
from minillm.tokenizer import Tokenizer


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


def six_headed() -> tuple[Transformer, Tokenizer]:
    """In the place of SmolLM2, which has three times as many heads as heads for keys, too; no two tokens tie."""
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=256, d_model=24, n_layers=2, n_heads=6, n_kv_heads=2, max_seq_len=512)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        parameter.data.mul_(8)
    return model, Tokenizer.train(["a b"], vocab_size=256)


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    """With corrections (LoRA) that are not zero."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.2)
    return model


@contextmanager
def writing(vector: torch.Tensor, *modules: torch.nn.Module) -> Iterator[None]:
    """Every output of these modules is this vector, inside a `with` block: an oracle for ablations."""
    hooks = [module.register_forward_hook(lambda _m, _i, output: vector.expand_as(output)) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()

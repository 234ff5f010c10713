"""Swap a learner's component into a whole model and find the first tensor that differs from the reference."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from minillm.config import ModelConfig
from minillm.course.checks.plain import difference
from minillm.errors import UserError
from minillm.model.transformer import Transformer


@dataclass(frozen=True)
class Swap:
    """The result of a swap: the tensors compared, in order of computation, and the first that differs."""

    at: str
    compared: tuple[str, ...]
    first: str | None  # name of the first tensor that differs
    how: str | None  # how it differs, as the end of a sentence

    @property
    def agrees(self) -> bool:
        """Whether no tensor differs by more than rounding."""
        return self.first is None

    def __str__(self) -> str:
        if self.first is None:
            return f"{self.at}: all {len(self.compared)} tensors agree; yours can stand in the model."
        before = self.compared.index(self.first)
        return f"{self.at}: {before} tensors agree, then {self.first} {self.how}."


def swap_in(mine: Callable[..., Any], at: str, model: Transformer | None = None, seed: int = 0) -> Swap:
    """Run a model with your component and with the reference; prints and returns the first difference.

    `at` is the name of a component: "attention", "feedforward", "attention_norm", "feedforward_norm" (in every block),
    "embedding", "final_norm", "head", or a single one such as "blocks.1.attention". `mine` is a module with the same
    parameter names, which gets the reference's weights, or a function. A function gets the input (B, T, C) and any of
    the following that its parameters are named after: the reference's weights (`query`, `gate`, `weight`,
    `output_bias`, ...), the fields of the model's config (`n_heads`, `d_head`, `norm_eps`, ...), and the component's
    keyword arguments (`mask`, `is_causal`, `angles`). Without a `model`, a small random one with learned positions is
    used.

    Raises `UserError` for an unknown component, argument or parameter.

    >>> def feedforward(x, gate, up, down):
    ...     return (torch.nn.functional.silu(x @ up.T) * (x @ gate.T)) @ down.T
    >>> print(swap_in(feedforward, "feedforward").first)
    feedforward: 9 tensors agree, then blocks.0.feedforward has 0.1498 in place of -0.4152 at [0, 0, 0].
    blocks.0.feedforward
    """
    reference = _small_model(seed) if model is None else model
    paths = [name for name, _ in reference.named_modules() if name == at or name.endswith(f".{at}")]
    if not paths:
        known = ["embedding", *(name for name, _ in reference.blocks[0].named_children()), "final_norm", "head"]
        raise UserError(f"the model has no {at!r}; use one of {', '.join(known)}")
    swapped = copy.deepcopy(reference)
    for path in paths:
        swapped.set_submodule(path, _as_module(mine, reference.get_submodule(path), reference.config))

    # run both on random ids, and compare module by module
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(reference.config.vocab_size, (2, min(9, reference.config.max_seq_len)), generator=rng)
    ids = ids.to(reference.device)
    right, got = _record(reference, ids), _record(swapped, ids)
    compared = tuple(name for name in right if name in got)
    for name in compared:
        if how := difference(right[name], got[name]):
            result = Swap(at, compared, name, how)
            break
    else:
        result = Swap(at, compared, None, None)
    print(result)
    return result


def _small_model(seed: int) -> Transformer:
    """A model with weights large enough that every mistake is visible."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Transformer(
            ModelConfig(vocab_size=50, d_model=32, n_layers=2, n_heads=4, max_seq_len=16, position="learned")
        )
        for parameter in model.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
            else:
                nn.init.normal_(parameter, mean=1, std=0.3)
    return model


def _as_module(mine: Callable[..., Any], reference: nn.Module, config: ModelConfig) -> nn.Module:
    """`mine` as a module with the same call signature as the reference."""
    if isinstance(mine, nn.Module):
        module = copy.deepcopy(mine)
        own, theirs = (
            {name: tuple(tensor.shape) for name, tensor in m.state_dict().items()} for m in (module, reference)
        )
        if own != theirs:
            raise UserError(f"your parameters are {own}; use the reference's names and shapes: {theirs}")
        module.load_state_dict(reference.state_dict())
        return module
    offered: dict[str, Any] = {name: value for name, value in vars(config).items() if value is not None}
    for name, parameter in reference.named_parameters():
        offered[name.removesuffix(".weight").replace(".", "_")] = parameter.detach()
    return _Function(mine, offered)


class _Function(nn.Module):
    """A module that calls a function with those of the offered values that its parameters name."""

    def __init__(self, function: Callable[..., Any], offered: dict[str, Any]):
        super().__init__()
        self.function, self.offered = function, offered

    def forward(self, x: Tensor, **call: Any) -> Tensor:
        offered = self.offered | call
        parameters = list(inspect.signature(self.function).parameters.values())[1:]
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return self.function(x, **offered)
        required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
        if unknown := [name for name in required if name not in offered]:
            raise UserError(f"your function asks for {unknown[0]!r}; use some of {', '.join(offered)}")
        return self.function(x, **{p.name: offered[p.name] for p in parameters if p.name in offered})


@torch.no_grad()
def _record(model: Transformer, ids: Tensor) -> dict[str, Any]:
    """The output of every module by name, in the order in which they finish."""
    outputs: dict[str, Any] = {}

    def keep(name: str) -> Callable:
        return lambda module, inputs, output: outputs.setdefault(name or "logits", output)

    hooks = [module.register_forward_hook(keep(name)) for name, module in model.named_modules()]
    try:
        model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs

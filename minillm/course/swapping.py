"""Put a learner's component into a whole model, and find the first tensor that leaves the reference."""

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
    """What came of a swap: the tensors compared, in the order of their making, and the first that differs."""

    at: str
    compared: tuple[str, ...]
    first: str | None  # the name of the first tensor that leaves the reference
    how: str | None  # in what, as the end of a sentence

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
    """Run a model with `mine` in place of a component, and with the reference; prints and returns what differs first.

    `at` is a component's name: "attention", "feedforward", "attention_norm", "feedforward_norm" (in every block),
    "embedding", "final_norm", "head", or one alone, such as "blocks.1.attention". `mine` is a module of the same
    parameter names, which gets the reference's numbers, or a function: it gets the input (B, T, C) and, of the
    following, what its arguments are named after: the reference's weights (`query`, `gate`, `weight`, `output_bias`,
    ...), the sizes of the model's config (`n_heads`, `d_head`, `norm_eps`, ...), and what the component is called with
    (`mask`, `is_causal`, `angles`). Without a `model` it is a small one with learned positions, drawn by `seed`.

    Raises `ValueError` for a component, an argument or a parameter that there is not.

    >>> def feedforward(x, gate, up, down):
    ...     return (torch.nn.functional.silu(x @ up.T) * (x @ gate.T)) @ down.T
    >>> print(swap_in(feedforward, "feedforward").first)
    feedforward: 9 tensors agree, then blocks.0.feedforward has 0.1498 in place of -0.4152 at [0, 0, 0].
    blocks.0.feedforward
    """
    reference = _small_model(seed) if model is None else model
    places = [name for name, _ in reference.named_modules() if name == at or name.endswith(f".{at}")]
    if not places:
        known = ["embedding", *(name for name, _ in reference.blocks[0].named_children()), "final_norm", "head"]
        raise UserError(f"the model has no {at!r}; take one of {', '.join(known)}")
    swapped = copy.deepcopy(reference)
    for place in places:
        swapped.set_submodule(place, _stand_in(mine, reference.get_submodule(place), reference.config))
    chance = torch.Generator().manual_seed(seed)
    ids = torch.randint(reference.config.vocab_size, (2, min(9, reference.config.max_seq_len)), generator=chance)
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
    """A model whose numbers are large enough for every mistake to show."""
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


def _stand_in(mine: Callable[..., Any], reference: nn.Module, config: ModelConfig) -> nn.Module:
    """`mine` as a module that can be called as the reference is."""
    if isinstance(mine, nn.Module):
        module = copy.deepcopy(mine)
        own, theirs = ({name: tuple(one.shape) for name, one in m.state_dict().items()} for m in (module, reference))
        if own != theirs:
            raise UserError(f"your parameters are {own}; name and shape them as the reference does: {theirs}")
        module.load_state_dict(reference.state_dict())
        return module
    offered: dict[str, Any] = {name: value for name, value in vars(config).items() if value is not None}
    for name, parameter in reference.named_parameters():
        offered[name.removesuffix(".weight").replace(".", "_")] = parameter.detach()
    return _Function(mine, offered)


class _Function(nn.Module):
    """A function that is given, of all that is offered, what its arguments are called after."""

    def __init__(self, function: Callable[..., Any], offered: dict[str, Any]):
        super().__init__()
        self.function, self.offered = function, offered

    def forward(self, x: Tensor, **call: Any) -> Tensor:
        offered = self.offered | call
        asked = list(inspect.signature(self.function).parameters.values())[1:]
        if any(one.kind is one.VAR_KEYWORD for one in asked):
            return self.function(x, **offered)
        if unknown := [one.name for one in asked if one.name not in offered and one.default is one.empty]:
            raise UserError(f"there is no {unknown[0]!r} to give to your function; there are {', '.join(offered)}")
        return self.function(x, **{one.name: offered[one.name] for one in asked if one.name in offered})


@torch.no_grad()
def _record(model: Transformer, ids: Tensor) -> dict[str, Any]:
    """The output of every module by its name, in the order in which they finish."""
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

"""Ablation: replace the outputs of sub-layers and measure what the model can no longer do.

A sub-layer's output is replaced by its mean over reference texts (mean ablation). Zero would be out of distribution for
the later layers (Wang et al. 2023, section 3). Some sub-layers matter more than others, so their effects are compared
at equal damage: `match_damage` finds the strength that raises the loss by a given amount. The control is an ablation of
random directions in all sub-layers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.analysis.tracing import Site, sublayers
from minillm.data.batches import Batch
from minillm.errors import UserError
from minillm.losses import IGNORE
from minillm.model.transformer import Transformer
from minillm.training.pretraining import mean_loss


@dataclass(frozen=True)
class Replacement:
    """Replace a sub-layer's output y by y + strength * (target - y), in all directions or only in some.

    Strength 1 replaces it fully, 0 leaves it unchanged. `directions` has orthonormal rows; the component of y outside
    their span is kept. A target of zeros is zero ablation. Raises `UserError` for an invalid strength or directions.

    >>> half = Replacement(torch.tensor([0.0, 10.0]), strength=0.5)
    >>> half(torch.tensor([4.0, 2.0]))
    tensor([2., 6.])
    >>> Replacement(torch.tensor([0.0, 10.0]), directions=torch.tensor([[1.0, 0.0]]))(torch.tensor([4.0, 2.0]))
    tensor([0., 2.])
    """

    target: Float[Tensor, "C"]
    strength: float = 1.0
    directions: Float[Tensor, "n C"] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UserError(f"strength is {self.strength}; use a number from 0 (no change) to 1 (fully replaced)")
        if self.directions is not None:
            n, width = self.directions.shape
            if width != len(self.target):
                raise UserError(f"the directions have {width} coordinates, but the target has {len(self.target)}")
            error = (self.directions @ self.directions.mT - torch.eye(n).to(self.directions)).abs().max()
            if error > 1e-3:
                raise UserError(
                    f"the directions are not orthonormal (off by {error:.2g}); torch.linalg.qr makes them so"
                )

    def __call__(self, output: Float[Tensor, "*B C"]) -> Float[Tensor, "*B C"]:
        change = self.target.to(output) - output
        if self.directions is not None:
            directions = self.directions.to(output)
            change = change @ directions.mT @ directions
        return output + self.strength * change


@contextmanager
def ablate(model: Transformer, replacements: Mapping[Site, Replacement]) -> Iterator[Transformer]:
    """Replace the outputs of sub-layers inside a `with` block; afterwards the model is unchanged.

    Everything that runs the model inside the block sees the replacements: a loss, `generate`, `trace`.
    Raises `UserError` for a site that the model does not have and for a target of the wrong width.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> with ablate(model, {site: Replacement(torch.zeros(8)) for site in sublayers(model)}):
    ...     without = model(ids)
    >>> torch.allclose(without, model.head(model.final_norm(model.embedding(ids))))
    True
    """
    modules = sublayers(model)
    for site, replacement in replacements.items():
        _check_site(site, modules)
        if len(replacement.target) != model.config.d_model:
            raise UserError(
                f"the replacement at {site} has {len(replacement.target)} coordinates, "
                f"but this model has d_model {model.config.d_model}"
            )
    with ExitStack() as hooks:
        for site, replacement in replacements.items():
            hooks.callback(modules[site].register_forward_hook(_replace_output(replacement)).remove)
        yield model


def _replace_output(replacement: Replacement) -> Callable[..., Tensor]:
    return lambda module, inputs, output: replacement(output)


def _check_site(site: Site, modules: Mapping[Site, nn.Module]) -> None:
    if site not in modules:
        n_layers = len(modules) // 2
        raise UserError(
            f"there is no sub-layer {site}; use (layer, kind) with a layer from 0 to {n_layers - 1} "
            "and the kind 'attention' or 'feedforward'"
        )


@torch.no_grad()
def mean_outputs(model: Transformer, batches: Iterable[Batch]) -> dict[Site, Float[Tensor, "C"]]:
    """Compute the mean output of every sub-layer over all positions whose target is not `IGNORE`.

    One mean serves all positions. Large trained models have huge activations at the first position of a text ("massive
    activations", Sun et al. 2024; 22,000 in SmolLM2), which distort the mean. Check `trace(...).stream` first, and give
    that position the target `IGNORE` if needed. Raises `UserError` if every target is ignored.
    """
    sites = sublayers(model)
    sums = {site: torch.zeros(model.config.d_model, dtype=torch.float64) for site in sites}
    mask, total = torch.empty(0), 0

    def add_to(running_sum: Float[Tensor, "C"]) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            running_sum.add_(output[mask].cpu().double().sum(0))

        return hook

    with ExitStack() as hooks:
        for site, module in sites.items():
            hooks.callback(module.register_forward_hook(add_to(sums[site])).remove)
        for inputs, targets in batches:
            mask = (targets != IGNORE).to(model.device)
            total += int(mask.sum())
            model.hidden(inputs.to(model.device))
    if total == 0:
        raise UserError("there is no position to average over, since every target is ignored; give more batches")
    return {site: (value / total).float().to(model.device) for site, value in sums.items()}


def random_directions(d_model: int, n: int, seed: int) -> Float[Tensor, "n C"]:
    """Draw n orthonormal directions that span a uniformly random subspace, determined by the seed.

    Raises `UserError` unless 1 <= n <= d_model.

    >>> directions = random_directions(d_model=6, n=2, seed=0)
    >>> (directions @ directions.mT).round(decimals=4).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    if not 1 <= n <= d_model:
        raise UserError(f"n is {n}; use from 1 to {d_model} directions in {d_model} dimensions")
    gaussian = torch.randn(d_model, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(gaussian).Q.mT.float()


@dataclass(frozen=True)
class Match:
    """An ablation with the requested damage: pass `replacements` to `ablate`."""

    strength: float
    increase: float  # measured increase of the loss, nats per token
    replacements: dict[Site, Replacement]


def match_damage(
    model: Transformer,
    batches: Sequence[Batch],
    means: Mapping[Site, Float[Tensor, "C"]],
    sites: Iterable[Site],
    increase: float,
    directions: Float[Tensor, "n C"] | None = None,
    tolerance: float = 0.02,
) -> Match:
    """Find the mean ablation of `sites`, at one strength, that raises the loss on `batches` by `increase` nats.

    `means` comes from `mean_outputs`. The increase is matched up to `tolerance`, a fraction of it. The control is the
    same call with all sites and `directions=random_directions(...)`.
    Raises `UserError` for an unknown site, and if even full strength raises the loss by less.
    """
    sites = list(sites)
    for site in sites:
        _check_site(site, sublayers(model))

    def replacements(strength: float) -> dict[Site, Replacement]:
        return {site: Replacement(means[site], strength, directions) for site in sites}

    def loss_at(strength: float) -> float:
        with ablate(model, replacements(strength)):
            return mean_loss(model, batches)

    strength, found = find_strength(loss_at, increase, tolerance)
    return Match(strength, found, replacements(strength))


def find_strength(
    loss_at: Callable[[float], float], increase: float, tolerance: float = 0.02, max_steps: int = 40
) -> tuple[float, float]:
    """Find a strength in [0, 1] with loss_at(strength) - loss_at(0) close to `increase`, by bisection.

    Returns the strength and the increase measured there. Raises `UserError` if strength 1 is too weak, if the
    increase is not positive, and if no strength comes close enough (the loss jumps).

    >>> find_strength(lambda strength: 2 + strength**2, increase=0.25)
    (0.5, 0.25)
    """
    if not increase > 0:
        raise UserError(f"increase is {increase}; use a positive number of nats per token")
    start = loss_at(0.0)
    largest = loss_at(1.0) - start
    if abs(largest - increase) <= tolerance * increase:
        return 1.0, largest
    if largest < increase:
        raise UserError(
            f"even at full strength the loss rises by {largest:.4g}, not by {increase:.4g}; "
            "ablate more sites or use a smaller increase"
        )
    weak, strong = 0.0, 1.0
    for _ in range(max_steps):
        middle = (weak + strong) / 2
        found = loss_at(middle) - start
        if abs(found - increase) <= tolerance * increase:
            return middle, found
        weak, strong = (middle, strong) if found < increase else (weak, middle)
    raise UserError(f"no strength raises the loss by {increase:.4g}; near {middle:.4g} it jumps past that")

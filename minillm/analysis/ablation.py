"""Take a part of a model away and see what it can no longer do.

A sub-layer's output is replaced by its mean over reference texts (mean ablation; Wang et al. 2023, section 3, say why
not by zero: zero is no output that the later layers have ever seen). Parts differ in how much the model needs them, so
their effects can only be compared where the *loss* suffers equally: the strength of an ablation is a knob, and
`match_damage` turns it. Ablating random directions in all sub-layers is the control: damage without an address.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from minillm.analysis.tracing import Place, sublayers
from minillm.data.batches import Batch
from minillm.errors import UserError
from minillm.losses import IGNORE
from minillm.model.transformer import Transformer
from minillm.training.pretraining import mean_loss


@dataclass(frozen=True)
class Replacement:
    """What a sub-layer's output y becomes: y + strength * (target - y), in all directions or only in some.

    Strength 1 replaces it, 0 leaves it alone. `directions` are orthonormal rows; what y has outside of them stays.
    A target of zeros is zero ablation. Raises `ValueError` for a strength or directions that mean nothing.

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
            raise UserError(f"strength is {self.strength}; it goes from 0 (nothing happens) to 1 (replaced)")
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
def ablate(model: Transformer, replacements: Mapping[Place, Replacement]) -> Iterator[Transformer]:
    """Inside the `with`, the sub-layers at these places write something else; afterwards the model is as it was.

    Whatever runs the model sees the ablated one: a loss, `generate`, `trace`.
    Raises `ValueError` for a place that the model does not have and for a target of another width.

    >>> from minillm.config import ModelConfig
    >>> model = Transformer(ModelConfig(vocab_size=10, d_model=8, n_layers=2, n_heads=4, max_seq_len=16))
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> with ablate(model, {place: Replacement(torch.zeros(8)) for place in sublayers(model)}):
    ...     without = model(ids)
    >>> torch.allclose(without, model.head(model.final_norm(model.embedding(ids))))
    True
    """
    modules = sublayers(model)
    for place, replacement in replacements.items():
        _check_place(place, modules)
        if len(replacement.target) != model.config.d_model:
            raise UserError(
                f"the replacement at {place} has {len(replacement.target)} coordinates, "
                f"but this model is {model.config.d_model} wide"
            )
    with ExitStack() as hooks:
        for place, replacement in replacements.items():
            hooks.callback(modules[place].register_forward_hook(_replace_output(replacement)).remove)
        yield model


def _replace_output(replacement: Replacement) -> Callable[..., Tensor]:
    return lambda module, inputs, output: replacement(output)


def _check_place(place: Place, modules: Mapping[Place, nn.Module]) -> None:
    if place not in modules:
        n_layers = len(modules) // 2
        raise UserError(
            f"there is no sub-layer {place}; a place is (layer, kind) with a layer from 0 to {n_layers - 1} "
            "and the kind 'attention' or 'feedforward'"
        )


@torch.no_grad()
def mean_outputs(model: Transformer, batches: Iterable[Batch]) -> dict[Place, Float[Tensor, "C"]]:
    """The mean output of every sub-layer over all positions whose target counts (padding does not).

    One mean for all positions. Large trained models write giant numbers at the first position of a text and nowhere
    else (Sun et al. 2024, "massive activations"; SmolLM2 has 22,000 there), which such a mean would spread everywhere:
    look at `trace(...).stream` first, and give that position the target `IGNORE` if it is so.
    Raises `ValueError` where no position counts.
    """
    places = sublayers(model)
    sums = {place: torch.zeros(model.config.d_model, dtype=torch.float64) for place in places}
    counts, total = torch.empty(0), 0

    def adds_to(sum_so_far: Float[Tensor, "C"]) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            sum_so_far.add_(output[counts].cpu().double().sum(0))

        return hook

    with ExitStack() as hooks:
        for place, module in places.items():
            hooks.callback(module.register_forward_hook(adds_to(sums[place])).remove)
        for inputs, targets in batches:
            counts = (targets != IGNORE).to(model.device)
            total += int(counts.sum())
            model.hidden(inputs.to(model.device))
    if total == 0:
        raise UserError("there is no position to take a mean over: every target is ignored")
    return {place: (value / total).float().to(model.device) for place, value in sums.items()}


def random_directions(d_model: int, n: int, seed: int) -> Float[Tensor, "n C"]:
    """n orthonormal directions, spanning any subspace as likely as any other; the same for a seed.

    Raises `ValueError` for more directions than there are dimensions, and for none.

    >>> directions = random_directions(d_model=6, n=2, seed=0)
    >>> (directions @ directions.mT).round(decimals=4).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    if not 1 <= n <= d_model:
        raise UserError(f"n is {n}; there are between 1 and {d_model} directions in {d_model} dimensions")
    gaussian = torch.randn(d_model, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(gaussian).Q.mT.float()


@dataclass(frozen=True)
class Match:
    """An ablation whose damage is as wanted: hand `replacements` to `ablate`."""

    strength: float
    increase: float  # of the loss, nats per token, as measured
    replacements: dict[Place, Replacement]


def match_damage(
    model: Transformer,
    batches: Sequence[Batch],
    means: Mapping[Place, Float[Tensor, "C"]],
    places: Iterable[Place],
    increase: float,
    directions: Float[Tensor, "n C"] | None = None,
    tolerance: float = 0.02,
) -> Match:
    """The mean ablation of `places`, all at one strength, that raises the loss on `batches` by `increase` nats.

    `means` comes from `mean_outputs`. The increase is met up to `tolerance`, a fraction of it. The control is the same
    call with all places and `directions=random_directions(...)`.
    Raises `ValueError` for a place that is not there and where even full strength does less harm than wanted.
    """
    places = list(places)
    for place in places:
        _check_place(place, sublayers(model))

    def replacements(strength: float) -> dict[Place, Replacement]:
        return {place: Replacement(means[place], strength, directions) for place in places}

    def loss_at(strength: float) -> float:
        with ablate(model, replacements(strength)):
            return mean_loss(model, batches)

    strength, found = find_strength(loss_at, increase, tolerance)
    return Match(strength, found, replacements(strength))


def find_strength(
    loss_at: Callable[[float], float], increase: float, tolerance: float = 0.02, most_steps: int = 40
) -> tuple[float, float]:
    """A strength between 0 and 1 with loss_at(strength) - loss_at(0) near `increase`, and what it really is there.

    By bisection: of two strengths, one too weak and one too strong, the middle replaces the one on its side.
    Raises `ValueError` where strength 1 is still too weak, where the increase is not positive, and where no strength
    comes near (the loss jumps).

    >>> find_strength(lambda strength: 2 + strength**2, increase=0.25)
    (0.5, 0.25)
    """
    if not increase > 0:
        raise UserError(f"increase is {increase}; the loss must be meant to rise")
    start = loss_at(0.0)
    most = loss_at(1.0) - start
    if abs(most - increase) <= tolerance * increase:
        return 1.0, most
    if most < increase:
        raise UserError(
            f"even at full strength the loss rises by {most:.4g}, not by {increase:.4g}; "
            "ablate more places or ask for less"
        )
    weak, strong = 0.0, 1.0
    for _ in range(most_steps):
        middle = (weak + strong) / 2
        found = loss_at(middle) - start
        if abs(found - increase) <= tolerance * increase:
            return middle, found
        weak, strong = (middle, strong) if found < increase else (weak, middle)
    raise UserError(f"no strength raises the loss by {increase:.4g}: near {middle:.4g} it jumps over it")

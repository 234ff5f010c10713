"""What loss will a larger run end at? A law of three terms, fitted to finished runs, and how sure such a fit is.

    L(N, D) = E + A / N^alpha + B / D^beta                       (Hoffmann et al. 2022, section 3.3, eq. 2)

N parameters, D tokens, each seen once. E is what is left when both are without end: for a world whose truth is known,
its floor. The second term is the price of a model that is too small, the third of a text that is too short.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError

DELTA = 1e-3  # where the error of log L begins to count straight and no longer squared (Hoffmann et al. 2022)
POWERS = (0.2, 0.5, 1.0, 1.5)  # of N and of D, from which a fit begins
FLOORS = (0.1, 0.5, 0.9)  # of the least loss seen
ROUNDS = 80  # of the fit; half of them are enough where there is one clear answer
FURTHEST = (300.0, 20.0, 300.0, 20.0, 20.0)  # of ln A, alpha, ln B, beta, ln E from 0: beyond it, powers overflow


@dataclass(frozen=True)
class Run:
    """A finished run: how large the model, how much it read, where it ended (nats per token on text of its own).

    Raises `ValueError` for numbers that have no logarithm.
    """

    parameters: float  # N
    tokens: float  # D
    loss: float  # L

    def __post_init__(self) -> None:
        for name in ("parameters", "tokens", "loss"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"a run's {name} is {getattr(self, name)}; it must be a positive number")


@dataclass(frozen=True)
class ScalingLaw:
    """The five numbers of the law.

    >>> chinchilla = ScalingLaw(1.69, 406.4, 0.34, 410.7, 0.28)                   # Hoffmann et al. 2022, eq. 10
    >>> round(chinchilla.loss(70e9, 1.4e12), 2)
    1.94
    """

    floor: float  # E, nats per token
    size_factor: float  # A
    size_power: float  # alpha
    data_factor: float  # B
    data_power: float  # beta

    def loss(self, parameters: float, tokens: float) -> float:
        """Nats per token that a run of this size is expected to end at."""
        return self.floor + self.size_factor / parameters**self.size_power + self.data_factor / tokens**self.data_power

    def best_split(self, flops: float) -> tuple[float, float]:
        """Parameters and tokens that reach the least loss for a budget of C = 6 N D operations.

        Where a little more of N lowers the loss as much as a little more of D: alpha A / N^alpha = beta B / D^beta
        (Hoffmann et al. 2022, eq. 4). Raises `ValueError` for a law that does not fall with both.

        >>> parameters, tokens = ScalingLaw(1.0, 100.0, 0.5, 100.0, 0.5).best_split(6e20)
        >>> f"{parameters:.3g} {tokens:.3g}"
        '1e+10 1e+10'
        """
        if min(self.size_power, self.data_power, self.size_factor, self.data_factor) <= 0:
            raise UserError(f"{self} does not fall with both N and D, so it knows no best split")
        powers = self.size_power + self.data_power
        balance = (self.size_power * self.size_factor / (self.data_power * self.data_factor)) ** (1 / powers)
        parameters = balance * (flops / 6) ** (self.data_power / powers)
        return parameters, flops / 6 / parameters


def log_error(law: ScalingLaw, runs: Sequence[Run], delta: float = DELTA) -> float:
    """What a fit makes small: the sum over runs of Huber's error of the logarithm of the loss.

    Up to `delta` the error counts half its square, and beyond it straight, so that one run that went wrong cannot pull
    the law to itself (Huber 1964; Hoffmann et al. 2022, eq. 3).

    >>> law = ScalingLaw(1.0, 1.0, 1.0, 1.0, 1.0)
    >>> log_error(law, [Run(2, 2, 2.0)]), round(log_error(law, [Run(2, 2, 2 * math.e)]), 4)
    (0.0, 0.001)
    """
    total = 0.0
    for run in runs:
        off = abs(math.log(law.loss(run.parameters, run.tokens)) - math.log(run.loss))
        total += off**2 / 2 if off <= delta else delta * (off - delta / 2)
    return total


def fit(runs: Sequence[Run], floor: float | None = None, delta: float = DELTA) -> ScalingLaw:
    """The law with the least `log_error`; with `floor`, E is that number and only the other four are fitted.

    Begins at many places and keeps the best end, as Hoffmann et al. do. They walk by L-BFGS; here all starts walk at
    once by damped least squares (Levenberg 1944, Marquardt 1963), which needs some dozens of rounds. Raises
    `ValueError` for no more runs than the law has numbers, for runs that all have one N or one D, and for a floor that
    some run is not above.

    >>> truth = ScalingLaw(0.5, 20.0, 0.4, 300.0, 0.6)
    >>> runs = [Run(n, d, truth.loss(n, d)) for n in (1e3, 1e4, 1e5) for d in (1e4, 1e5, 1e6)]
    >>> round(fit(runs).floor, 4), round(fit(runs, floor=0.5).data_power, 4)
    (0.5, 0.6)
    """
    _check(runs, floor)
    return _fits(runs, torch.ones(1, len(runs), dtype=torch.float64), floor, delta)[0]


def bootstrap(
    runs: Sequence[Run], resamples: int = 200, seed: int = 0, floor: float | None = None, delta: float = DELTA
) -> list[ScalingLaw]:
    """Laws fitted to runs drawn from these with replacement: how differently could it have come out?

    (Efron 1979.) A draw with no more different runs than the law has numbers is drawn again, since any law fits it.
    Raises what `fit` raises, and `ValueError` where so few runs are left that most draws would be the same.

    >>> truth = ScalingLaw(0.5, 20.0, 0.4, 300.0, 0.6)
    >>> runs = [Run(n, d, truth.loss(n, d)) for n in (1e3, 1e4, 1e5) for d in (1e4, 1e5, 1e6)]
    >>> low, high = interval([law.floor for law in bootstrap(runs, resamples=20)], share=0.8)
    >>> 0.49 < low <= high < 0.51
    True
    """
    _check(runs, floor)
    if len(runs) < _numbers(floor) + 3:
        raise UserError(
            f"{len(runs)} runs, drawn from, say nothing of how differently {_numbers(floor)} numbers could come out; "
            f"finish at least {_numbers(floor) + 3}"
        )
    generator = torch.Generator().manual_seed(seed)
    counts: list[Tensor] = []
    while len(counts) < resamples:
        drawn = torch.randint(len(runs), (len(runs),), generator=generator).bincount(minlength=len(runs))
        if int((drawn > 0).sum()) > _numbers(floor):
            counts.append(drawn.double())
    return _fits(runs, torch.stack(counts), floor, delta)


def interval(values: Sequence[float], share: float = 0.9) -> tuple[float, float]:
    """The middle `share` of some numbers: from what the lowest of them are below, to what the highest are above.

    >>> [round(end, 3) for end in interval([float(n) for n in range(101)])]
    [5.0, 95.0]
    """
    if not 0 < share < 1 or not values:
        raise UserError(f"an interval needs numbers and a share between 0 and 1, not {len(values)} and {share}")
    ends = torch.tensor([(1 - share) / 2, (1 + share) / 2], dtype=torch.float64)
    low, high = torch.tensor(values, dtype=torch.float64).quantile(ends).tolist()
    return low, high


def _numbers(floor: float | None) -> int:
    return 5 if floor is None else 4


def _check(runs: Sequence[Run], floor: float | None) -> None:
    if len(runs) <= _numbers(floor):
        raise UserError(
            f"{len(runs)} runs cannot tell {_numbers(floor)} numbers apart; finish at least {_numbers(floor) + 1}"
        )
    for name in ("parameters", "tokens"):
        if len({getattr(run, name) for run in runs}) < 2:
            raise UserError(f"all runs have the same {name}, so nothing can be said of them; vary both N and D")
    least = min(run.loss for run in runs)
    if floor is not None and not 0 < floor < least:
        raise UserError(f"the floor is {floor} and the least loss {least}; a floor lies above 0 and below every loss")


def _fits(
    runs: Sequence[Run], counts: Float[Tensor, "fits runs"], floor: float | None, delta: float
) -> list[ScalingLaw]:
    """One law for each row of `counts`, which says how often each run counts there; from all starts at once."""
    size, data, loss = (
        torch.tensor([math.log(getattr(run, name)) for run in runs], dtype=torch.float64)
        for name in ("parameters", "tokens", "loss")
    )
    starts = _starts(size, data, loss, floor)
    theta = starts.repeat(len(counts), 1)
    ends, errors = _walk(theta, size, data, loss, counts.repeat_interleave(len(starts), 0), floor is None, delta)
    best = errors.view(len(counts), -1).argmin(1) + torch.arange(len(counts)) * len(starts)
    return [
        ScalingLaw(math.exp(e) if floor is None else floor, math.exp(a), alpha, math.exp(b), beta)
        for a, alpha, b, beta, e in ends[best].tolist()
    ]


def _starts(
    size: Float[Tensor, "runs"], data: Float[Tensor, "runs"], loss: Float[Tensor, "runs"], floor: float | None
) -> Float[Tensor, "starts 5"]:
    """ln A, alpha, ln B, beta, ln E for each choice of powers and floor; both terms share evenly in what is left."""
    least = loss.min()
    rows = []
    for e in [math.log(floor)] if floor is not None else [float(least) + math.log(share) for share in FLOORS]:
        half = float((loss.exp() - math.exp(e)).mean().log()) - math.log(2)
        rows += [
            [half + alpha * float(size.mean()), alpha, half + beta * float(data.mean()), beta, e]
            for alpha in POWERS
            for beta in POWERS
        ]
    return torch.tensor(rows, dtype=torch.float64)


def _walk(
    theta: Float[Tensor, "starts 5"],
    size: Float[Tensor, "runs"],
    data: Float[Tensor, "runs"],
    loss: Float[Tensor, "runs"],
    counts: Float[Tensor, "starts runs"],
    floor_is_free: bool,
    delta: float,
) -> tuple[Float[Tensor, "starts 5"], Float[Tensor, "starts"]]:
    """Damped least squares from every start; returns where each ends, and its error there.

    ln L is the log-sum-exp of three straight lines, so its slope in each of them is a softmax. Huber's error is a
    square whose weight falls with the distance, so each round is a least-squares problem of five numbers.
    """
    free = 5 if floor_is_free else 4

    def off(theta: Tensor) -> tuple[Tensor, Tensor]:
        a, alpha, b, beta, e = theta.T[..., None]
        terms = torch.stack([a - alpha * size, b - beta * data, e.expand(-1, len(size))], dim=-1)
        return terms.logsumexp(-1) - loss, terms.softmax(-1)

    def error(off: Tensor) -> Tensor:
        far = off.abs()
        return (counts * torch.where(far <= delta, far**2 / 2, delta * (far - delta / 2))).sum(-1)

    furthest = torch.tensor(FURTHEST, dtype=torch.float64)
    damping = torch.ones(len(theta), 1, dtype=torch.float64)
    away, share = off(theta)
    now = error(away)
    for _ in range(ROUNDS):
        by_size, by_data, by_floor = share.unbind(-1)
        slope = torch.stack([by_size, -size * by_size, by_data, -data * by_data, by_floor], dim=-1)[..., :free]
        weight = counts * (delta / away.abs().clamp_min(1e-12)).clamp_max(1.0)
        normal = slope.mT @ (weight[..., None] * slope)
        steepness = torch.diagonal(normal, dim1=-2, dim2=-1)
        normal = normal + torch.diag_embed(damping * steepness + 1e-12)
        step = torch.linalg.solve(normal, (slope.mT @ (weight * away)[..., None]))[..., 0]
        there = theta.clone()
        there[:, :free] -= step
        there = there.clamp(-furthest, furthest)
        away_there, share_there = off(there)
        then = error(away_there)
        better = then < now
        theta = torch.where(better[:, None], there, theta)
        away = torch.where(better[:, None], away_there, away)
        share = torch.where(better[:, None, None], share_there, share)
        now = torch.where(better, then, now)
        damping = torch.where(better[:, None], damping / 4, damping * 4).clamp(1e-9, 1e9)
    return theta, now

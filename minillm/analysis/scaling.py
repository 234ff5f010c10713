"""Fit a scaling law to finished runs, predict the loss of a larger run, and estimate the uncertainty.

    L(N, D) = E + A / N^alpha + B / D^beta                       (Hoffmann et al. 2022, section 3.3, eq. 2)

N is the number of parameters, D the number of training tokens, each seen once. E is the loss in the limit of infinite N
and D: the entropy of the text, which is known for the synthetic world (its floor). The second term is due to the finite
model, the third to the finite data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError

DELTA = 1e-3  # where Huber's error of log L changes from quadratic to linear (Hoffmann et al. 2022)
POWERS = (0.2, 0.5, 1.0, 1.5)  # initial values of alpha and beta
FLOORS = (0.1, 0.5, 0.9)  # initial values of E, as a fraction of the lowest loss
N_STEPS = 80  # of the fit; about 40 suffice for well-determined fits
BOUNDS = (300.0, 20.0, 300.0, 20.0, 20.0)  # on |ln A|, |alpha|, |ln B|, |beta|, |ln E|, so that powers do not overflow


@dataclass(frozen=True)
class Run:
    """A finished training run: model size, training tokens and final loss.

    Raises `UserError` for numbers that are not positive and finite.
    """

    parameters: float  # N
    tokens: float  # D
    loss: float  # L, nats per token on validation text

    def __post_init__(self) -> None:
        for name in ("parameters", "tokens", "loss"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"a run's {name} is {getattr(self, name)}; it must be a positive number")


@dataclass(frozen=True)
class ScalingLaw:
    """A scaling law with its five fitted parameters.

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
        """Predict the final loss of a run, in nats per token."""
        return self.floor + self.size_factor / parameters**self.size_power + self.data_factor / tokens**self.data_power

    def best_split(self, flops: float) -> tuple[float, float]:
        """Compute the parameters N and tokens D with the lowest loss for a budget of C = 6 N D FLOPs.

        At the optimum, alpha A / N^alpha = beta B / D^beta (Hoffmann et al. 2022, eq. 4). Raises `UserError` for a
        law that does not decrease with both N and D.

        >>> parameters, tokens = ScalingLaw(1.0, 100.0, 0.5, 100.0, 0.5).best_split(6e20)
        >>> f"{parameters:.3g} {tokens:.3g}"
        '1e+10 1e+10'
        """
        if min(self.size_power, self.data_power, self.size_factor, self.data_factor) <= 0:
            raise UserError(f"{self} does not decrease with both N and D, so it has no best split; fit other runs")
        powers = self.size_power + self.data_power
        balance = (self.size_power * self.size_factor / (self.data_power * self.data_factor)) ** (1 / powers)
        parameters = balance * (flops / 6) ** (self.data_power / powers)
        return parameters, flops / 6 / parameters


def log_error(law: ScalingLaw, runs: Sequence[Run], delta: float = DELTA) -> float:
    """Compute the objective of a fit: the sum over runs of the Huber error of log L.

    Up to `delta` the error counts as half its square, beyond that linearly, so that a single outlier has little
    influence (Huber 1964; Hoffmann et al. 2022, eq. 3).

    >>> law = ScalingLaw(1.0, 1.0, 1.0, 1.0, 1.0)
    >>> log_error(law, [Run(2, 2, 2.0)]), round(log_error(law, [Run(2, 2, 2 * math.e)]), 4)
    (0.0, 0.001)
    """
    total = 0.0
    for run in runs:
        error = abs(math.log(law.loss(run.parameters, run.tokens)) - math.log(run.loss))
        total += error**2 / 2 if error <= delta else delta * (error - delta / 2)
    return total


def fit(runs: Sequence[Run], floor: float | None = None, delta: float = DELTA) -> ScalingLaw:
    """Fit the law with the lowest `log_error`; with `floor`, E is fixed and only four parameters are fitted.

    Starts from many initial values and keeps the best result, as Hoffmann et al. do. They use L-BFGS; here all starts
    run in one batch with Levenberg-Marquardt (Levenberg 1944, Marquardt 1963), which needs a few dozen steps. Raises
    `UserError` unless there are more runs than parameters, with different N and D, and all losses above the floor.

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
    """Fit laws to bootstrap resamples of the runs, to estimate the uncertainty of a fit (Efron 1979).

    A resample without more distinct runs than parameters is drawn again, since it does not determine a law.
    Raises what `fit` raises, and `UserError` for too few runs.

    >>> truth = ScalingLaw(0.5, 20.0, 0.4, 300.0, 0.6)
    >>> runs = [Run(n, d, truth.loss(n, d)) for n in (1e3, 1e4, 1e5) for d in (1e4, 1e5, 1e6)]
    >>> low, high = interval([law.floor for law in bootstrap(runs, resamples=20)], coverage=0.8)
    >>> 0.49 < low <= high < 0.51
    True
    """
    _check(runs, floor)
    if len(runs) < _n_parameters(floor) + 3:
        raise UserError(
            f"{len(runs)} runs are too few to bootstrap a law with {_n_parameters(floor)} parameters; "
            f"finish at least {_n_parameters(floor) + 3}"
        )
    generator = torch.Generator().manual_seed(seed)
    counts: list[Tensor] = []
    while len(counts) < resamples:
        resample = torch.randint(len(runs), (len(runs),), generator=generator).bincount(minlength=len(runs))
        if int((resample > 0).sum()) > _n_parameters(floor):
            counts.append(resample.double())
    return _fits(runs, torch.stack(counts), floor, delta)


def interval(values: Sequence[float], coverage: float = 0.9) -> tuple[float, float]:
    """Compute the central interval that contains a fraction `coverage` of the values.

    >>> [round(bound, 3) for bound in interval([float(n) for n in range(101)])]
    [5.0, 95.0]
    """
    if not 0 < coverage < 1 or not values:
        raise UserError(f"an interval needs values and a coverage between 0 and 1, not {len(values)} and {coverage}")
    quantiles = torch.tensor([(1 - coverage) / 2, (1 + coverage) / 2], dtype=torch.float64)
    low, high = torch.tensor(values, dtype=torch.float64).quantile(quantiles).tolist()
    return low, high


def _n_parameters(floor: float | None) -> int:
    return 5 if floor is None else 4


def _check(runs: Sequence[Run], floor: float | None) -> None:
    if len(runs) <= _n_parameters(floor):
        raise UserError(
            f"{len(runs)} runs do not determine {_n_parameters(floor)} parameters; "
            f"finish at least {_n_parameters(floor) + 1}"
        )
    for name in ("parameters", "tokens"):
        if len({getattr(run, name) for run in runs}) < 2:
            raise UserError(f"all runs have the same number of {name}; vary both N and D")
    lowest = min(run.loss for run in runs)
    if floor is not None and not 0 < floor < lowest:
        raise UserError(f"the floor is {floor}; it must be above 0 and below the lowest loss, {lowest}")


def _fits(
    runs: Sequence[Run], counts: Float[Tensor, "fits runs"], floor: float | None, delta: float
) -> list[ScalingLaw]:
    """One law per row of `counts`, the weights of the runs; all starting points run in one batch."""
    size, data, loss = (
        torch.tensor([math.log(getattr(run, name)) for run in runs], dtype=torch.float64)
        for name in ("parameters", "tokens", "loss")
    )
    starts = _starts(size, data, loss, floor)
    theta = starts.repeat(len(counts), 1)
    fitted, errors = _levenberg_marquardt(
        theta, size, data, loss, counts.repeat_interleave(len(starts), 0), floor is None, delta
    )
    best = errors.view(len(counts), -1).argmin(1) + torch.arange(len(counts)) * len(starts)
    return [
        ScalingLaw(math.exp(e) if floor is None else floor, math.exp(a), alpha, math.exp(b), beta)
        for a, alpha, b, beta, e in fitted[best].tolist()
    ]


def _starts(
    size: Float[Tensor, "runs"], data: Float[Tensor, "runs"], loss: Float[Tensor, "runs"], floor: float | None
) -> Float[Tensor, "starts 5"]:
    """Initial (ln A, alpha, ln B, beta, ln E) for all powers and floors; the two terms are equal on average."""
    lowest = loss.min()
    rows = []
    for e in [math.log(floor)] if floor is not None else [float(lowest) + math.log(fraction) for fraction in FLOORS]:
        half = float((loss.exp() - math.exp(e)).mean().log()) - math.log(2)
        rows += [
            [half + alpha * float(size.mean()), alpha, half + beta * float(data.mean()), beta, e]
            for alpha in POWERS
            for beta in POWERS
        ]
    return torch.tensor(rows, dtype=torch.float64)


def _levenberg_marquardt(
    theta: Float[Tensor, "starts 5"],
    size: Float[Tensor, "runs"],
    data: Float[Tensor, "runs"],
    loss: Float[Tensor, "runs"],
    counts: Float[Tensor, "starts runs"],
    floor_is_free: bool,
    delta: float,
) -> tuple[Float[Tensor, "starts 5"], Float[Tensor, "starts"]]:
    """Minimize the Huber error by Levenberg-Marquardt from every start; returns the parameters and their errors.

    log L is the log-sum-exp of three linear functions of the parameters, so its derivative with respect to each of them
    is a softmax. The Huber error is a weighted square with weights that depend on the residual (iteratively reweighted
    least squares), so each step solves a linear least-squares problem with five unknowns.
    """
    n_free = 5 if floor_is_free else 4

    def residuals(theta: Tensor) -> tuple[Tensor, Tensor]:
        a, alpha, b, beta, e = theta.T[..., None]
        terms = torch.stack([a - alpha * size, b - beta * data, e.expand(-1, len(size))], dim=-1)
        return terms.logsumexp(-1) - loss, terms.softmax(-1)

    def huber(residual: Tensor) -> Tensor:
        distance = residual.abs()
        return (counts * torch.where(distance <= delta, distance**2 / 2, delta * (distance - delta / 2))).sum(-1)

    bounds = torch.tensor(BOUNDS, dtype=torch.float64)
    damping = torch.ones(len(theta), 1, dtype=torch.float64)
    residual, softmax = residuals(theta)
    error = huber(residual)
    for _ in range(N_STEPS):
        # the Jacobian of log L, and the damped normal equations
        by_size, by_data, by_floor = softmax.unbind(-1)
        jacobian = torch.stack([by_size, -size * by_size, by_data, -data * by_data, by_floor], dim=-1)[..., :n_free]
        weight = counts * (delta / residual.abs().clamp_min(1e-12)).clamp_max(1.0)
        normal = jacobian.mT @ (weight[..., None] * jacobian)
        diagonal = torch.diagonal(normal, dim1=-2, dim2=-1)
        normal = normal + torch.diag_embed(damping * diagonal + 1e-12)
        step = torch.linalg.solve(normal, (jacobian.mT @ (weight * residual)[..., None]))[..., 0]

        # accept the step where it lowers the error, and adapt the damping
        new_theta = theta.clone()
        new_theta[:, :n_free] -= step
        new_theta = new_theta.clamp(-bounds, bounds)
        new_residual, new_softmax = residuals(new_theta)
        new_error = huber(new_residual)
        better = new_error < error
        theta = torch.where(better[:, None], new_theta, theta)
        residual = torch.where(better[:, None], new_residual, residual)
        softmax = torch.where(better[:, None, None], new_softmax, softmax)
        error = torch.where(better, new_error, error)
        damping = torch.where(better[:, None], damping / 4, damping * 4).clamp(1e-9, 1e9)
    return theta, error

"""10.1: weights of a Bradley-Terry reward from clicks, each with its error: the curvature at the optimum.

The posterior of the weights is replaced by a normal distribution around its maximum (Laplace's method: MacKay 2003,
"Information theory, inference and learning algorithms", chapter 27).
"""

import random
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer
from minillm.course.checks.question import Question

NEWTON_STEPS = 60
Found = tuple[Tensor, Tensor]


def weights_with_errors(x: Float[Tensor, "N K"], prior: float) -> Found:
    """The right answer, by Newton's method: the weights of highest posterior probability, and their errors.

    >>> weights, errors = weights_with_errors(torch.tensor([[1.0], [1.0], [1.0], [-1.0]]), prior=2.0)
    >>> weights.round(decimals=4), errors.round(decimals=4)
    (tensor([0.8365], dtype=torch.float64), tensor([0.9562], dtype=torch.float64))
    """
    return _solved()(x, prior)


def fitted(x: Tensor, pull: float) -> Tensor:
    """The least of -sum log sigmoid(x w) + pull / 2 |w|^2, by damped Newton steps in float64."""
    x = x.double()
    w = torch.zeros(x.shape[1]).double()
    for _ in range(NEWTON_STEPS):
        step = torch.linalg.pinv(curvature(x, w, pull)) @ gradient(x, w, pull)
        w = w - step / max(1.0, step.abs().max().item())
    return w


def gradient(x: Tensor, w: Tensor, pull: float) -> Tensor:
    """That of the loss (K,)."""
    return pull * w - x.double().T @ torch.sigmoid(-x.double() @ w)


def curvature(x: Tensor, w: Tensor, pull: float, of: Callable[[Tensor], Tensor] = lambda p: p * (1 - p)) -> Tensor:
    """The second derivatives of the loss (K, K); each pair counts by `of` the probability of its choice."""
    x = x.double()
    return x.T @ (of(torch.sigmoid(x @ w))[:, None] * x) + pull * torch.eye(x.shape[1]).double()


def _errors(H: Tensor) -> Tensor:
    return torch.linalg.pinv(H).diagonal().clamp_min(0).sqrt()


def _solved(
    pull: Callable[[float, int], float] = lambda prior, N: prior**-2,
    bent: Callable[[Tensor, Tensor, float], Tensor] = curvature,
    errors: Callable[[Tensor], Tensor] = _errors,
    made: Callable[[Tensor, Tensor, int], Any] = lambda w, error, N: (w, error),
    bent_pull: Callable[[float, int], float] | None = None,
) -> Answer:
    """The right answer, with one thing done differently."""

    def answer(x: Tensor, prior: float) -> Any:
        w = fitted(x, pull(prior, len(x)))
        H = bent(x, w, (bent_pull or pull)(prior, len(x)))
        return made(w, errors(H), len(x))

    return answer


def _clicks(rng: random.Random, N: int, K: int) -> Tensor:
    """Differences of features that no weights explain perfectly, so that there's an optimum without a prior, too."""
    while True:
        x = torch.tensor([[rng.randint(-15, 15) / 10 for _ in range(K)] for _ in range(N)]).double()
        if x.any(1).all() and fitted(x, 0.0).abs().max() < 5:
            return x


def _prior(rng: random.Random) -> float:
    return rng.choice([0.7, 1.5, 2.5, 3.0])


def _with_clear_weights(rng: random.Random, N: int, K: int) -> Call:
    """Clicks whose weights aren't near 0, where four digits would ask more of a method than elsewhere."""
    while True:
        x, prior = _clicks(rng, N, K), _prior(rng)
        if fitted(x, prior**-2).abs().min() > 0.05:
            return x, prior


def _noisy(rng: random.Random) -> list[Call]:
    first: Call = (torch.tensor([[1.0], [1.0], [1.0], [-1.0]]).double(), 2.0)
    return [first, *(_with_clear_weights(rng, N, K) for N, K in ((6, 1), (9, 2), (14, 3), (20, 3)))]


NOISY = ("four clicks", "one feature", "two features", "three features", "twenty clicks")


def _perfect(rng: random.Random) -> list[Call]:
    """Clicks that agree on a feature, so that only the prior keeps its weight from growing without end."""
    calls = []
    for N, K in ((3, 1), (8, 2), (20, 3)):
        x = torch.tensor([[rng.randint(-15, 15) / 10 for _ in range(K)] for _ in range(N)]).double()
        x[:, 0] = x[:, 0].abs() + 0.5
        calls.append((x, _prior(rng)))
    return calls


def _few(rng: random.Random) -> list[Call]:
    """Fewer clicks than features, and a feature in which no two answers differ: the prior alone says how sure."""
    x = torch.tensor([[rng.randint(-15, 15) / 10 for _ in range(3)] for _ in range(2)]).double()
    flat = _clicks(rng, 9, 2)
    return [(x, _prior(rng)), (torch.cat([flat, torch.zeros(9, 1).double()], dim=1), _prior(rng))]


SCARCE = ("a sign only", "two features", "three features", "fewer clicks than features", "a feature that never differs")


def _off(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str, int] | None:
    """No pair of tensors, not finite, not at the optimum, or right weights with wrong errors."""
    for index, ((x, prior), (weights, errors), answer) in enumerate(zip(calls, right, got, strict=True)):
        K = x.shape[1]
        if type(answer) not in (tuple, list) or len(answer) != 2:
            return "Two tensors are asked for: the weights and their errors.", "`return w, errors`.", index
        found = [as_tensor(part) for part in answer]
        if found[1] is not None and found[1].shape == (K, K):
            hint = "The errors are the roots of its diagonal: `.diagonal().sqrt()`."
            return "The second result is a matrix, K by K.", hint, index
        if any(part is None or part.shape != (K,) for part in found):
            return "Both results must have one number per feature, (K,).", DEFAULT, index
        w, error = (torch.as_tensor(part).double() for part in found)
        if not (w.isfinite().all() and error.isfinite().all()):
            return (
                "A result is not finite.",
                "Is a matrix inverted that has no inverse? The prior belongs into it.",
                index,
            )
        if (w - weights).abs().max() > 1e-3 * (1 + weights.abs().max()):
            left = gradient(x, w, prior**-2).abs().max().item()
            sentence = f"The gradient at these weights is still up to {left:.2g}; at the optimum it's 0."
            return sentence, "More steps, a fitting rate, or Newton's: `w - torch.linalg.solve(H, gradient)`.", index
        if (error - errors).abs().max() > 1e-3 * errors.max():
            return "The weights are right, and the errors aren't.", INVERSE, index
    return None


DEFAULT = "Weights first, errors second, each a tensor (K,)."
PULL = "The prior adds |w|² / (2 prior²) to the *sum* of the pairs' losses."
INVERSE = "Errors are the roots of the diagonal of the inverse of H, at the weights that were found."
BENDS = "A pair adds P (1 - P) x xᵀ to H, and the prior adds 1 / prior² to its diagonal."

question = Question("10.1", "Weights with their errors", weights_with_errors, parts=("weights", "errors"))

noisy = question.probe("clicks that contradict each other", _noisy, kinds=NOISY)
noisy.otherwise = _off
for _sentence, _pull in (
    ("The prior is missing, in the loss and in its curvature.", lambda prior, N: 0.0),
    ("The prior isn't squared.", lambda prior, N: 1 / prior),
    ("The weights are multiplied by prior², not divided by it: a wide prior must penalize less.", lambda p, N: p**2),
    ("The weights are multiplied by the prior, not divided by its square.", lambda prior, N: prior),
    ("The prior's ½ is missing: its loss is |w|² / (2 prior²).", lambda prior, N: 2 * prior**-2),
    ("The loss is a mean over the pairs, and the prior isn't divided by N: it counts N times.", lambda p, N: N * p**-2),
    ("The prior is divided by N, though the loss is a sum.", lambda prior, N: prior**-2 / N),
):
    noisy.mistake(_sentence, PULL, _solved(pull=_pull))
for _sentence, _pull in (
    ("The prior is in the curvature, and not in the loss.", lambda prior, N: 0.0),
    ("The prior isn't squared in the loss.", lambda prior, N: 1 / prior),
):
    noisy.mistake(_sentence, PULL, _solved(pull=_pull, bent_pull=lambda prior, N: prior**-2))
for _sentence, _pull in (
    ("The prior is in the loss, and not in the curvature: the errors are too large.", lambda prior, N: 0.0),
    ("The prior isn't squared in the curvature.", lambda prior, N: 1 / prior),
    ("The prior counts twice in the curvature.", lambda prior, N: 2 * prior**-2),
):
    noisy.mistake(_sentence, BENDS, _solved(bent_pull=_pull))
for _sentence, _of in (
    ("In the curvature, a pair counts by P, not by P (1 - P).", lambda p: p),
    ("In the curvature, a pair counts by 1 - P, not by P (1 - P).", lambda p: 1 - p),
    ("In the curvature, a pair counts by (1 - P)²: these are squares of gradients.", lambda p: (1 - p) ** 2),
    ("In the curvature, every pair counts fully: P (1 - P) is missing.", torch.ones_like),
    ("The curvature is that at w = 0, where P (1 - P) is 1/4.", lambda p: torch.full_like(p, 0.25)),
    ("In the curvature, a pair counts by the root of P (1 - P).", lambda p: (p * (1 - p)).sqrt()),
):
    noisy.mistake(_sentence, BENDS, _solved(bent=lambda x, w, pull, of=_of: curvature(x, w, pull, of)))
for _sentence, _made_of in (
    ("The errors are variances: the root is missing.", lambda H: _errors(H) ** 2),
    (
        "Only the diagonal of H is inverted, so features that go together aren't noticed.",
        lambda H: H.diagonal() ** -0.5,
    ),
    ("Only the diagonal of H is inverted, and the root is missing.", lambda H: 1 / H.diagonal()),
    ("H isn't inverted: where the loss bends much, the weight is *well* known.", lambda H: H.diagonal().sqrt()),
    ("H is neither inverted, nor is the root taken.", lambda H: H.diagonal()),
    ("The errors are the roots of the eigenvalues of the inverse.", lambda H: torch.linalg.eigvalsh(H) ** -0.5),
    ("The roots of the inverse's rows are summed.", lambda H: torch.linalg.pinv(H).sum(1).abs().sqrt()),
):
    noisy.mistake(_sentence, INVERSE, _solved(errors=_made_of))
for _sentence, _hint, _made in (
    ("The errors are divided by √N.", "H is a sum over the pairs: N is in it.", lambda w, e, N: (w, e / N**0.5)),
    ("The errors are multiplied by √N: H is a mean.", "Add up over the pairs.", lambda w, e, N: (w, e * N**0.5)),
    ("The errors are 1.96 times as large: half a 95% interval.", "One standard error.", lambda w, e, N: (w, 1.96 * e)),
    ("The errors are twice as large.", "One standard error.", lambda w, e, N: (w, 2 * e)),
    ("The weights have the wrong sign.", "x is preferred less other: P = sigmoid(x w).", lambda w, e, N: (-w, e)),
    ("The errors come first.", DEFAULT, lambda w, e, N: (e, w)),
    ("The errors are relative to the weights.", DEFAULT, lambda w, e, N: (w, e / w.abs())),
    ("Weights over errors come second.", DEFAULT, lambda w, e, N: (w, w / e)),
):
    noisy.mistake(_sentence, _hint, _solved(made=_made))
noisy.mistake(
    "The loss and H are means over the pairs: the prior counts N times as much.",
    PULL,
    _solved(pull=lambda prior, N: N * prior**-2, made=lambda w, e, N: (w, e * N**0.5)),
)
noisy.mistake(
    "The errors are the features' standard deviations.",
    INVERSE,
    lambda x, prior: (fitted(x, prior**-2), x.double().std(0)),
)
scarce = question.probe(
    "clicks that agree perfectly, or are few", lambda rng: [*_perfect(rng), *_few(rng)], kinds=SCARCE
)
scarce.otherwise = _off

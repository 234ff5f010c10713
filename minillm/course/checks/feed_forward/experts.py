"""05.3: a mixture of experts (Shazeer et al. 2017, eq. 1 to 5), with the two ways to weigh those that are chosen.

Mixtral lets the weights of the chosen experts add up to 1, OLMoE does not. An OLMoE with Mixtral's weights wrote texts
that began well and drifted away (pull request 391 of lablup/mlxcel); a model that missed the 1 had far too large
gradients (issue 1448 of pytorch/torchtitan); and raw scores stood for weights in sglang (its pull request 35160).
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.feed_forward.common import OTHER_BENDS, hidden, told_apart
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question

CLOSEST = 0.1  # by which scores of a token must differ: who is chosen may not hang on rounding


def mixture(
    x: Float[Tensor, "T C"],
    router: Float[Tensor, "experts C"],
    gate: Float[Tensor, "experts F C"],
    up: Float[Tensor, "experts F C"],
    down: Float[Tensor, "experts C F"],
    k: int,
    renormalize: bool,
) -> Float[Tensor, "T C"]:
    """The right answer, by weights that are 0 for all experts but the chosen ones.

    >>> x, one = torch.ones(1, 1), torch.ones(2, 1, 1)
    >>> mixture(x, torch.tensor([[0.0], [1.0]]), one, one, one, k=1, renormalize=True).round(decimals=4)
    tensor([[0.7311]])
    """
    return _mixed(x, router, gate, up, down, k, renormalize, weigh=_weights)


def _weights(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    chosen = _chosen(scores, k)
    if renormalize:
        scores = scores.where(chosen, -torch.inf)
    return scores.softmax(-1) * chosen


def _chosen(scores: Tensor, k: int) -> Tensor:
    """True for the k best of each row."""
    return (scores[..., None, :] > scores[..., None]).sum(-1) < k


def _outputs(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """What each expert would write at each position: (experts, T, C)."""
    return torch.stack([hidden(x, *own[:2]) @ own[2].T for own in zip(gate, up, down, strict=True)])


def _mixed(x, router, gate, up, down, k, renormalize, *, weigh) -> Tensor:
    """A mixture with other weights (T, experts)."""
    return torch.einsum("te,etc->tc", weigh(x @ router.T, k, renormalize), _outputs(x, gate, up, down))


def _layers(
    rng: random.Random, renormalize: bool, *sizes: tuple[int, int, int, int, int], far: bool = False
) -> list[Call]:
    """Layers of the sizes (T, C, neurons, E, k), C above E, and no two scores of a token near each other.

    With `far` the last layer is there once more, with scores near 200 for one token and near -200 for another.
    """
    calls = []
    for T, C, n_neurons, E, k in sizes:
        x, router = numbers(rng, T, C), numbers(rng, E, C, scale=0.5)
        while ((x @ router.T).sort(-1).values.diff(dim=-1) < CLOSEST).any():
            x, router = numbers(rng, T, C), numbers(rng, E, C, scale=0.5)
        experts = [numbers(rng, *shape) for shape in ((E, n_neurons, C), (E, n_neurons, C), (E, C, n_neurons))]
        calls.append((x, router, *experts, k, renormalize))
    if far:
        x, router, *rest = calls[-1]
        x, router = (torch.cat((matrix, torch.zeros(len(matrix), 1)), 1) for matrix in (x, router))
        x[:2, -1], router[:, -1] = torch.tensor([2.0, -2.0]), 100.0
        experts = [F.pad(rest[0], (0, 1)), F.pad(rest[1], (0, 1)), F.pad(rest[2], (0, 0, 0, 1))]
        calls.append((x, router, *experts, *rest[3:]))
    return calls


def _heard(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """With which weights the experts' outputs make up the answer, if with any, and what is wrong with them."""
    for (x, router, gate, up, down, k, renormalize), wanted, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != wanted.shape or not given.isfinite().all():
            return None
        for t in apart(wanted, given).any(-1).nonzero().flatten().tolist():
            outputs = _outputs(x, gate, up, down)[:, t].double()  # (experts, C), with C the larger one
            weights = torch.linalg.lstsq(outputs.T, given[t, :, None].double()).solution[:, 0]
            if apart(given[t].double(), weights @ outputs).any():
                hint = "What an expert writes is `(F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T`."
                return f"Token {t} hears something that is no weighted sum of what the experts write.", hint
            due = _weights(x @ router.T, k, renormalize)[t]
            fault = _fault(weights, (x @ router.T)[t], k, renormalize)
            heard, due = told_apart(weights, due)
            hint = "Print the router's scores of this token: who are the best k, and what are their weights?"
            return f"Token {t} hears the experts with the weights {heard}; right are {due}{fault}.", hint
    return None


def _fault(weights: Tensor, scores: Tensor, k: int, renormalize: bool) -> str:
    """What is wrong with the weights of a token, as the end of a sentence about them."""
    heard, best = weights.abs() > 1e-4, _chosen(scores, k)
    if (heard & ~best).any():
        if int(heard.sum()) > k:
            return f": {int(heard.sum())} experts are heard, and k is {k}"
        return ": an expert is heard that is not among the best k"
    if (weights < -1e-4).any():
        return ": a weight is negative"
    total = float(weights.sum())
    if renormalize and abs(total - 1) > 1e-3:
        return f": they add up to {total:.4g} and not to 1"
    if not renormalize and abs(total - 1) < 1e-3 and abs(float(scores.softmax(-1)[best].sum()) - 1) > 1e-3:
        return ": they add up to 1, though `renormalize` is False"
    if int(heard.sum()) < k and bool((scores.softmax(-1)[best] > 1e-3).all()):
        return f": only {int(heard.sum())} of {k} experts are heard"
    return ""


def _over_tokens(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """A softmax down the batch."""
    shares = scores.softmax(0)
    return _largest(shares, k, renormalize)


def _largest(shares: Tensor, k: int, renormalize: bool) -> Tensor:
    top, chosen = shares.topk(k)
    top = top / top.sum(-1, keepdim=True) if renormalize else top
    return torch.zeros_like(shares).scatter(-1, chosen, top)


def _same_for_all(scores: Tensor, k: int, renormalize: bool, *, joined: Callable[[Tensor], Tensor]) -> Tensor:
    """The experts that are best for the whole text."""
    best = torch.zeros(scores.shape[1]).scatter(0, joined(scores).topk(k).indices, 1.0)
    kept = scores.softmax(-1) * best
    return kept / kept.sum(-1, keepdim=True) if renormalize else kept


def _of_one_sum(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    weights = _weights(scores, k, False)
    return weights / weights.sum() if renormalize else weights


def _with_zeros(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """Zeros in place of the scores that are not chosen, and then a softmax."""
    return (scores * _chosen(scores, k)).softmax(-1)


def _bent(x, router, gate, up, down, k, renormalize, *, bend: Callable[[Tensor], Tensor]) -> Tensor:
    """A mixture of experts whose gates go through another function."""
    fired = bend(torch.einsum("tc,efc->etf", x, gate)) * torch.einsum("tc,efc->etf", x, up)
    return torch.einsum("te,etf,ecf->tc", _weights(x @ router.T, k, renormalize), fired, down)


def _melted(x, router, gate, up, down, k, renormalize) -> Tensor:
    weights = _weights(x @ router.T, k, renormalize)
    gates, ups, downs = (torch.einsum("te,eab->tab", weights, matrix) for matrix in (gate, up, down))
    fired = F.silu(torch.einsum("tfc,tc->tf", gates, x)) * torch.einsum("tfc,tc->tf", ups, x)
    return torch.einsum("tcf,tf->tc", downs, fired)


question = Question("05.3", "A few of many networks", mixture)

one_expert = question.probe(
    "one expert for each token",
    lambda rng: _layers(rng, True, (1, 3, 2, 2, 1), (4, 6, 3, 4, 1), (6, 4, 5, 3, 1), (2, 3, 1, 1, 1)),
    _heard,
    kinds=("a single token", "four tokens", "six tokens", "a single expert"),
)
one_expert.mistake(
    "Where `renormalize` is True, the one expert counts with its share in all: its weight should be 1.",
    "With `renormalize` the weights of the *chosen* experts add up to 1. Is the flag read the right way round?",
    partial(_mixed, weigh=lambda scores, k, renormalize: _weights(scores, k, False)),
)
one_expert.mistake(
    "The experts are weighted by their scores as they are.",
    "A score may be negative or 7. Softmax makes weights of scores.",
    partial(_mixed, weigh=lambda scores, k, renormalize: scores * _chosen(scores, k)),
)
one_expert.mistake(
    "All experts are heard.",
    "Only the k experts with the highest scores take part. The others' weight is 0.",
    partial(_mixed, weigh=lambda scores, k, renormalize: scores.softmax(-1)),
)
one_expert.mistake(
    "The experts with the lowest scores are chosen.",
    "`topk` gives the highest. Is there a minus too many, or a sort in the wrong direction?",
    partial(_mixed, weigh=lambda scores, k, renormalize: _weights(-scores, k, renormalize)),
)
one_expert.mistake(
    "The softmax runs over the tokens, and not over the experts.",
    "The scores are (T, E). The shares of one token add up to 1: `softmax(-1)`.",
    partial(_mixed, weigh=_over_tokens),
)
for _joined in (
    lambda scores: scores.softmax(-1).sum(0),
    lambda scores: scores.sum(0),
    lambda scores: scores[0],
    lambda scores: scores.amax(0),
):
    one_expert.mistake(
        "The experts are chosen once for all tokens together.",
        "Each token has its own best k: `topk` along the last axis of (T, E).",
        partial(_mixed, weigh=partial(_same_for_all, joined=_joined)),
    )
one_expert.mistake(
    "The weights are divided by the sum over all tokens.",
    "The weights of each token add up to 1: `sum(-1, keepdim=True)`.",
    partial(_mixed, weigh=_of_one_sum),
)
one_expert.mistake(
    "One expert too many is heard.",
    "With `sorted(...)[k]` as the limit, k + 1 experts reach it. The last one chosen has number k - 1.",
    partial(_mixed, weigh=lambda scores, k, renormalize: _weights(scores, min(k + 1, scores.shape[1]), renormalize)),
)
one_expert.mistake(
    "The scores that are not chosen become 0 before the softmax, where e^0 = 1 still counts.",
    "Fill them with -inf, or set the weights to 0 after the softmax.",
    partial(_mixed, weigh=_with_zeros),
)
one_expert.mistake(
    "Gate and up are swapped.",
    "SiLU bends what the *gate* reads.",
    lambda x, router, gate, up, *rest: mixture(x, router, up, gate, *rest),
)
for bend in OTHER_BENDS.values():
    one_expert.mistake(
        "The gate's reading goes through another function than SiLU.",
        "SiLU is x times sigmoid(x), `F.silu`.",
        partial(_bent, bend=bend),
    )

several_experts = question.probe(
    "several experts",
    lambda rng: _layers(rng, True, (1, 4, 2, 3, 2), (4, 6, 3, 5, 3), (3, 4, 2, 3, 3), (5, 5, 4, 4, 2), far=True),
    _heard,
    kinds=("a single token", "three of five experts", "all experts chosen", "two of four experts", "scores near 200"),
)
several_experts.mistake(
    "The chosen experts all count the same.",
    "Softmax over the scores of the chosen ones: who has the higher score has the higher weight.",
    partial(_mixed, weigh=lambda scores, k, renormalize: _chosen(scores, k) / k),
)
several_experts.mistake(
    "Only the best expert is heard.",
    "k experts are chosen for each token.",
    partial(_mixed, weigh=lambda scores, k, renormalize: _weights(scores, 1, renormalize)),
)

several_experts.mistake(
    "The experts' matrices are mixed, and one network runs. What the experts write is to be mixed.",
    "A network is not linear. Let each chosen expert run, then add up with the weights.",
    _melted,
)


def _overflowing(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    powers, chosen = scores.exp(), _chosen(scores, k)
    return powers * chosen / (powers * chosen if renormalize else powers).sum(-1, keepdim=True)


several_experts.mistake(
    "The powers of the scores overflow: e to the 200 is too large for 32 bits.",
    "`softmax` subtracts each row's largest score before it takes powers. Use it, or do so, too.",
    partial(_mixed, weigh=_overflowing),
)

shares_of_all = question.probe(
    "weights as shares of all",
    lambda rng: _layers(rng, False, (1, 4, 2, 3, 2), (4, 6, 3, 5, 3), (3, 4, 2, 3, 3), (5, 5, 4, 4, 1), far=True),
    _heard,
    kinds=("a single token", "three of five experts", "all experts chosen", "one of four experts", "scores near 200"),
)
shares_of_all.mistake(
    "The weights add up to 1, though `renormalize` is False.",
    "Softmax over *all* experts first; then take the weights of the chosen ones as they are.",
    partial(_mixed, weigh=lambda scores, k, renormalize: _weights(scores, k, True)),
)
shares_of_all.mistake(
    "Without `renormalize` the scores themselves are the weights.",
    "A score may be negative. The weights are the shares in the softmax over all experts.",
    partial(
        _mixed,
        weigh=lambda scores, k, renormalize: scores * _chosen(scores, k),
    ),
)

"""05.3: a mixture of experts (Shazeer et al. 2017, eq. 1 to 5), with the two ways to weigh those that are chosen.

Mixtral lets the weights of the chosen experts add up to 1, OLMoE does not. An OLMoE with Mixtral's weights wrote texts
that began well and drifted away (pull request 391 of lablup/mlxcel); a model that missed the 1 had far too large
gradients (issue 1448 of pytorch/torchtitan); and raw scores stood for weights in sglang (its pull request 35160).
"""

import random
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.feed_forward import weights as w
from minillm.course.checks.feed_forward.common import OTHER_ACTIVATIONS
from minillm.course.checks.feed_forward.weights import chosen, outputs_of, right_weights, what_is_heard
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
    return _mixed(x, router, gate, up, down, k, renormalize, weigh=right_weights)


def _mixed(x, router, gate, up, down, k, renormalize, *, weigh) -> Tensor:
    """A mixture with other weights (T, experts)."""
    return torch.einsum("te,etc->tc", weigh(x @ router.T, k, renormalize), outputs_of(x, gate, up, down))


def _close(scores: Tensor) -> bool:
    """Whether two scores of a token are near each other."""
    return bool((scores.sort(-1).values.diff(dim=-1) < CLOSEST).any())


def _unclear(scores: Tensor) -> bool:
    """Whether the order of a token's scores hangs on rounding, or that of their absolute values, or their signs."""
    return _close(scores) or _close(F.pad(scores.abs(), (0, 1)))


def _layers(
    rng: random.Random, renormalize: bool, *sizes: tuple[int, int, int, int, int], far: bool = False
) -> list[Call]:
    """Layers of the sizes (T, C, neurons, E, k), C above E, and no two scores of a token near each other, nor near 0,
    nor their absolute values near each other.

    With `far` the last layer is there once more, with scores near 200 for one token and near -200 for another.
    """
    calls = []
    for T, C, n_neurons, E, k in sizes:
        x, router = numbers(rng, T, C), numbers(rng, E, C, scale=0.5)
        while _unclear(x @ router.T):  # ties fall differently on other machines
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


def _melted(x, router, gate, up, down, k, renormalize) -> Tensor:
    weights = right_weights(x @ router.T, k, renormalize)
    gates, ups, downs = (torch.einsum("te,eab->tab", weights, matrix) for matrix in (gate, up, down))
    fired = F.silu(torch.einsum("tfc,tc->tf", gates, x)) * torch.einsum("tfc,tc->tf", ups, x)
    return torch.einsum("tcf,tf->tc", downs, fired)


def _weighted_inside(x, router, gate, up, down, k, renormalize) -> Tensor:
    weights = right_weights(x @ router.T, k, renormalize)
    each = [outputs_of(own[:, None] * x, gate, up, down)[e] for e, own in enumerate(weights.T)]
    return torch.stack(each).sum(0)


def _fired(x, router, gate, up, down, k, renormalize, *, fire: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """A mixture of experts with other activations, by gate and up."""
    fired = fire(torch.einsum("tc,efc->etf", x, gate), torch.einsum("tc,efc->etf", x, up))
    return torch.einsum("te,etf,ecf->tc", right_weights(x @ router.T, k, renormalize), fired, down)


question = Question("05.3", "A mixture of experts", mixture)

one_expert = question.probe(
    "one expert for each token",
    lambda rng: _layers(rng, True, (1, 3, 2, 2, 1), (4, 6, 3, 4, 1), (6, 4, 5, 3, 1), (2, 3, 1, 1, 1)),
    what_is_heard,
    kinds=("a single token", "four tokens", "six tokens", "a single expert"),
)
one_expert.mistake(
    "Where `renormalize` is True, the one expert has its weight in the softmax over all: it should be 1.",
    "With `renormalize` the weights of the *chosen* experts sum to 1. Is the flag used the right way?",
    partial(_mixed, weigh=lambda scores, k, renormalize: right_weights(scores, k, False)),
)
one_expert.mistake(
    "The experts are weighted by their scores as they are.",
    "A score may be negative or 7. A softmax turns scores into weights.",
    partial(_mixed, weigh=lambda scores, k, renormalize: scores * chosen(scores, k)),
)
one_expert.mistake(
    "All experts are used.",
    "Only the k experts with the highest scores are used. The weight of the others is 0.",
    partial(_mixed, weigh=lambda scores, k, renormalize: scores.softmax(-1)),
)
one_expert.mistake(
    "The experts with the lowest scores are chosen.",
    "`topk` returns the highest. Is there a minus too many, or a sort in the wrong direction?",
    partial(_mixed, weigh=lambda scores, k, renormalize: right_weights(-scores, k, renormalize)),
)
one_expert.mistake(
    "The softmax is over the tokens, not over the experts.",
    "The scores are (T, E). The weights of one token sum to 1: `softmax(-1)`.",
    partial(_mixed, weigh=w.over_tokens),
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
        partial(_mixed, weigh=partial(w.same_for_all, joined=_joined)),
    )
one_expert.mistake(
    "The weights are divided by the sum over all tokens.",
    "The weights of each token sum to 1: `sum(-1, keepdim=True)`.",
    partial(_mixed, weigh=w.of_one_sum),
)
one_expert.mistake(
    "One expert too many is used.",
    "With `sorted(...)[k]` as the limit, k + 1 experts reach it. The last one chosen has the index k - 1.",
    partial(_mixed, weigh=w.one_more),
)
one_expert.mistake(
    "The scores that are not chosen become 0 before the softmax, where e^0 = 1 still counts.",
    "Set them to -inf, or set the weights to 0 after the softmax.",
    partial(_mixed, weigh=w.with_zeros),
)
one_expert.mistake(
    "The scores that are not chosen become 0 before the softmax, where e^0 = 1 still counts.",
    "Set them to -inf, or set the weights to 0 after the softmax.",
    partial(_mixed, weigh=w.zeros_then_cut),
)
one_expert.mistake(
    "The experts are chosen by the absolute value of their scores.",
    "The best k have the highest scores, and -5 is a low one.",
    partial(_mixed, weigh=w.by_size),
)
one_expert.mistake(
    "The weights of the best k are given to experts 0, 1 and so on, not to those that were chosen.",
    "`topk` returns the indices, too: `top, chosen = probs.topk(k)`. Use `chosen`.",
    partial(_mixed, weigh=w.from_zero),
)
one_expert.mistake(
    "Gate and up are swapped.",
    "SiLU is applied to the *gate*.",
    lambda x, router, gate, up, *rest: mixture(x, router, up, gate, *rest),
)
for activation in OTHER_ACTIVATIONS.values():
    one_expert.mistake(
        "The gate goes through another activation than SiLU.",
        "SiLU is x times sigmoid(x), `F.silu`.",
        partial(_fired, fire=lambda gate, up, activation=activation: activation(gate) * up),
    )

for _sentence, _fire in {
    "The experts have no SiLU: gate and up are multiplied as they are.": lambda gate, up: gate * up,
    "The experts' up is left out.": lambda gate, up: F.silu(gate),
    "In the experts SiLU is taken of the product of gate and up.": lambda gate, up: F.silu(gate * up),
    "In the experts SiLU is taken of both, gate and up.": lambda gate, up: F.silu(gate) * F.silu(up),
}.items():
    one_expert.mistake(
        _sentence,
        "The output of an expert is `(F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T`.",
        partial(_fired, fire=_fire),
    )

several_experts = question.probe(
    "several experts",
    lambda rng: _layers(rng, True, (1, 4, 2, 3, 2), (4, 6, 3, 5, 3), (3, 4, 2, 3, 3), (5, 5, 4, 4, 2), far=True),
    what_is_heard,
    kinds=("a single token", "three of five experts", "all experts chosen", "two of four experts", "scores near 200"),
)
several_experts.mistake(
    "The chosen experts all have the same weight.",
    "Take a softmax over the scores of the chosen ones: a higher score gives a higher weight.",
    partial(_mixed, weigh=lambda scores, k, renormalize: chosen(scores, k) / k),
)
several_experts.mistake(
    "Only the best expert is used.",
    "k experts are chosen for each token.",
    partial(_mixed, weigh=lambda scores, k, renormalize: right_weights(scores, 1, renormalize)),
)

several_experts.mistake(
    "Of the chosen experts only the last one's output is kept.",
    "The outputs are added: `out = out + ...`, not `out = ...`.",
    partial(_mixed, weigh=w.only_the_last),
)
several_experts.mistake(
    "The weights are in another order than the experts that they are given to.",
    "The first weight of `topk` belongs to the first index of `topk`, which may be 3.",
    partial(_mixed, weigh=w.in_another_order),
)
several_experts.mistake(
    "The weights are divided by their norm: their squares sum to 1, not the weights.",
    "Divide the chosen weights by their sum.",
    partial(_mixed, weigh=w.of_norm_1),
)
several_experts.mistake(
    "A second softmax is taken of what is a softmax already.",
    "One is enough. To make the chosen weights sum to 1, divide them by their sum.",
    partial(_mixed, weigh=w.again),
)
several_experts.mistake(
    "The weights come from a sigmoid, not from a softmax.",
    "Softmax over the experts: e to each score, over the sum of these powers.",
    partial(_mixed, weigh=w.sigmoids),
)
several_experts.mistake(
    "The scores are divided by their sum, without a softmax.",
    "A score may be negative. Take the softmax first, and divide its weights by their sum.",
    partial(_mixed, weigh=w.over_their_sum),
)
several_experts.mistake(
    "The router's scores are divided by a number, such as sqrt(C), before the softmax.",
    "The scores are plain dot products here: `x @ router.T`.",
    lambda x, router, *rest: mixture(x, router / x.shape[1] ** 0.5, *rest),
)
several_experts.mistake(
    "The weight multiplies the input of an expert instead of its output.",
    "An expert is not linear. Run it on `x` as it is, and multiply its output.",
    _weighted_inside,
)
several_experts.mistake(
    "The experts' matrices are averaged, and one network runs. Average the outputs instead.",
    "An expert is not linear. Run each chosen one, then take the weighted sum.",
    _melted,
)


several_experts.mistake(
    "The powers of the scores overflow: e to the 200 is too large for 32 bits.",
    "`softmax` subtracts each row's largest score first. Use it, or do the same.",
    partial(_mixed, weigh=w.overflowing),
)

shares_of_all = question.probe(
    "weights from a softmax over all",
    lambda rng: _layers(rng, False, (1, 4, 2, 3, 2), (4, 6, 3, 5, 3), (3, 4, 2, 3, 3), (5, 5, 4, 4, 1), far=True),
    what_is_heard,
    kinds=("a single token", "three of five experts", "all experts chosen", "one of four experts", "scores near 200"),
)
shares_of_all.mistake(
    "The weights sum to 1, although `renormalize` is False.",
    "Softmax over *all* experts first; then take the weights of the chosen ones as they are.",
    partial(_mixed, weigh=lambda scores, k, renormalize: right_weights(scores, k, True)),
)
shares_of_all.mistake(
    "Without `renormalize` a second softmax is taken of what is a softmax already.",
    "The weights come from *one* softmax over the scores of all experts.",
    partial(_mixed, weigh=w.again),
)
shares_of_all.mistake(
    "Without `renormalize` the weights are sigmoids of the scores.",
    "The weights come from the softmax over all experts.",
    partial(_mixed, weigh=w.sigmoids),
)
shares_of_all.mistake(
    "Without `renormalize` the scores themselves are the weights.",
    "A score may be negative. The weights come from the softmax over all experts.",
    partial(
        _mixed,
        weigh=lambda scores, k, renormalize: scores * chosen(scores, k),
    ),
)

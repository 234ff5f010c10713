"""The weights of a mixture of experts, for 05.3: the right ones, wrong ones, and what is wrong with them.

Each takes the router's scores (T, experts), k, and whether to renormalize, and gives weights (T, experts).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.feed_forward.common import hidden, told_apart
from minillm.course.checks.plain import apart, as_tensor


def right_weights(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """The right weights."""
    best = chosen(scores, k)
    if renormalize:
        scores = scores.where(best, -torch.inf)
    return scores.softmax(-1) * best


def chosen(scores: Tensor, k: int) -> Tensor:
    """True for the k best of each row."""
    return (scores[..., None, :] > scores[..., None]).sum(-1) < k


def over_tokens(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """A softmax down the batch."""
    shares = scores.softmax(0)
    return largest(shares, k, renormalize)


def largest(shares: Tensor, k: int, renormalize: bool) -> Tensor:
    """The largest shares, divided by their sum if asked."""
    top, best = shares.topk(k)
    top = top / top.sum(-1, keepdim=True) if renormalize else top
    return torch.zeros_like(shares).scatter(-1, best, top)


def same_for_all(scores: Tensor, k: int, renormalize: bool, *, joined: Callable[[Tensor], Tensor]) -> Tensor:
    """The experts that are best for the whole text."""
    best = torch.zeros(scores.shape[1]).scatter(0, joined(scores).topk(k).indices, 1.0)
    kept = scores.softmax(-1) * best
    return kept / kept.sum(-1, keepdim=True) if renormalize else kept


def of_one_sum(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """Divided by one sum over all tokens."""
    own = right_weights(scores, k, False)
    return own / own.sum() if renormalize else own


def only_the_last(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """The right weight of the last of the chosen experts, by size, and 0 for all others."""
    own = right_weights(scores, k, renormalize)
    return own * (chosen(scores, k) & ~chosen(scores, k - 1))


def of_norm_1(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """Divided by their norm, not by their sum."""
    own = right_weights(scores, k, False)
    return own / own.norm(dim=-1, keepdim=True) if renormalize else own


def with_zeros(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """Zeros in place of the scores that are not chosen, and then a softmax."""
    return (scores * chosen(scores, k)).softmax(-1)


def overflowing(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """Powers of the scores as they are."""
    powers, best = scores.exp(), chosen(scores, k)
    return powers * best / (powers * best if renormalize else powers).sum(-1, keepdim=True)


def one_more(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """One expert too many."""
    return right_weights(scores, min(k + 1, scores.shape[1]), renormalize)


def from_zero(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """The largest shares, given to experts 0, 1, and so on."""
    top = right_weights(scores, k, renormalize).sort(-1, descending=True).values
    return top * (torch.arange(scores.shape[1]) < k)


def in_another_order(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """The chosen experts by number, with the weights by size."""
    best = chosen(scores, k)
    top = right_weights(scores, k, renormalize).sort(-1, descending=True).values[:, :k]
    return torch.zeros_like(scores).masked_scatter(best, top)


def by_size(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """Those of the largest absolute scores."""
    best = chosen(scores.abs(), k)
    return (scores.where(best, -torch.inf) if renormalize else scores).softmax(-1) * best


def again(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """A second softmax, of the shares: of the chosen ones, or of all."""
    best, shares = chosen(scores, k), scores.softmax(-1)
    return (shares.where(best, -torch.inf) if renormalize else shares).softmax(-1) * best


def sigmoids(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """Sigmoids in place of a softmax."""
    return largest(scores.sigmoid(), k, renormalize)


def over_their_sum(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """No softmax: scores divided by their sum."""
    kept = scores * chosen(scores, k)
    return kept / (kept if renormalize else scores).sum(-1, keepdim=True)


def zeros_then_cut(scores: Tensor, k: int, renormalize: bool) -> Tensor:
    """The same, with 0 for those that are not chosen."""
    best = chosen(scores, k)
    return with_zeros(scores, k, renormalize) * best if renormalize else right_weights(scores, k, False)


def fault(heard: Tensor, scores: Tensor, k: int, renormalize: bool) -> str:
    """What is wrong with the weights that a token uses, as the end of a sentence about them."""
    due = right_weights(scores, k, renormalize).double()
    some, best = heard.abs() > 1e-4, chosen(scores, k)
    if k > 1 and not apart(due.sort().values, heard.sort().values).any():
        return ": these are the right weights, but for other experts"
    powers = scores.sigmoid().double() * best
    powers = powers / powers.sum() if renormalize else powers
    if k > 1 and not apart(powers, heard).any():
        return ": these come from a sigmoid, not from a softmax"
    if (some & ~best).any():
        if int(some.sum()) > k:
            return f": {int(some.sum())} experts are used, and k is {k}"
        return ": an expert is used that is not among the best k"
    if (heard < -1e-4).any():
        return ": a weight is negative"
    total = float(heard.sum())
    ratio = float(heard @ due / (due @ due))
    if k > 1 and abs(ratio - 1) > 1e-3 and not apart(heard, ratio * due).any():
        return f": each is {ratio:.4g} times the right one, and they sum to {total:.4g} instead of {due.sum():.4g}"
    if renormalize and abs(total - 1) > 1e-3:
        return f": they sum to {total:.4g}, not to 1"
    if not renormalize and abs(total - 1) < 1e-3 and abs(float(due.sum()) - 1) > 1e-3:
        return ": they sum to 1, although `renormalize` is False"
    if int(some.sum()) < k and bool((scores.softmax(-1)[best] > 1e-3).all()):
        return f": only {int(some.sum())} of {k} experts are used"
    if k > 1 and float(heard[best].max() - heard[best].min()) < float(due[best].max() - due[best].min()):
        return ": they are closer to each other than they should be"
    return ""


def outputs_of(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """What each expert would write at each position: (experts, T, C)."""
    return torch.stack([hidden(x, *own[:2]) @ own[2].T for own in zip(gate, up, down, strict=True)])


def what_is_heard(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """With which weights the experts' outputs make up the answer, if with any, and what is wrong with them."""
    for (x, router, gate, up, down, k, renormalize), wanted, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != wanted.shape or not given.isfinite().all():
            return None
        for t in apart(wanted, given).any(-1).nonzero().flatten().tolist():
            if not apart((given - wanted)[t].double(), x[t].double()).any():
                return None  # a fact says so
            outputs = outputs_of(x, gate, up, down)[:, t].double()  # (experts, C), with C the larger one
            weights = torch.linalg.lstsq(outputs.T, given[t, :, None].double()).solution[:, 0]
            if apart(given[t].double(), weights @ outputs).any():
                hint = "The output of an expert is `(F.silu(x @ gate[e].T) * (x @ up[e].T)) @ down[e].T`."
                return f"The result of token {t} is not a weighted sum of the experts' outputs.", hint
            due = right_weights(x @ router.T, k, renormalize)[t]
            wrong = fault(weights, (x @ router.T)[t], k, renormalize)
            heard, due = told_apart(weights, due)
            hint = "Print the router's scores of this token: which are the best k, and what are their weights?"
            return f"Token {t} uses the experts with the weights {heard}; right are {due}{wrong}.", hint
    return None

"""04.2, a bug-hunt: heads cut with `view` along the wrong axis, and joined without swapping the axes back.

It happens: all shapes fit and nothing is raised. (Issue 61 of LLMs-from-scratch asks about these lines.) With both
mistakes each head reads its own stretch of the text, with only one of them the mask also hides the wrong tokens.
"""

import random
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import READY_MADE, moved
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question


def multi_head(
    x: Float[Tensor, "T C"],
    query_weight: Float[Tensor, "C C"],
    key_weight: Float[Tensor, "C C"],
    value_weight: Float[Tensor, "C C"],
    output_weight: Float[Tensor, "C C"],
    n_heads: int,
) -> Float[Tensor, "T C"]:
    """The right answer: causal attention in several heads; matrices lie as in `nn.Linear`, outputs by inputs.

    >>> x, one = torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.eye(2)
    >>> multi_head(x, one, one, one, one, n_heads=2)
    tensor([[1., 2.],
            [1., 2.]])
    """
    return _multi_head(x, query_weight, key_weight, value_weight, output_weight, n_heads)


def _cut_rightly(x: Tensor, H: int) -> Tensor:
    return x.view(len(x), H, -1).transpose(0, 1)


def _cut_tokens(x: Tensor, H: int) -> Tensor:
    return x.reshape(H, len(x), -1)


def _join_rightly(heads: Tensor) -> Tensor:
    return heads.transpose(0, 1).flatten(1)


def _join_tokens(heads: Tensor) -> Tensor:
    return heads.reshape(heads.shape[1], -1)


def _multi_head(
    x,
    query_weight,
    key_weight,
    value_weight,
    output_weight,
    n_heads,
    *,
    cut=_cut_rightly,
    join=_join_rightly,
    scale: float | None = None,
    causal: bool = True,
):
    """Multi-head attention with one thing done differently."""
    query, key, value = (cut(x @ weight.T, n_heads) for weight in (query_weight, key_weight, value_weight))
    heads = F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=scale)
    return join(heads) @ output_weight.T


def _texts(rng: random.Random, *sizes: tuple[int, int, int]) -> list[Call]:
    """For each (T, C, H) two texts that differ in one token."""
    calls = []
    for T, C, H in sizes:
        weights = [numbers(rng, C, C, scale=0.5) for _ in range(4)]
        x = numbers(rng, T, C)
        changed = x.clone()
        changed[rng.randrange(1, T)] += 1 + numbers(rng, C).abs()
        calls += [(x, *weights, H), (changed, *weights, H)]
    return calls


def _leak(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    for first in range(0, len(calls), 2):
        changed = moved(calls[first][0], calls[first + 1][0])[0]
        early = [t for t in moved(got[first], got[first + 1]) if t < changed]
        if early:
            sentence = f"The output at position {early[0]} depends on token {changed}, which comes after it"
            hint = (
                "Does query t see keys 0 to t and no others? Then print which numbers of `x` stand in the first row of "
            )
            hint += "each head. They must all be token 0's."
            return f"{sentence}: by the mask, or by how heads are cut or joined.", hint
    return None


question = Question(
    "04.2", "The mask is right, and half the text misses the beginning", multi_head, forbidden=READY_MADE
)

two_heads = question.probe("two heads", lambda rng: _texts(rng, (3, 4, 2), (5, 6, 2)), _leak)
two_heads.mistake(
    "The heads are still cut and joined along the tokens: head 1 begins with a later token than 0.",
    "Head h owns columns of every token. Split the last axis into (H, D) first, then bring the heads to the front.",
    partial(_multi_head, cut=_cut_tokens, join=_join_tokens),
)
two_heads.mistake(
    "The cut is mended, but the heads' answers are joined along the tokens.",
    "(H, T, D) must become (T, H, D) before its last two axes are joined.",
    partial(_multi_head, join=_join_tokens),
)
two_heads.mistake(
    "The joining is mended, but the heads are cut along the tokens.",
    "`view(H, T, D)` gives head 0 the first tokens. Split (T, C) into (T, H, D), then swap the first two axes.",
    partial(_multi_head, cut=_cut_tokens),
)


two_heads.mistake(
    "The columns are dealt out like cards: head h gets every H-th one.",
    "Head 0 owns the first D columns, head 1 the next D: the axis of heads stands before that of D.",
    partial(
        _multi_head,
        cut=lambda x, H: x.view(len(x), -1, H).permute(2, 0, 1),
        join=lambda heads: heads.permute(1, 2, 0).flatten(1),
    ),
)
two_heads.mistake(
    "The scores are divided by sqrt(C); each head is only D wide.",
    "The dot product runs over the D = C / H numbers of one head.",
    lambda x, *others: _multi_head(x, *others, scale=x.shape[1] ** -0.5),
)
two_heads.mistake(
    "Nothing is hidden any more: every position sees all others.",
    "The mask was not the fault. Put it back.",
    partial(_multi_head, causal=False),
)


@two_heads.mistake("The output matrix is not applied.", "After the heads are joined, `output_weight` mixes them.")
def _without_output(x, query_weight, key_weight, value_weight, output_weight, n_heads):
    return _multi_head(x, query_weight, key_weight, value_weight, torch.eye(x.shape[1]), n_heads)


other_counts = question.probe(
    "as many heads as tokens, and one",
    lambda rng: _texts(rng, (4, 8, 4), (3, 9, 3), (4, 6, 1)),
    _leak,
    same=two_heads.mistakes,
)

"""04.heads: attention in several heads, as a module (Vaswani et al. 2017, section 3.2.2).

The module has the parameter names of the package's `MultiHeadAttention`, so it can take over a trained model's weights.
"""

import random
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from minillm.course.checks.asking import Call
from minillm.course.checks.attention.common import moved
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.attention.head import attention
from minillm.course.turns.attention.heads_variants import (
    columns,
    cut_cards,
    cut_tokens,
    first_head_only,
    first_two,
    inverted,
    join_tokens,
    multi_head,
    one_projection_per_slice,
)
from minillm.course.turns.attention.mask import causal_mask


class MultiHead(nn.Module):
    """Attention in several heads: (T, C) -> (T, C)."""

    def __init__(self, d_model, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(d_model, d_model, bias=False)
        self.key = nn.Linear(d_model, d_model, bias=False)
        self.value = nn.Linear(d_model, d_model, bias=False)
        self.output = nn.Linear(d_model, d_model, bias=False)

    def forward(self, x, visible):
        """What each position reads in all heads: (T, C)."""
        D = x.shape[-1] // self.n_heads
        query, key, value = self.query(x), self.key(x), self.value(x)
        heads = []
        for h in range(self.n_heads):
            own = slice(h * D, (h + 1) * D)  # the columns of head h
            heads.append(attention(query[:, own], key[:, own], value[:, own], visible))
        return self.output(torch.cat(heads, dim=-1))


turn = Turn(
    "04.heads",
    "Several heads",
    MultiHead,
    minutes=12,
    difficulty=4,
    hints=(
        "What shape has `self.query(x)`, and which of its columns belong to head 0 if D = C / n_heads?",
        "Project all of x first. Then, for each head, cut its D columns out of query, key and value, and attend.",
        "Each head returns (T, D). Put the heads side by side, which gives (T, C), and mix them with `self.output`.",
    ),
    ready_made=("torch.nn.MultiheadAttention", "torch.nn.functional.multi_head_attention_forward"),
    errors={
        "name 'F' is not defined": "Import it in your cell: `import torch.nn.functional as F`.",
        "name '(rearrange|einops)' is not defined": "That's from einops, which the course doesn't use: `view(T, H, D)` "
        "and `transpose(0, 1)` cut, `torch.cat` joins.",
        "name 'n_heads' is not defined": "`forward` finds it as `self.n_heads`.",
        "name 'D' is not defined": "D is the width of one head: all columns of x, divided by `self.n_heads`.",
        "unsupported operand|'Linear' object": "A layer is called, not multiplied or cut: `self.query(x)`.",
        "(?i)W_[QKV]": "The layer holds its own matrices: `self.query(x)` computes x W_Q, for all heads at once.",
        "local variable '(query|key|value)'|'MultiHead' object has no attribute": "The layer holds `self.n_heads`, "
        "`self.query`, `self.key`, `self.value` and `self.output`, and no more.",
        "must be integers|'float' object": "`/` gives a float, even if nothing is left "
        "over; `//` gives a whole number.",
        "not enough values": "There is no batch here: x is (T, C), and `x.shape` has two numbers.",
        r"shapes cannot be multiplied \(3x2 .*self\.output\(": "Only the D columns of one head arrive at "
        "`self.output`. Is `return` inside the loop, or are the heads added up? They belong side by side.",
        r"\(3x8 and 4x4\)": "Each head is C columns wide, so two are too many for `self.output`. Have you cut query, "
        "key and value, each to D columns?",
        r"\(3x2 and 4x3\)": "The query has D columns, and the key still has C: cut query, key and value alike.",
        "size mismatch, got input": "`query[h]` is one token. A head has all T rows and D columns: `query[:, own]`.",
        r"size of tensor [ab] \(5\)": "The sentence on the page has 5 words, this text has another length. Use x and "
        "`visible`, and no other tensor of the page.",
        r"\(1x12 and 4x4\)": "`heads += ...` adds the rows one by one. `heads.append(...)` adds the head as a whole.",
        "must be tuple of Tensors": "`torch.cat` takes a list of tensors: `torch.cat(heads, dim=-1)`.",
        r"\(5x4 and 6x6\)": "Is D always 2? It is C / n_heads, and differs from case to case.",
        r"mat1 and mat2 shapes(?!.*dim=-1).*(self\.output|torch\.cat)\(": "`self.output` takes (T, C), all heads side "
        "by side: `torch.cat(heads, dim=-1)`. (`torch.cat(heads)` puts them one below the other.)",
        r"x2 and 4x4\)|x3 and 6x6\)": "Is the input cut into heads? Each "
        "projection takes all C columns of x: apply it to x, then cut what it returns.",
        "batch2|shape of the mask|size of tensor a": "`attention` takes one head at a time, with all T rows and D "
        "columns: `query[:, own]`, or `query[h]` after `view(T, H, D).transpose(0, 1)`.",
        "must be Tensor, not list": "The heads are still a list. `torch.cat(heads, dim=-1)` makes one tensor of them.",
    },
    debrief=Debrief(
        "Production code has no loop over heads: it views (B, T, C) as (B, H, T, D) and makes one batched product. "
        "Query, key and value often share one wide matrix.",
        "Cut the input instead of its projections, and nothing raises an error. What can a head no longer see?",
    ),
)


def _texts(rng: random.Random, *sizes: tuple[int, int, int]) -> list[Call]:
    """For each (T, C, H) two texts that differ in one token, both under the causal mask."""
    calls = []
    for T, C, H in sizes:
        weights = {f"{name}.weight": numbers(rng, C, C, scale=0.5) for name in ("query", "key", "value", "output")}
        x = numbers(rng, T, C)
        changed = x.clone()
        changed[rng.randrange(1, T)] += 1 + numbers(rng, C).abs()
        calls += [((C, H), weights, text, causal_mask(T)) for text in (x, changed)]
    return calls


def _other_masks(rng: random.Random) -> list[Call]:
    calls = _texts(rng, (4, 6, 2), (5, 4, 4))
    return [(*call[:3], (numbers(rng, *call[3].shape) > 0) | torch.eye(len(call[3])).bool()) for call in calls]


def _again(calls: list[Call]) -> list[Call]:
    """These calls, and the first of them a second time."""
    return [*calls, calls[0]]


def _leak(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    if difference(calls[0], calls[-1]) is None and difference(got[0], got[-1]) is not None:
        return "The same inputs give another result each time.", "What is random? A new layer? Use the four of `self`."
    if type(got[0]) is tuple and difference(right[0], got[0][0]) is None:
        return f"You return {len(got[0])} things, and the first is right.", "Return only that one."
    if type(got[0]) in (list, tuple):
        return "The heads are returned as a list.", "Put them side by side with `torch.cat`, then apply `self.output`."
    if type(got[0]) is Tensor and got[0].dim() == 3:
        sentence = f"The heads are still apart: the result is {tuple(got[0].shape)}."
        return sentence, "Put them side by side, (T, C), then apply `self.output`."
    if type(got[0]) is Tensor and got[0].shape == (len(right[0]), right[0].shape[1] // calls[0][0][1]):
        return "The result is as wide as one head.", "Is `return` inside the loop? Put all heads side by side."
    for first in range(0, len(calls) - 1, 2):
        changed = moved(calls[first][2], calls[first + 1][2])[0]
        early = [t for t in moved(got[first], got[first + 1]) if t < changed]
        if early:
            hint = "Is `visible` passed on to every head? Does each head have all T tokens, and only its own columns?"
            sentence = f"The output at position {early[0]} depends on token {changed}, which is hidden from it."
            return sentence, hint, first
    return None


two_heads = turn.probe("two heads", lambda rng: _again(_texts(rng, (3, 4, 2), (5, 6, 2))), _leak)
two_heads.mistake(
    "The input is cut into heads, so each head reads only its own columns of x.",
    "Apply `self.query`, `self.key` and `self.value` to all of x first, then cut what they return.",
    one_projection_per_slice,
)
two_heads.mistake(
    "The projections are not cut: one head reads all C columns.",
    "Cut each projection into n_heads pieces of D = C / n_heads columns, and attend in each of them.",
    lambda sizes, *others: multi_head((sizes[0], 1), *others),
)
two_heads.mistake(
    "The heads are cut and joined along the tokens: each head gets some of the tokens, with all columns.",
    "Every head needs all T tokens. `view(T, H, D).transpose(0, 1)` gives (H, T, D); `view(H, T, D)` mixes them up.",
    partial(multi_head, cut=cut_tokens, join=join_tokens),
)
two_heads.mistake(
    "The heads are joined along the tokens.",
    "(H, T, D) must become (T, H, D), by `transpose(0, 1)`, before its last two dimensions are joined.",
    partial(multi_head, join=join_tokens),
)
two_heads.mistake(
    "The heads are cut along the tokens.",
    "`view(H, T, D)` gives head 0 the first tokens. Use `view(T, H, D).transpose(0, 1)`, and `attention` on each head.",
    partial(multi_head, cut=cut_tokens),
)
two_heads.mistake(
    "The columns are dealt out in turn: head h gets every n_heads-th column.",
    "Head 0 owns the first D columns, head 1 the next D: `view(T, H, D)`, not `view(T, D, H)`.",
    partial(multi_head, cut=cut_cards, join=lambda heads: heads.permute(1, 2, 0).flatten(1)),
)
two_heads.mistake(
    "The columns are cut in turn (every n_heads-th to one head), but joined in blocks.",
    "Head 0 owns the first D columns, head 1 the next D: `view(T, H, D)`, not `view(T, D, H)`.",
    partial(multi_head, cut=cut_cards),
)
two_heads.mistake(
    "The columns are cut in blocks, but joined in turn: first one column of each head.",
    "All D columns of head 0 come first, then those of head 1: `torch.cat(heads, dim=-1)`.",
    partial(multi_head, join=lambda heads: heads.permute(1, 2, 0).flatten(1)),
)
two_heads.mistake(
    "The first head always has two columns.",
    "D is C / n_heads, and differs from case to case, like the number of heads.",
    first_two,
)
two_heads.mistake(
    "The scores are divided by sqrt(C); each head is only D wide.",
    "The dot product of one head has D = C / n_heads terms: divide by sqrt(D).",
    lambda sizes, *others: multi_head(sizes, *others, scale=sizes[0] ** -0.5),
)
two_heads.mistake(
    "The scores are not divided by sqrt(D).",
    "`attention` does that for you; by hand, divide by the square root of D = C / n_heads.",
    partial(multi_head, scale=1.0),
)
two_heads.mistake(
    "The mask is not used.",
    "Pass `visible` on to every head.",
    lambda sizes, weights, x, visible: multi_head(sizes, weights, x, visible | True),
)
two_heads.mistake(
    "The mask is inverted: each query reads only what is hidden from it.",
    "Pass `visible` on as it is: True means visible. Only `nn.MultiheadAttention` wants the opposite.",
    inverted,
)
two_heads.mistake(
    "The projections multiply by their weights without a transpose, as in `x @ self.query.weight`.",
    "`nn.Linear` stores its matrix transposed. Call the layer: `self.query(x)`.",
    lambda sizes, weights, *others: multi_head(
        sizes, {name: w if name == "output.weight" else w.T for name, w in weights.items()}, *others
    ),
)
two_heads.mistake(
    "The output projection multiplies by its weights without a transpose, as in `heads @ self.output.weight`.",
    "`nn.Linear` stores its matrix transposed. Call the layer: `self.output(heads)`.",
    lambda sizes, weights, *others: multi_head(
        sizes, {name: w.T if name == "output.weight" else w for name, w in weights.items()}, *others
    ),
)
two_heads.mistake(
    "The columns of neighboring heads overlap: head h begins at column h.",
    "Head h begins at column h * D and ends before column (h + 1) * D.",
    partial(multi_head, cut=lambda part, H: part.unfold(1, part.shape[1] // H, 1)[:, :H].transpose(0, 1)),
)
two_heads.mistake(
    "The pieces are n_heads columns wide, not D.",
    "`split` takes the width of a piece, here D; `chunk` takes the number of pieces.",
    partial(multi_head, cut=lambda part, H: columns(part, part.shape[1] // H)),
)
two_heads.mistake(
    "The output projection is not applied.",
    "After the heads are joined, `self.output` mixes them.",
    partial(multi_head, names=("query", "key", "value", None)),
)
two_heads.mistake(
    "The keys come from the query projection.",
    "There are three projections: the keys are `self.key(x)`.",
    partial(multi_head, names=("query", "query", "value", "output")),
)
two_heads.mistake(
    "The keys and the values have changed places.",
    "`attention` takes query, key and value in this order; the keys are `self.key(x)`.",
    partial(multi_head, names=("query", "value", "key", "output")),
)
two_heads.mistake(
    "Each head reads x itself, without the projections.",
    "Queries, keys and values are `self.query(x)`, `self.key(x)` and `self.value(x)`. Cut those.",
    partial(multi_head, names=(None, None, None, "output")),
)
two_heads.mistake(
    "One head reads x itself, without the projections.",
    "Queries, keys and values are `self.query(x)`, `self.key(x)` and `self.value(x)`. Then cut them into heads.",
    lambda sizes, *others: multi_head((sizes[0], 1), *others, names=(None, None, None, "output")),
)
two_heads.mistake(
    "The values come from the key projection.",
    "There are three projections: the values are `self.value(x)`.",
    partial(multi_head, names=("query", "key", "key", "output")),
)
two_heads.mistake(
    "The values are the columns of x itself, without the value projection.",
    "Mix `self.value(x)`, cut into heads like the queries and keys.",
    partial(multi_head, names=("query", "key", None, "output")),
)
two_heads.mistake(
    "Every head computes the same as head 0.",
    "Head h must use its own columns: h * D to (h + 1) * D.",
    first_head_only,
)
two_heads.mistake(
    "The input is added to the result.",
    "That sum (the residual connection) belongs to the block around this module. Return the attention alone.",
    lambda sizes, weights, x, visible: x + multi_head(sizes, weights, x, visible),
)

other_masks = turn.probe("any mask, and heads of one column", _other_masks)
other_masks.mistake(
    "A causal mask is used instead of `visible`.",
    "Which keys a query may read is decided outside: pass on `visible`, whatever it holds.",
    lambda sizes, weights, x, visible: multi_head(sizes, weights, x, causal_mask(len(x))),
)
other_masks.mistake(
    "There are always two heads.",
    "How many there are differs from case to case: `self.n_heads`.",
    lambda sizes, *others: multi_head((sizes[0], 2), *others),
)
turn.probe("one head, and as many heads as tokens", lambda rng: _texts(rng, (3, 4, 1), (3, 9, 3), (4, 8, 4)), _leak)

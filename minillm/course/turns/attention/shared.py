"""04.grouped: query heads that share keys and values (Ainslie et al. 2023)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.attention.head import attention
from minillm.course.turns.attention.mask import causal_mask


def grouped_attention(query, key, value, visible):
    """H query heads on K key/value heads, their outputs side by side: (T, H * D)."""
    H, K = len(query), len(key)
    outputs = []
    for h in range(H):
        k = h // (H // K)  # neighbors share
        outputs.append(attention(query[h], key[k], value[k], visible))
    return torch.cat(outputs, dim=-1)


turn = Turn(
    "04.grouped",
    "Heads that share keys",
    grouped_attention,
    minutes=5,
    difficulty=2,
    hints=(
        "With H = 6 and K = 2, which query heads read key/value head 0, and which read 1?",
        "How many neighbors share one key/value head? Divide h by that, without a remainder.",
        "Call `attention` once per query head, with the key and value that it shares, and join the outputs.",
    ),
    errors={
        "name 'F' is not defined": "Import it in your cell: `import torch.nn.functional as F`.",
        "not enough values": "There is no batch here: `query` is (H, T, D), `key` and `value` are (K, T, D).",
        r"visible\[": "`visible` is (T, S), and the same for every head.",
        "index 4 is out of bounds for dimension 0 with size 4": "There is no query head 4 here. The number of heads "
        "differs from case to case: it is `len(query)`.",
        "index .* (is )?out of (bounds|range)": "There are K key/value heads. With H / K neighbors per head, the "
        "last query head must get number K - 1.",
        "only integers|must be integers|'float' object": "`/` gives a float; `//` gives a whole number.",
        "name 'repeat_kv' is not defined": "That's a helper of Llama's code. Here, find the number of the key/value "
        "head that query head h shares.",
        "name '[HK]' is not defined": "H is `len(query)`, K is `len(key)`.",
        "name 'self' is not defined": "This is a function, not a layer: H is `len(query)`, K is `len(key)`.",
        "tensors used as indices": "`for h in query` gives the heads, `for h in range(len(query))` their numbers.",
        "at least 1D": "`repeat_interleave` flattens its tensor unless you tell it `dim=0`, the axis of the heads.",
        r"\(2x2 and 4x2\)": "The keys are wider than the queries. Heads are axis 0: repeat along `dim=0`.",
        r"\([56]\) must match .* b \(2\)|\(2\) must match .* b \([56]\)": "That is the length of a sentence on the "
        "page. Here T differs from case to case: use nothing but the four arguments.",
        "must match the size|size of tensor a|batch2|match the existing size|mat1 and mat2": "`attention` takes one "
        "head at a time: `query[h]` is (T, D), and so is the key that it shares.",
        "must be Tensor, not list": "The outputs are still a list. `torch.cat(outputs, dim=-1)` makes one tensor.",
    },
    debrief=Debrief(
        "A kernel is told `enable_gqa=True`, or the keys are repeated by `repeat_interleave`. `repeat` deals them out "
        "in turn: the shapes fit, and a trained model writes nonsense.",
        "SmolLM2 keeps a third of the keys. Which of its sizes could stay the same, and which must shrink?",
    ),
)


def _neighbors(part: Tensor, H: int) -> Tensor:
    return part.repeat_interleave(H // len(part), 0)  # (K, S, D) -> (H, S, D)


def _in_turn(part: Tensor, H: int) -> Tensor:
    return part.repeat(H // len(part), 1, 1)


def _first(part: Tensor, H: int) -> Tensor:
    return part[:1].expand(H, -1, -1)


def _threes(part: Tensor, H: int) -> Tensor:
    return part[(torch.arange(H) // 3).clamp(max=len(part) - 1)]


def _backwards(part: Tensor, H: int) -> Tensor:
    return _neighbors(part, H).flip(0)


def _side_by_side(heads: Tensor) -> Tensor:
    return heads.transpose(0, 1).flatten(1)


def _grouped(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    visible: Tensor,
    *,
    keys: Callable[[Tensor, int], Tensor] = _neighbors,
    values: Callable[[Tensor, int], Tensor] = _neighbors,
    join: Callable[[Tensor], Tensor] = _side_by_side,
) -> Tensor:
    """Grouped-query attention with one thing done differently."""
    H = len(query)
    return join(F.scaled_dot_product_attention(query, keys(key, H), values(value, H), visible))


def _draw(rng: random.Random, *sizes: tuple[int, int, int, int]) -> list[Call]:
    return [
        (numbers(rng, H, T, D), numbers(rng, K, T, D), numbers(rng, K, T, D), causal_mask(T)) for H, K, T, D in sizes
    ]


def _other_masks(rng: random.Random) -> list[Call]:
    calls = _draw(rng, (4, 2, 4, 2), (3, 1, 5, 2))
    return [(*call[:3], (numbers(rng, *call[3].shape) > 0) | torch.eye(len(call[3])).bool()) for call in calls]


def _too_few(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another number of outputs than there are query heads."""
    for index, ((query, key, *_), answer) in enumerate(zip(calls, got, strict=True)):
        (H, T, D), K = query.shape, len(key)
        if type(answer) is Tensor and answer.shape == (H * T * D,):
            hint = "`outputs += ...` adds the rows one by one, `outputs.append(...)` a head as a whole."
            return "The outputs are one long row.", hint
        if type(answer) is not Tensor or answer.dim() != 2 or len(answer) != T or answer.shape[1] % D:
            return None
        n = answer.shape[1] // D
        if n == 1 < H:
            hint = "Is `return` inside the loop? Or does each round overwrite the last?"
            return "Only one head was returned.", hint, index
        if n < H:
            hint = "There is one output per query head. (`zip` stops at the shorter.)"
            return f"Only {n} of {H} heads were computed.", hint, index
        if n == H * K > H:
            hint = "Two loops, one inside the other, go through all pairs. Each query head reads one of them."
            return "Each query head reads every key/value head.", hint, index
    return None


groups = turn.probe("groups of two and three", lambda rng: _draw(rng, (4, 2, 2, 2), (6, 2, 3, 2)), _too_few)
groups.mistake(
    "The key/value heads are dealt out in turn: query head h reads number h % K.",
    "Neighbors share: the first H / K query heads read number 0, the next ones number 1.",
    partial(_grouped, keys=_in_turn, values=_in_turn),
)
groups.mistake(
    "Every query head reads key/value head 0.",
    "The first H / K query heads read number 0, the next ones number 1.",
    partial(_grouped, keys=_first, values=_first),
)
groups.mistake(
    "Three neighbors share, in every case.",
    "How many share differs from case to case: H / K.",
    partial(_grouped, keys=_threes, values=_threes),
)
groups.mistake(
    "The outputs are in another order: first one of each group, then the next.",
    "The output of query head h comes at place h. Is the loop over the groups the outer one?",
    partial(_grouped, join=lambda heads: _side_by_side(heads.unflatten(0, (2, -1)).transpose(0, 1).flatten(0, 1))),
)
groups.mistake(
    "The columns are joined in turn: first one column of each head.",
    "All D columns of head 0 come first, then those of head 1: `torch.cat(outputs, dim=-1)`.",
    partial(_grouped, join=lambda heads: heads.permute(1, 2, 0).flatten(1)),
)
groups.mistake(
    "The outputs are one below the other, (H * T, D).",
    "`torch.cat(outputs)` joins rows. `torch.cat(outputs, dim=-1)` puts the columns side by side, (T, H * D).",
    partial(_grouped, join=lambda heads: heads.flatten(0, 1)),
)
groups.mistake(
    "The outputs of all heads are averaged.",
    "They belong side by side: `torch.cat(outputs, dim=-1)`.",
    partial(_grouped, join=lambda heads: heads.mean(0)),
)
groups.mistake(
    "The keys are shared among neighbors, but every head takes its values from head 0.",
    "Keys and values go together: use the same number for both.",
    partial(_grouped, values=_first),
)
groups.mistake(
    "The keys are shared among neighbors, but the values are dealt out in turn.",
    "Keys and values go together: use the same number for both.",
    partial(_grouped, values=_in_turn),
)
groups.mistake(
    "The key/value heads are given out from the last to the first.",
    "Query head 0 reads key/value head 0.",
    partial(_grouped, keys=_backwards, values=_backwards),
)
groups.mistake(
    "The weights are applied to the keys instead of the values.",
    "Keys are only for the scores: hand `attention` the value head as well.",
    lambda query, key, value, visible: _grouped(query, key, key, visible),
)
groups.mistake(
    "The mask is not used.",
    "Pass `visible` on to every head.",
    lambda query, key, value, visible: _grouped(query, key, value, visible | True),
)
groups.mistake(
    "The outputs are added up.",
    "They belong side by side: `torch.cat(outputs, dim=-1)`.",
    partial(_grouped, join=lambda heads: heads.sum(0)),
)
groups.mistake(
    "The outputs are returned as a list, or stacked, (H, T, D).",
    "Put them side by side: `torch.cat(outputs, dim=-1)` gives (T, H * D).",
    partial(_grouped, join=lambda heads: heads),
)
groups.mistake(
    "The outputs are stacked, (T, H, D).",
    "Two axes remain: `torch.cat(outputs, dim=-1)` gives (T, H * D), or end with `.flatten(1)`.",
    partial(_grouped, join=lambda heads: heads.transpose(0, 1)),
)
groups.mistake(
    "The heads are joined along the tokens.",
    "`torch.cat(outputs, dim=-1)` puts the columns side by side, (T, H * D).",
    partial(_grouped, join=lambda heads: heads.reshape(heads.shape[1], -1)),
)
groups.mistake(
    "The outputs of each group are averaged.",
    "Each query head has an output of its own, also where it shares keys.",
    lambda query, key, value, visible: _side_by_side(
        _grouped(query, key, value, visible, join=lambda heads: heads)
        .unflatten(0, (len(key), -1))
        .mean(1, keepdim=True)
        .expand(-1, len(query) // len(key), -1, -1)
        .flatten(0, 1)
    ),
)

other_masks = turn.probe("any mask, and one head for all", _other_masks)
other_masks.mistake(
    "A causal mask is used instead of `visible`.",
    "Which keys a query may read is decided outside: pass on `visible`, whatever it holds.",
    lambda query, key, value, visible: _grouped(query, key, value, causal_mask(query.shape[1])),
)
turn.probe("a key/value head for each query head", lambda rng: _draw(rng, (3, 3, 2, 2), (2, 2, 4, 3)))

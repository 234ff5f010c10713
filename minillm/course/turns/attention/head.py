"""04.attention: one head of attention with a mask (Vaswani et al. 2017, eq. 1)."""

import math
import random
from functools import partial

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.drawing import numbers
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.attention.head_results import leak, not_finite, other_dtype, other_form
from minillm.course.turns.attention.mask import causal_mask


def attention(query, key, value, visible):
    """What each query reads: (T, D)."""
    scores = query @ key.T / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(~visible, -math.inf)
    weights = scores.softmax(dim=-1)
    return weights @ value


turn = Turn(
    "04.attention",
    "One head of attention",
    attention,
    minutes=12,
    difficulty=3,
    hints=(
        "What shape has the table of all scores, and which matrix product of `query` and `key` gives it?",
        "A hidden key must get the weight 0. Which score does softmax turn into exactly 0?",
        "Three steps remain: divide the scores by the root of D, take the softmax over the keys, and mix the values.",
    ),
    ready_made=("torch.nn.functional.scaled_dot_product_attention",),
    errors={
        "name 'F' is not defined": "Import it in your cell: `import torch.nn.functional as F`.",
        "name 'D' is not defined|not torch.Size": "D is the number of entries in one query: `query.shape[-1]`.",
        "name 'mask' is not defined": "Here the mask is called `visible`.",
        "name 'self' is not defined": "This is a function, not a layer: all that it needs are its four arguments.",
        "name 'inf' is not defined|masked_fill.*invalid combination": "`scores.masked_fill(~visible, -math.inf)` "
        "takes a table of True and False, and a number.",
        r"(?i)W_[QKV]": "The arguments are queries, keys and values already: x W_Q, x W_K and x W_V.",
        r"sqrt\(\): argument": "`torch.sqrt` takes a tensor; for a plain number, use `math.sqrt`.",
        "math range error": "Right, until scores pass 709: then `math.exp` overflows. Subtract the row's largest score "
        "first, or let `softmax(dim=-1)` do it.",
        "only one element tensors": "`math.exp` takes one number; `torch.exp` takes a whole table.",
        r"softmax\(\) missing|'Softmax'": "Which axis must add up to 1? For each query, the keys: "
        "`scores.softmax(dim=-1)`.",
        "is out of bounds|is invalid for input": "T, S and D differ from case to case: take them from the arguments.",
        r"size of tensor [ab] \(5\)": "The sentence on the page has 5 words, this case has other sizes. Use nothing "
        "but the four arguments.",
        "inside of expression|ambiguous": "`not` judges a whole tensor. `~visible` turns every True into False.",
        "not enough values": "There is no batch here: `query` is (T, D), and `query.shape` has two numbers.",
        "too many values to unpack": "A vector has D entries, and D differs from case to case.",
        "mat1 and mat2 shapes|size mismatch": "In `A @ B`, the rows of A must be as long as the columns of B. Here "
        "query is (T, D), `key.T` (D, S), the weights (T, S) and value (S, D).",
        r"Dimension out of range|Dimension specified as|too many indices": "There is no batch here: (T, D), with axes "
        "0 and 1. `key.T` swaps them, and the last one is -1.",
        r"size of tensor a.*\* ?value": "`*` multiplies entry by entry. `weights @ value` mixes the values.",
        r"size of tensor a.*query \* ?key": "`*` multiplies entry by entry. `query @ key.T` makes a score per pair.",
        r"size of tensor a.*sum\((dim=|axis=)?-?1\)": "`sum(-1)` gives (T,), and dividing a (T, S) table by it divides "
        "columns. `sum(-1, keepdim=True)` keeps a column, (T, 1).",
        "size of tensor a": "With T queries and S keys, scores, `visible` and weights are (T, S): a row per query. "
        "T and S may differ.",
        "'float' object has no attribute|'list' object has no attribute": "That is a plain Python object. Tensors have "
        "`.T` and `.softmax`; a list does not.",
    },
    debrief=Debrief(
        "Production code calls a kernel such as FlashAttention for a batch of texts and all heads at once. It works "
        "block by block and never stores the (T, S) table.",
        "Divide by D instead of its root, and SmolLM2 writes dashes. What do all weights look like then?",
    ),
)


def _head(query, key, value, visible, *, scale=None, hide=-math.inf, axis=-1):
    """One head with one thing done differently."""
    scores = query @ key.T * (query.shape[-1] ** -0.5 if scale is None else scale)
    return scores.masked_fill(~visible, hide).softmax(axis) @ value


def _vectors(rng: random.Random, T: int, S: int, D: int, scale: float = 1.0) -> Call:
    return numbers(rng, T, D, scale=scale), numbers(rng, S, D, scale=scale), numbers(rng, S, D)


def _all_visible(rng: random.Random) -> list[Call]:
    """The last one, which is the largest, comes twice."""
    sizes = [(2, 3, 2), (1, 1, 3), (3, 5, 4), (4, 4, 2), (2, 7, 16)]
    calls = [(*_vectors(rng, T, S, D), torch.ones(T, S, dtype=torch.bool)) for T, S, D in sizes]
    return [*calls, calls[-1]]


def _some_hidden(rng: random.Random) -> list[Call]:
    """Each case twice: the second time with another key and value where some queries may not look."""
    scattered = numbers(rng, 4, 6) > 0
    scattered[:, 2], scattered[0] = True, torch.arange(6) == 2  # every query sees a key, query 0 only one
    calls = []
    for visible in (causal_mask(2), causal_mask(5), scattered, torch.arange(5).expand(3, 5) < 3):
        T, S = visible.shape
        query, key, value = _vectors(rng, T, S, 2 if T == 2 else 4)
        if visible is scattered:
            query[0] = -100 * key[2].sign()  # its only visible score is far below those that it must not see
        hidden = int((~visible).any(0).nonzero()[-1])
        others = key.clone(), value.clone()
        for tensor in others:
            tensor[hidden] += 1 + numbers(rng, tensor.shape[1]).abs()
        calls += [(query, key, value, visible), (query, *others, visible)]
    return calls


every_key = turn.probe("every key is visible", _all_visible, other_form)
every_key.mistake(
    "The scores are not divided by sqrt(D).",
    "A dot product of D numbers spreads like sqrt(D). Divide by `math.sqrt(query.shape[-1])` before the softmax.",
    partial(_head, scale=1.0),
)
every_key.mistake(
    "The scores are divided by D instead of sqrt(D).",
    "The variance of a dot product grows like D, its spread like sqrt(D).",
    lambda query, *others: _head(query, *others, scale=1 / query.shape[-1]),
)
every_key.mistake(
    "The scores are divided by the square root of the number of queries.",
    "D is the number of entries in one query: `query.shape[-1]`.",
    lambda query, *others: _head(query, *others, scale=len(query) ** -0.5),
)
for number in (2, 4, 5, 1024):  # D, C and T of the lesson's example, and the D that a later cell leaves behind
    every_key.mistake(
        f"The scores are always divided by sqrt({number}).",
        "D differs from case to case: `math.sqrt(query.shape[-1])`.",
        partial(_head, scale=number**-0.5),
    )
every_key.mistake(
    "The scores are divided by the square root of the number of keys.",
    "D is the number of entries in one query: `query.shape[-1]`.",
    lambda query, key, *others: _head(query, key, *others, scale=len(key) ** -0.5),
)
every_key.mistake(
    "The scores are multiplied by sqrt(D) instead of divided by it.",
    "Dividing brings the spread of the scores back to 1.",
    lambda query, *others: _head(query, *others, scale=query.shape[-1] ** 0.5),
)
every_key.mistake(
    "The softmax is taken over the queries: the weights of each key add up to 1.",
    "The weights of each query must add up to 1. They are a row of (T, S), so use `softmax(dim=-1)`.",
    partial(_head, axis=0),
)
every_key.mistake(
    "The scores are used as weights, without a softmax.",
    "Weights are positive and add up to 1 for each query. The softmax makes them so.",
    lambda query, key, value, visible: query @ key.T / query.shape[-1] ** 0.5 @ value,
)
every_key.mistake(
    "The weights are divided by sqrt(D), after the softmax.",
    "Divide the scores. After the softmax the weights must add up to 1.",
    lambda query, *others: _head(query, *others, scale=1.0) / query.shape[-1] ** 0.5,
)
every_key.mistake(
    "The weights are applied to the keys instead of the values.",
    "Keys are only for the scores. Mix the values: `weights @ value`.",
    lambda query, key, value, visible: _head(query, key, key, visible),
)
every_key.mistake(
    "Only two of the D entries count in the scores.",
    "The lesson's example has D = 2. Here D differs from case to case: `query @ key.T` sums over all of them.",
    lambda query, key, *others: _head(query[:, :2], key[:, :2], *others, scale=2**-0.5),
)
every_key.mistake(
    "The weights all but ignore the scores: each query takes the plain average of what it sees.",
    "Multiply the queries by the keys, and take the softmax of the scores.",
    lambda query, key, value, visible: visible.float() / visible.sum(-1, keepdim=True) @ value,
)
every_key.mistake(
    "Each query reads only the key with its largest score.",
    "That is a dictionary. Softmax turns the scores into weights, and `weights @ value` mixes all values.",
    lambda query, key, value, visible: value[(query @ key.T).masked_fill(~visible, -math.inf).argmax(-1)],
)
every_key.mistake(
    "The weights are returned, (T, S), without the values.",
    "Mix the values: `weights @ value` is (T, D).",
    lambda query, key, value, visible: _head(query, key, torch.eye(len(key)), visible),
)
every_key.mistake(
    "The softmax is taken twice.",
    "Once: its results are the weights. A second one makes them all but equal.",
    lambda query, key, value, visible: (query @ key.T / query.shape[-1] ** 0.5).softmax(-1).softmax(-1) @ value,
)
every_key.mistake(
    "The softmax is taken over the whole table: all weights together add up to 1.",
    "Each row must add up to 1: `scores.softmax(dim=-1)`.",
    lambda query, key, value, visible: (
        (query @ key.T / query.shape[-1] ** 0.5).flatten().softmax(0).unflatten(0, visible.shape) @ value
    ),
)
every_key.mistake(
    "The scores above the diagonal are set to 0, which still gives them a weight, since exp(0) is 1.",
    "`tril` does that. What is hidden stands in `visible`, and its score must be minus infinity.",
    lambda query, key, value, visible: (query @ key.T / query.shape[-1] ** 0.5).tril().softmax(-1) @ value,
)
every_key.mistake(
    "Query t reads only the keys 0 to t, although `visible` lets it read more.",
    "Which keys a query may read is decided outside: use the argument `visible`, whatever it holds.",
    lambda query, key, value, visible: _head(query, key, value, torch.ones_like(visible).tril()),
)

some_hidden = turn.probe("some keys are hidden", _some_hidden, leak)
some_hidden.mistake(
    "The mask is applied after the softmax: hidden scores still count in its sum.",
    "Mask the scores, before the softmax: replace hidden ones by minus infinity.",
    lambda query, key, value, visible: (query @ key.T / query.shape[-1] ** 0.5).softmax(-1).where(visible, 0.0) @ value,
)
some_hidden.mistake(
    "Hidden weights are set to minus infinity, after the softmax.",
    "Set the hidden scores to minus infinity, before the softmax. It turns them into weights of 0.",
    lambda query, key, value, visible: (
        (query @ key.T / query.shape[-1] ** 0.5).softmax(-1).where(visible, -math.inf) @ value
    ),
)
some_hidden.mistake(
    "Hidden scores are set to 0, which still gives them a weight, since exp(0) is 1.",
    "Which score has the exponential 0? Use minus infinity.",
    partial(_head, hide=0.0),
)
some_hidden.mistake(
    "Hidden scores are set to a number that visible scores can fall below.",
    "Use `-math.inf`: nothing is smaller, and its exponential is exactly 0.",
    partial(_head, hide=-10.0),
)
some_hidden.mistake(
    "The mask has no effect: hidden keys are read like visible ones.",
    "Where `visible[t, s]` is False, the weight must be 0. `scores.masked_fill(...)` leaves `scores` as it is and "
    "returns a new tensor: keep that.",
    lambda query, key, value, visible: _head(query, key, value, visible | True),
)
some_hidden.mistake(
    "The mask is added to the scores as 0 and 1.",
    "Adding False changes nothing. Replace the hidden scores by minus infinity.",
    lambda query, key, value, visible: (query @ key.T / query.shape[-1] ** 0.5 + visible.float()).softmax(-1) @ value,
)

turn.probe("large scores", lambda rng: [(*_vectors(rng, T, T, 4, 30.0), causal_mask(T)) for T in (2, 6)], not_finite)
turn.probe(
    "double precision",
    lambda rng: [(*(part.double() for part in _vectors(rng, 3, 3, 2)), causal_mask(3))],
    other_dtype,
    demand=same_dtype,
)

"""13.training_flops: what training costs, exactly (Kaplan et al. 2020, section 2.1)."""

import random
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Answer, Explanation
from minillm.course.learner.turn import Debrief, Turn


def training_flops(n_layers, d_model, d_ff, vocab_size, T):
    """The FLOPs of training on one text of T tokens: forward and backward, matrix products only."""
    layer = 4 * d_model * d_model + 3 * d_model * d_ff  # weights that multiply
    weights = n_layers * layer + d_model * vocab_size
    pairs = T * (T + 1) // 2  # of a query and a key that it may see
    forward = 2 * weights * T + n_layers * 4 * d_model * pairs
    return 3 * forward


turn = Turn(
    "13.training_flops",
    "What a text costs",
    training_flops,
    minutes=8,
    difficulty=2,
    hints=(
        "Which weights multiply with every token, and which are only looked up?",
        "Count the weights of a layer and of the head first. Each is multiplied and added once per token: 2 FLOPs. "
        "Then attention: how many pairs of a query and a key are there if no query looks ahead?",
        "A pair costs 2 C FLOPs for its score and 2 C for its part of the mix, in each layer. Add both parts up, and "
        "take that times 3.",
    ),
    errors={
        r"name '(C|F|V|L|N|D|B|config|n_heads|d_head|n_tokens)' is not defined": "There are `n_layers`, `d_model`, "
        "`d_ff`, `vocab_size` and `T`.",
        "not callable": "Python takes `T(T + 1)` for a call. Write `T * (T + 1)`.",
        "unsupported operand|has no attribute|not subscriptable": "All five arguments are plain whole numbers.",
    },
    debrief=Debrief(
        "Trackers of large runs use exactly such a formula, since nobody counts FLOPs while training. What isn't a "
        "matrix product is left out: it takes time, and hardly any FLOPs.",
        "At which T does attention cost as much as all the weights?",
    ),
)


def _flops(
    *,
    times: float = 3,
    attention: int = 4,
    up: int = 3,
    table: int = 1,
    per_weight: int = 2,
    pairs: Answer = lambda T: T * (T + 1) // 2,
    pair: float = 4,
    layers_of_pairs: bool = True,
    tokens: Answer = lambda T: T,
) -> Answer:
    """The formula with one thing done differently."""

    def _answer(n_layers: int, d_model: int, d_ff: int, vocab_size: int, T: int) -> float:
        layer = attention * d_model * d_model + up * d_model * d_ff
        weights = n_layers * layer + table * d_model * vocab_size
        scores = pair * d_model * pairs(T) * (n_layers if layers_of_pairs else 1)
        return times * (per_weight * weights * tokens(T) + scores)

    return _answer


def _small(rng: random.Random) -> list[Call]:
    shapes = [(rng.randint(2, 4), 2 * rng.randint(3, 9), rng.randint(10, 40), rng.randint(50, 90)) for _ in range(3)]
    return [(2, 4, 6, 10, 3), *((*shape, rng.randint(5, 12)) for shape in shapes)]


def _large(rng: random.Random) -> list[Call]:
    return [(4, 128, 384, 2048, 256), (30, 576, 1536, 49_152, 2048), (96, 12_288, 49_152, 50_257, rng.randint(1, 9))]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Not one number."""
    for index, answer in enumerate(got):
        tensor = as_tensor(answer)
        if tensor is None or tensor.numel() != 1:
            return "The result isn't one number.", "Return the FLOPs of the whole text.", index
    return None


def _ratio(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Off by the same factor everywhere, or by a term that grows with one size."""
    factors = [float(gave) / due for due, gave in zip(right, got, strict=True)]
    if max(factors) - min(factors) < 1e-6 * max(map(abs, factors)) and factors[0]:
        return f"The result is {factors[0]:.3g} times what it should be, for every shape.", "Which factor is that?"
    for name in PARTS:
        parts = [_parts(*call)[name] for call in calls]
        found = [1 + (float(gave) - due) / part for part, due, gave in zip(parts, right, got, strict=True)]
        if max(found) - min(found) < 1e-6:
            sentence = f"The part of {name} is {found[0]:.3g} times what it should be; the rest is right."
            return sentence, "Which factor is missing there, or there once too often?"
    return None


PARTS = "the layers' matrices", "the head", "all matrices", "attention"


def _parts(n_layers: int, d_model: int, d_ff: int, vocab_size: int, T: int) -> dict[str, float]:
    """What each part of a right answer costs."""
    layers = 6 * n_layers * (4 * d_model * d_model + 3 * d_model * d_ff) * T
    head, attention = 6 * d_model * vocab_size * T, 6 * n_layers * d_model * T * (T + 1)
    return dict(zip(PARTS, (layers, head, layers + head, attention), strict=True))


small = turn.probe("small shapes", _small, _form)
small.at_last = _ratio
MISTAKES = (
    (
        "The backward pass is missing: this is the forward pass.",
        "Backward takes two more products of each.",
        _flops(times=1),
    ),
    (
        "Backward is counted as one forward pass.",
        "It has two products for each one: for the weight, and for its input.",
        _flops(times=2),
    ),
    ("Only the backward pass is counted.", "Forward and backward: three times the forward pass.", _flops(times=2.0)),
    (
        "A multiplication and an addition are counted as one.",
        "They are two FLOPs, for weights and in attention.",
        _flops(per_weight=1, pair=2),
    ),
    ("Each weight is counted as 1 FLOP per token.", "It multiplies and adds: 2.", _flops(per_weight=1)),
    (
        "Attention is counted as if every query saw every key.",
        "Without looking ahead, T (T + 1) / 2 pairs are left.",
        _flops(pairs=lambda T: T * T),
    ),
    (
        "A query doesn't see itself here.",
        "The pairs are 1 + 2 + ... + T, which is T (T + 1) / 2.",
        _flops(pairs=lambda T: T * (T - 1) // 2),
    ),
    (
        "Half of T * T are not all pairs: each query also sees itself.",
        "1 + 2 + ... + T is T (T + 1) / 2.",
        _flops(pairs=lambda T: T * T / 2),
    ),
    (
        "The attention of a single layer is counted.",
        "Each layer has its own scores: times `n_layers`.",
        _flops(layers_of_pairs=False),
    ),
    ("A pair is counted with its score alone, or with its mix alone.", "It has both: 2 C and 2 C.", _flops(pair=2)),
    ("Attention's pairs are missing.", "Add 4 C per layer and pair.", _flops(pair=0)),
    (
        "Pairs of one number each: their width is missing.",
        "A score is a product of vectors: 2 C FLOPs in each layer.",
        lambda n, c, f, v, t: 3 * (2 * (n * (4 * c * c + 3 * c * f) + c * v) * t + n * 4 * t * (t + 1) // 2),
    ),
    ("The head is missing.", "It's a matrix of C times V, and multiplies with every token.", _flops(table=0)),
    ("The embedding's table is counted, too.", "A token reads one row of it. Nothing is multiplied.", _flops(table=2)),
    ("A feed-forward layer has two matrices here.", "SwiGLU has three: gate, up and down.", _flops(up=2)),
    ("A feed-forward layer has one matrix here.", "SwiGLU has three: gate, up and down.", _flops(up=1)),
    (
        "A layer has 12 C * C weights here, as in GPT-2.",
        "This feed-forward layer has three matrices of C times F.",
        lambda n, c, f, v, t: 6 * (12 * n * c * c + c * v) * t + 12 * n * c * (t * (t + 1) // 2),
    ),
    (
        "The head is counted for one token.",
        "It multiplies with each of the T tokens.",
        lambda n, c, f, v, t: 6 * (n * (4 * c * c + 3 * c * f) * t + c * v) + 12 * n * c * (t * (t + 1) // 2),
    ),
    ("Attention has three matrices here.", "Query, key, value, and output: 4 C times C.", _flops(attention=3)),
    ("Attention has one matrix here.", "Query, key, value, and output: 4 C times C.", _flops(attention=1)),
    (
        "The head is counted once per layer.",
        "There is one head, after the last layer.",
        lambda n, c, f, v, t: 3 * (2 * n * (4 * c * c + 3 * c * f + c * v) * t + n * 4 * c * (t * (t + 1) // 2)),
    ),
    (
        "One layer is counted.",
        "Times `n_layers`.",
        lambda n, c, f, v, t: 3 * (2 * (4 * c * c + 3 * c * f + c * v) * t + 4 * c * (t * (t + 1) // 2)),
    ),
    (
        "This is the rule of thumb, 6 N D, with both tables in N.",
        "Leave out what doesn't multiply; add attention.",
        _flops(table=2, pair=0),
    ),
    (
        "The weights are counted for one token.",
        "Each of the T tokens passes through all of them.",
        _flops(tokens=lambda T: 1),
    ),
    (
        "This is the cost per token.",
        "The whole text is asked for: don't divide by T.",
        lambda *call: training_flops(*call) / call[-1],
    ),
    (
        "Only attention's part is taken times 3, or only the weights' part.",
        "Both parts have a backward pass.",
        lambda n, c, f, v, t: 6 * (n * (4 * c * c + 3 * c * f) + c * v) * t + n * 4 * c * (t * (t + 1) // 2),
    ),
    (
        "These are the weights, not FLOPs.",
        "Each takes 2 FLOPs per token forward; then times 3.",
        lambda n, c, f, v, t: n * (4 * c * c + 3 * c * f) + c * v,
    ),
)
for sentence, hint, _wrong in MISTAKES:
    if sentence != "Only the backward pass is counted.":  # the same number as backward counted as one forward pass
        small.mistake(sentence, hint, _wrong)
large = turn.probe("real models", _large, _form)
large.at_last = _ratio

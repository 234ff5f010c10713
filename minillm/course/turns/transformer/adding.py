"""06.block: attention and feed-forward, each added to the residual stream (pre-norm, Xiong et al. 2020)."""

import random
from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_dtype
from minillm.course.checks.drawing import numbers
from minillm.course.checks.probe import Explanation
from minillm.course.heads import heads
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.feed_forward import feed_forward
from minillm.course.turns.transformer.normalizing import rms_norm
from minillm.course.turns.transformer.tiny import tiny


def block(x, weights, layer, settings):
    """The stream after one block: (T, C)."""
    name = f"blocks.{layer}"
    normed = rms_norm(x, weights[f"{name}.attention_norm.weight"])
    x = x + heads(normed, weights, layer, settings)
    normed = rms_norm(x, weights[f"{name}.feedforward_norm.weight"])
    gate, up, down = (weights[f"{name}.feedforward.{part}.weight"] for part in ("gate", "up", "down"))
    return x + feed_forward(normed, gate, up, down)


NAME = r"(attention_norm|feedforward_norm|feedforward\.(gate|up|down))"  # what the page's table lists

turn = Turn(
    "06.block",
    "A block of the transformer",
    block,
    minutes=9,
    difficulty=3,
    constants=("layer", "settings"),
    hints=(
        "Two parts write to the stream. What does each of them read: x, or something made of x?",
        "After attention has written, x is another one. The feed-forward reads that one, through the second norm.",
        "Norm, `heads`, add to x; norm of the new x, `feed_forward`, add to x. The names: "
        'f"blocks.{layer}.attention_norm.weight" and so on.',
    ),
    errors={
        r"KeyError: '(attention|feedforward|gate|up|down)": "Names are complete: "
        'f"blocks.{layer}.feedforward.gate.weight". The page has a table of them.',
        r"KeyError: 'blocks\.\{": 'The braces are filled in only in an f-string: f"blocks.{layer}. ...".',
        rf"KeyError: 'blocks\.\d+\.{NAME}\.weight'": "The 3 in the page's table is an example: use `layer`, as it is.",
        rf"KeyError: 'blocks\.\d+\.{NAME}'": "Each name ends in `.weight`.",
        r"KeyError: 'blocks\.": "Compare it with the page's table, letter by letter: `attention_norm`, "
        "`feedforward_norm`, `feedforward.gate`.",
        r"KeyError": "`weights` has complete names; the page has a table of them.",
        r"heads\(\) (missing|takes)": "`heads(normed, weights, layer, settings)` finds its matrices by itself.",
        r"feed_forward\(\) (missing|takes)": "`feed_forward(normed, gate, up, down)` wants its three matrices.",
        r"rms_norm\(\) (missing|takes)": "`rms_norm(x, weight)` wants the vector and its weights.",
        r"mat1 and mat2 shapes|must match the size|size mismatch": "Which matrix is which? `gate` and `up` are (F, C), "
        "`down` is (C, F); `heads` and `feed_forward` take (T, C).",
        r"not enough values|too many values|too many indices|Dimension out of range": "There's no batch: x is (T, C).",
        r"changed the input": "`x += ...` writes into the caller's tensor. `x = x + ...` makes a new one.",
        r"name '(self|attention_norm|norm1|norm2|norm|attn|mlp|ffn|w|attention|angles|cache)' is not defined": "This "
        "is a function: everything it needs is in its four arguments, and `heads`, `feed_forward` and `rms_norm` are "
        "there already.",
        r"'dict' object|unhashable|string indices|'Tensor' object is not callable": "`weights` is a dictionary of "
        'tensors: `weights["..."]` is one of them.',
    },
    debrief=Debrief(
        "Production code is the same two lines, with the norm and the addition before it in one kernel. GPT-J and PaLM "
        "let both parts read the same x, so that their matrices can be multiplied at once.",
        "Multiply x by 3. Which of the two writes change?",
    ),
)

Part = Callable[[Tensor], Tensor]


def _parts(weights: dict[str, Tensor], layer: int, settings: Any) -> tuple[Part, Part, Part, Part]:
    """Both norms, attention and feed-forward of a layer, as functions of x."""
    name = f"blocks.{layer}"
    matrices = [weights[f"{name}.feedforward.{part}.weight"] for part in ("gate", "up", "down")]
    return (
        lambda x: rms_norm(x, weights[f"{name}.attention_norm.weight"]),
        lambda x: rms_norm(x, weights[f"{name}.feedforward_norm.weight"]),
        lambda x: heads(x, weights, layer, settings),
        lambda x: feed_forward(x, *matrices),
    )


def made_of(step: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A block that is computed by step(x, norm_1, norm_2, attention, feed_forward)."""
    return lambda x, weights, layer, settings: step(x, *_parts(weights, layer, settings))


def _written(x: Tensor, n1: Part, n2: Part, attend: Part, feed: Part) -> Tensor:
    """The stream after attention."""
    return x + attend(n1(x))


def _calls(rng: random.Random) -> list[Call]:
    """Two texts per model, the second in another of its blocks."""
    calls: list[Call] = []
    for T, (layers, H, K, D, F, V) in ((2, (1, 1, 1, 2, 3, 3)), (3, (2, 2, 1, 2, 5, 3)), (4, (3, 3, 3, 2, 4, 3))):
        weights, settings = tiny(rng, layers, H, K, D, F, V)
        calls.append((numbers(rng, T, H * D, scale=2.0), weights, layers - 1, settings))
    weights, settings = tiny(rng, 2, 2, 2, 2, 6, 3)
    calls += [(numbers(rng, T, 4), weights, 0, settings) for T in (1, 5)]
    return calls


def _result(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several results, an axis in front, or a position that depends on later ones."""
    if all(type(result) is tuple for result in got):
        return "Several things are returned.", "Return the stream alone: (T, C)."
    if any(type(result) is not Tensor for result in got):
        return None
    if all(result.shape == (1, *wanted.shape) for wanted, result in zip(right, got, strict=True)):
        return "The result has a batch axis in front.", "There's no batch here: return (T, C)."
    return None


probe = turn.probe("blocks of several models", _calls, _result)
ADD = "Add what a part returns to x: the stream is never replaced."
READS = "Each part reads x through its own norm, and its result is added to x itself."
_STEPS = (
    ("Nothing is added: each part replaces the stream.", ADD, lambda x, n1, n2, a, f: f(n2(a(n1(x))))),
    (
        "Attention replaces the stream; only the feed-forward adds to it.",
        ADD,
        lambda x, n1, n2, a, f: (h := a(n1(x))) + f(n2(h)),
    ),
    (
        "The feed-forward replaces the stream; only attention adds to it.",
        ADD,
        lambda x, n1, n2, a, f: f(n2(_written(x, n1, n2, a, f))),
    ),
    (
        "What is added up is right, but without x itself.",
        "The block returns the stream, with both writes added to it.",
        lambda x, n1, n2, a, f: a(n1(x)) + f(n2(_written(x, n1, n2, a, f))),
    ),
    (
        "The writes are added to the normalized copies, not to x.",
        "Keep x, and give its normalized copy another name.",
        lambda x, n1, n2, a, f: (h := n2((g := n1(x)) + a(g))) + f(h),
    ),
    (
        "Attention's write is added to the normalized copy, not to x.",
        "Keep x, and give its normalized copy another name.",
        lambda x, n1, n2, a, f: (h := n1(x) + a(n1(x))) + f(n2(h)),
    ),
    (
        "The feed-forward's write is added to the normalized copy, not to x.",
        "Keep x, and give its normalized copy another name.",
        lambda x, n1, n2, a, f: (h := n2(_written(x, n1, n2, a, f))) + f(h),
    ),
    (
        "The feed-forward reads the block's input: both parts read the same x.",
        "That's a parallel block, as in GPT-J. Here the feed-forward reads what attention has written to.",
        lambda x, n1, n2, a, f: x + a(n1(x)) + f(n2(x)),
    ),
    (
        "Both parts read one and the same normalized copy.",
        "That's a parallel block, as in GPT-J. Here the feed-forward reads the stream after attention, through the "
        "second norm.",
        lambda x, n1, n2, a, f: x + a(n1(x)) + f(n1(x)),
    ),
    (
        "The feed-forward comes first.",
        "Attention first, with `attention_norm`; then the feed-forward.",
        lambda x, n1, n2, a, f: (h := x + f(n2(x))) + a(n1(h)),
    ),
    (
        "That's post-norm, as in 2017: the sum is normalized.",
        "Leave the sum alone. Each part reads a normalized copy of x.",
        lambda x, n1, n2, a, f: n2((h := n1(x + a(x))) + f(h)),
    ),
    (
        "The norms come after the parts: what they return is normalized, and then added.",
        "Normalize what a part reads, not what it writes.",
        lambda x, n1, n2, a, f: (h := x + n1(a(x))) + n2(f(h)),
    ),
    (
        "The result is normalized once more at the end.",
        "The stream leaves the block as it is; the next reader has a norm of its own.",
        lambda x, n1, n2, a, f: n2((h := _written(x, n1, n2, a, f)) + f(n2(h))),
    ),
    (
        "The feed-forward reads through attention's norm.",
        'It has its own weights: f"blocks.{layer}.feedforward_norm.weight".',
        lambda x, n1, n2, a, f: (h := _written(x, n1, n2, a, f)) + f(n1(h)),
    ),
    (
        "Attention reads through the feed-forward's norm.",
        'It has its own weights: f"blocks.{layer}.attention_norm.weight".',
        lambda x, n1, n2, a, f: (h := x + a(n2(x))) + f(n2(h)),
    ),
    (
        "The two norms have changed places.",
        "`attention_norm` belongs to what attention reads.",
        lambda x, n1, n2, a, f: (h := x + a(n2(x))) + f(n1(h)),
    ),
    ("No norm is used.", READS, lambda x, n1, n2, a, f: (h := x + a(x)) + f(h)),
    ("Attention reads x itself, without its norm.", READS, lambda x, n1, n2, a, f: (h := x + a(x)) + f(n2(h))),
    (
        "The feed-forward reads x itself, without its norm.",
        READS,
        lambda x, n1, n2, a, f: (h := _written(x, n1, n2, a, f)) + f(h),
    ),
    (
        "The feed-forward is missing.",
        "Two parts write: after attention, the feed-forward.",
        lambda x, n1, n2, a, f: _written(x, n1, n2, a, f),
    ),
    (
        "Attention is missing.",
        "Two parts write: before the feed-forward, `heads`.",
        lambda x, n1, n2, a, f: x + f(n2(x)),
    ),
    (
        "Attention's write is lost: the feed-forward reads it, but its own write is added to the block's input.",
        "Add it to the x that attention has written to.",
        lambda x, n1, n2, a, f: x + f(n2(_written(x, n1, n2, a, f))),
    ),
    (
        "The block's input is added twice.",
        "Each write is added once, to the stream as it is then.",
        lambda x, n1, n2, a, f: x + (h := _written(x, n1, n2, a, f)) + f(n2(h)),
    ),
    (
        "Attention's write is added twice.",
        "`x` holds it already when the feed-forward adds its own.",
        lambda x, n1, n2, a, f: a(n1(x)) + (h := _written(x, n1, n2, a, f)) + f(n2(h)),
    ),
    (
        "The feed-forward reads what attention returned, not the stream.",
        "It reads the x that attention has written to.",
        lambda x, n1, n2, a, f: _written(x, n1, n2, a, f) + f(n2(a(n1(x)))),
    ),
)
for _sentence, _hint, _step in _STEPS:
    probe.mistake(_sentence, _hint, made_of(_step))


@probe.mistake("That's LayerNorm: the mean of each row is subtracted.", "Use your `rms_norm`.")
def _layer_norm(x, weights, layer, settings):
    _, _, attend, feed = _parts(weights, layer, settings)
    first, second = (weights[f"blocks.{layer}.{part}_norm.weight"] for part in ("attention", "feedforward"))
    x = x + attend(functional.layer_norm(x, first.shape, first))
    return x + feed(functional.layer_norm(x, second.shape, second))


probe.mistake(
    "Always the weights of block 0.",
    'Use the argument: f"blocks.{layer}. ...".',
    lambda x, weights, layer, settings: block(x, weights, 0, settings),
)
probe.mistake(
    "Both norms, or the feed-forward's matrices, are always those of block 0.",
    'Use the argument in every name: f"blocks.{layer}. ...".',
    lambda x, weights, layer, settings: block(x, _mixed(weights, layer), layer, settings),
)
probe.mistake(
    "`heads` always reads block 0.",
    "Pass `layer` on to `heads`.",
    lambda x, weights, layer, settings: block(x, _mixed(weights, layer, ".attention."), layer, settings),
)
probe.mistake(
    "`gate` and `up` have changed places.",
    "`feed_forward(normed, gate, up, down)`, in this order.",
    lambda x, weights, layer, settings: block(x, _swapped(weights, layer), layer, settings),
)


def _mixed(weights: dict[str, Tensor], layer: int, only: str = "") -> dict[str, Tensor]:
    """Block 0's attention in this layer, or all of block 0 but that."""
    here, first = f"blocks.{layer}.", "blocks.0."
    return {
        name: weights[name.replace(here, first)]
        if name.startswith(here) and ((only in name) if only else (".attention." not in name))
        else tensor
        for name, tensor in weights.items()
    }


def _swapped(weights: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    gate, up = (f"blocks.{layer}.feedforward.{part}.weight" for part in ("gate", "up"))
    return weights | {gate: weights[up], up: weights[gate]}


def _double(rng: random.Random) -> list[Call]:
    weights, settings = tiny(rng, 1, 1, 1, 2, 3, 3)
    return [(numbers(rng, 2, 2).double(), {name: w.double() for name, w in weights.items()}, 0, settings)]


turn.probe("double precision", _double, demand=same_dtype)

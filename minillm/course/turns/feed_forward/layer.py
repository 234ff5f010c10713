"""05.feed_forward: SwiGLU (Shazeer 2020), the feed-forward layer of Llama and SmolLM2."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.demands import same_kind
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def feed_forward(x, gate, up, down):
    """What the layer adds to each token's vector: (T, C)."""
    opened = F.silu(x @ gate.T)  # (T, F)
    return (opened * (x @ up.T)) @ down.T


turn = Turn(
    "05.feed_forward",
    "The feed-forward layer",
    feed_forward,
    minutes=8,
    difficulty=2,
    long_call=(torch.ones(100, 4), torch.ones(2048, 4), torch.ones(2048, 4), torch.ones(4, 2048)),
    slow=(
        "The result is right, but it takes one step per neuron.",
        "SmolLM2 has 1,536 neurons in each of 30 layers. One matrix product computes them all.",
    ),
    hints=(
        "x is (T, C) and each row of `gate` has C numbers. Which product gives the dot product of every token with "
        "every row?",
        "Two products make two tables of shape (T, F). One goes through SiLU; then multiply them entry by entry.",
        "`F.silu` takes the table from `gate`. The last product goes back from F numbers to C, with `down.T`.",
    ),
    errors={
        "mat1|shapes cannot be multiplied|size mismatch|inconsistent tensor|subscript|1D tensors": "`gate` and `up` "
        "are (F, C), `down` is (C, F): with `@`, each needs its `.T`, and `F.linear` transposes by itself. For the two "
        "hidden tables, use `*`.",
        "cannot assign": "No module is needed: multiply by the matrices, `x @ gate.T`.",
        "name 'self' is not defined": "There's no module here: the three matrices are arguments.",
        r"name '\w+' is not defined": "The arguments are `x`, `gate`, `up` and `down`. For torch's functions, import F "
        "in your cell: `import torch.nn.functional as F`.",
        "not callable": "`gate`, `up` and `down` are matrices, not layers. Multiply by them: `@`.",
        "something that is of type": "Call the module on x, and return what comes out.",
        "expanded size|must match|Index tensor|broadcast": "Every size comes from the inputs: x is (T, C), and there "
        "are F neurons, not 576 and 1,536.",
        "not enough values to unpack": "There's no batch here: x is (T, C), a row per token.",
        "changed the input": "Make something new: the same x comes back later, as the residual stream.",
    },
    debrief=Debrief(
        "Llama's code is the same line: `w2(silu(w1(x)) * w3(x))`. Fast engines store gate and up as one matrix, so "
        "that a single product makes both tables.",
        "Which of the three matrices could you transpose in storage without changing a single number of the result?",
    ),
)

Activation = Callable[[Tensor], Tensor]


def _layer(
    x: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    *,
    first: Activation = F.silu,
    second: Activation = lambda u: u,
    joined: Callable[[Tensor, Tensor], Tensor] = torch.mul,
    after: Activation = lambda h: h,
) -> Tensor:
    """The layer with one thing done differently."""
    return after(joined(first(x @ gate.T), second(x @ up.T))) @ down.T


def _tokens(rng: random.Random) -> list[Call]:
    """Several sizes; in the fourth call C = F, where a wrong transpose raises no error."""
    calls = []
    for T, C, n in ((2, 2, 3), (3, 4, 2), (1, 3, 5), (4, 3, 3), (5, 2, 6)):
        matrices = [numbers(rng, *shape) for shape in ((n, C), (n, C), (C, n))]
        x = numbers(rng, T, C)
        if bool((x @ matrices[0].T).abs().max() > 30):
            raise AssertionError("gates as small as a learner's own sigmoid can bear")
        calls.append((x, *matrices))
    return calls


def _extreme(rng: random.Random) -> list[Call]:
    """Gates of plus and minus 1,000, as SmolLM2's at START are large."""
    sign = rng.choice((-1, 1))
    x = torch.tensor([[0.0, 0.01], [1.0, 0.0], [-1.0, 2.0]]) * sign
    gate = torch.tensor([[1000.0, 0.0], [-300.0, 200.0]])
    return [(x, gate, numbers(rng, 2, 2) + 0.05, numbers(rng, 2, 2) + 0.05)]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Another shape than a row of C numbers per token."""
    answers = list(map(as_tensor, got))
    if any(gave is None for gave in answers):
        if all(type(answer) is list and len(answer) == len(call[0]) for call, answer in zip(calls, got, strict=True)):
            return "A list of rows is returned.", "`torch.stack` makes one tensor of them."
        return None
    for index, ((x, gate, up, _), wanted, gave) in enumerate(zip(calls, right, answers, strict=True)):
        assert gave is not None
        T, C = x.shape
        if gave.shape == wanted.shape:
            continue
        if gave.shape == (T, len(gate)):
            for name, table in (
                ("the hidden layer", F.silu(x @ gate.T) * (x @ up.T)),
                ("SiLU of the gate's table", F.silu(x @ gate.T)),
                ("the gate's table", x @ gate.T),
                ("the table of `up`", x @ up.T),
            ):
                if difference(table, gave) is None:
                    return f"That's {name}: (T, F).", "One product more goes back to C numbers: `down`.", index
            return "The result is (T, F).", "One product more goes back to C numbers: `down`.", index
        if gave.shape in ((C,), (1, C)) and T > 1:
            for row, where in ((0, "first"), (-1, "last")):
                if difference(wanted[row], gave.reshape(C)) is None:
                    hint = (
                        "Is `return` inside a loop?" if row == 0 else "Is it `x[-1]`, or does a loop replace the row?"
                    )
                    return f"Only the {where} token's row is returned.", hint, index
            return "One row is returned.", "A row per token: (T, C).", index
        if gave.shape == (C, T) and difference(wanted.T, gave) is None:
            return "The result is transposed: (C, T).", "A row per token: (T, C).", index
        if gave.numel() == wanted.numel() and difference(wanted.flatten(), gave.flatten()) is None:
            told = f"The numbers are right, but the shape must be (T, C); here it is {tuple(gave.shape)}."
            return told, "T rows of C numbers, and no further axis.", index
    return None


def _square(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Right wherever C and F differ: one of the matrices is transposed where both fit."""
    wrong = [index for index, pair in enumerate(zip(right, got, strict=True)) if difference(*pair)]
    if wrong and all(calls[index][1].shape[0] == calls[index][1].shape[1] for index in wrong):
        told = "Where C = F, a matrix is used the wrong way round; elsewhere, all is right."
        return told, "Don't choose by shape: `gate` and `up` are always (F, C), `down` is always (C, F).", wrong[0]
    return None


tokens = turn.probe("tokens in layers of several sizes", _tokens, _form, demand=same_kind)
tokens.at_last = _square


def _mistake(sentence: str, hint: str, answer: Any) -> None:
    tokens.mistake(sentence, hint, answer)


SMOOTH = "SiLU is z · sigmoid(z): `F.silu`."
BOTH = "The layer reads x twice: SiLU of one table, times the other."

_mistake(
    "SiLU is on the table of `up`, and `gate` goes through as it is.",
    "Swap them: SiLU belongs to `gate`. In Llama's files, w1 is the gate, w3 is up, and w2 is down.",
    lambda x, gate, up, down: _layer(x, up, gate, down),
)
_mistake(
    "There's no activation function: gate and up are only multiplied.",
    "SiLU goes on the gate's table, before the two are multiplied.",
    partial(_layer, first=lambda g: g),
)
_mistake(
    "The gate is sigmoid(z), as in the first gated layers (GLU).",
    "SiLU multiplies by z once more: z · sigmoid(z).",
    partial(_layer, first=torch.sigmoid),
)
_mistake("The activation is GELU, not SiLU.", f"They look alike, but these weights want SiLU. {SMOOTH}", partial(
    _layer, first=F.gelu
))  # fmt: skip
_mistake(
    "The activation is GELU (with tanh), not SiLU.",
    f"GPT-2 has that one. These weights want SiLU. {SMOOTH}",
    partial(_layer, first=partial(F.gelu, approximate="tanh")),
)
_mistake("The activation is ReLU, not SiLU.", SMOOTH, partial(_layer, first=F.relu))
_mistake("The activation is ReLU squared, not SiLU.", SMOOTH, partial(_layer, first=lambda g: F.relu(g).square()))
_mistake("The activation is tanh, not SiLU.", SMOOTH, partial(_layer, first=torch.tanh))
_mistake(
    "What SiLU lets through below 0 is cut off.",
    "No ReLU, no mask: for a negative z, SiLU is a small negative number, and it counts.",
    partial(_layer, first=lambda g: F.relu(F.silu(g))),
)
_mistake(
    "The gate only opens or shuts: 1 if z is above 0, else 0.",
    f"It opens the wider, the larger z is. {SMOOTH}",
    partial(_layer, first=lambda g: (g > 0).float()),
)
_mistake("The activation is softplus, not SiLU.", SMOOTH, partial(_layer, first=F.softplus))
_mistake("The activation is leaky ReLU, not SiLU.", SMOOTH, partial(_layer, first=F.leaky_relu))
_mistake("The activation is ELU, not SiLU.", SMOOTH, partial(_layer, first=F.elu))
_mistake("The activation is Mish, not SiLU.", SMOOTH, partial(_layer, first=F.mish))
_mistake(
    "The gate is the softmax over the neurons.",
    f"Here each neuron opens on its own. {SMOOTH}",
    partial(_layer, first=lambda g: g.softmax(-1)),
)
_mistake(
    "The sign in the exponential is wrong: that's z · sigmoid(-z).",
    "sigmoid(z) = 1 / (1 + e^-z): the larger z is, the wider the gate opens.",
    partial(_layer, first=lambda g: g * torch.sigmoid(-g)),
)
_mistake(
    "The gate is sigmoid(-z).",
    "SiLU is z · sigmoid(z), and sigmoid(z) = 1 / (1 + e^-z).",
    partial(_layer, first=lambda g: torch.sigmoid(-g)),
)
_mistake(
    "The gate's table is added to the other, not multiplied.",
    "A gate lets through: SiLU of one table *times* the other.",
    partial(_layer, joined=torch.add),
)
_mistake(
    "The table of `up` is subtracted.",
    "SiLU of the gate's table *times* the other.",
    partial(_layer, joined=torch.sub),
)
_mistake(
    "SiLU is taken of the product of both tables.",
    "SiLU goes on the gate's table alone, then multiply.",
    partial(_layer, first=lambda g: g, after=F.silu),
)
_mistake("SiLU is on both tables.", "Only on the gate's.", partial(_layer, second=F.silu))
_mistake("`up` isn't used.", BOTH, partial(_layer, joined=lambda g, u: g))
_mistake("`gate` isn't used.", BOTH, partial(_layer, second=F.silu, joined=lambda g, u: u))
for _name, _activation in (
    ("GELU", F.gelu),
    ("GELU", partial(F.gelu, approximate="tanh")),
    ("ReLU", F.relu),
):
    _told = f"That's an MLP with two matrices and {_name}"
    _older = "" if _activation is not F.gelu and _name == "GELU" else ", as in older models"
    _mistake(
        f"{_told}{_older}: `gate` isn't used.",
        BOTH,
        partial(_layer, second=_activation, joined=lambda g, u: u),
    )
    _mistake(
        f"{_told}{_older}: `up` isn't used.",
        BOTH,
        partial(_layer, first=_activation, joined=lambda g, u: g),
    )
_mistake("Only `up` and `down` are used, without an activation.", BOTH, partial(_layer, joined=lambda g, u: u))
_mistake(
    "Only `gate` and `down` are used, without an activation.",
    BOTH,
    partial(_layer, first=lambda g: g, joined=lambda g, u: g),
)
_mistake(
    "The gate's table is used twice, and `up` not at all.",
    BOTH,
    lambda x, gate, up, down: _layer(x, gate, gate, down),
)
_mistake(
    "The table of `up` is used twice, and `gate` not at all.", BOTH, lambda x, gate, up, down: _layer(x, up, up, down)
)
_mistake(
    "Sigmoid is on the table of `up`, as in torch's `F.glu`.",
    "SiLU goes on the gate's table: z · sigmoid(z).",
    partial(_layer, first=lambda g: g, second=torch.sigmoid),
)
_mistake(
    "x is added to the result.",
    "The block adds x, later. Return only what the layer adds.",
    lambda x, gate, up, down: x + feed_forward(x, gate, up, down),
)
_mistake(
    "SiLU is taken at the end.",
    "It goes on the gate's table, in the hidden layer. The output may be anything.",
    lambda x, gate, up, down: F.silu(_layer(x, gate, up, down, first=lambda g: g)),
)
_mistake(
    "SiLU is taken once more, of the output.",
    "Once is enough, on the gate's table.",
    lambda x, gate, up, down: F.silu(feed_forward(x, gate, up, down)),
)
_mistake(
    "SiLU is taken of x, before the products.",
    "First the product with `gate`, then SiLU.",
    lambda x, gate, up, down: _layer(F.silu(x), gate, up, down, first=lambda g: g),
)
_mistake("SiLU is taken twice.", "Once: z · sigmoid(z).", partial(_layer, first=lambda g: F.silu(F.silu(g))))
_mistake(
    "The gate's table is multiplied in once too often: z² · sigmoid(z).",
    "`F.silu` holds the factor z already.",
    partial(_layer, first=lambda g: g * F.silu(g)),
)
_mistake(
    "The hidden layer is normalized.",
    "Norms come before the layer, and the block takes care of them.",
    partial(_layer, after=lambda h: F.normalize(h, dim=-1)),
)
_mistake(
    "x is normalized first.",
    "The block does that before. Take x as it is.",
    lambda x, gate, up, down: feed_forward(x * x.square().mean(-1, keepdim=True).add(1e-5).rsqrt(), gate, up, down),
)
_mistake(
    "All rows are the first token's.",
    "Each token has a row of its own.",
    lambda x, gate, up, down: feed_forward(x, gate, up, down)[:1].repeat(len(x), 1),
)
_mistake(
    "Only the first token's row is filled.",
    "Is `return` inside a loop?",
    lambda x, gate, up, down: feed_forward(x, gate, up, down) * (torch.arange(len(x)) == 0)[:, None],
)
_mistake(
    "Only the last token's row is filled.",
    "Every token goes through the layer.",
    lambda x, gate, up, down: feed_forward(x, gate, up, down) * (torch.arange(len(x)) == len(x) - 1)[:, None],
)
_mistake(
    "The tokens are mixed: every row has the mean of all.",
    "Each token goes through the layer by itself.",
    lambda x, gate, up, down: feed_forward(x, gate, up, down).mean(0, keepdim=True).repeat(len(x), 1),
)
_mistake(
    "The rows are added up from the first token on.",
    "Each token goes through the layer by itself.",
    lambda x, gate, up, down: feed_forward(x, gate, up, down).cumsum(0),
)

extreme = turn.probe("gates of +1,000 and -1,000", _extreme, demand=same_kind)


@extreme.mistake(
    "With a large gate, e^z is infinite, and infinity divided by infinity is NaN.",
    "Write sigmoid as 1 / (1 + e^-z), or use `torch.sigmoid`.",
)
def _overflows(x, gate, up, down):
    z = x @ gate.T
    return (z * torch.exp(z) / (1 + torch.exp(z)) * (x @ up.T)) @ down.T


@extreme.mistake(
    "The gate is cut off at some size.",
    "No clamp is needed: 1 / (1 + e^-z) is right for every z.",
)
def _clamped(x, gate, up, down):
    z = (x @ gate.T).clamp(-50, 50)
    return (F.silu(z) * (x @ up.T)) @ down.T

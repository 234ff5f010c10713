"""A gated feed-forward layer, step by step, with a few of its neurons."""

import dataclasses
from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import Box, box
from minillm.viz.diagrams.canvas import Diagram
from minillm.viz.diagrams.flow import arrow, fan, flow
from minillm.viz.diagrams.theme import GREEN, ORANGE
from minillm.viz.figures import style

SHOWN = 8  # features


def feed_forward(
    x: Float[Tensor, "T C"],
    gate: Float[Tensor, "F C"],
    up: Float[Tensor, "F C"],
    down: Float[Tensor, "C F"],
    words: Sequence[str],
    neurons: Sequence[int],
    lit: int,
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw what a SwiGLU layer computes for each token: the tables of some neurons, one of them in color.

    The matrices are stored as torch stores them. Of x and of the result, the first features are drawn; the shapes are
    those of the whole. Raises `UserError` for a neuron that there is not, and for `lit` if it is not drawn.

    >>> import torch
    >>> matrices = torch.ones(3, 2), torch.ones(3, 2), torch.ones(2, 3)
    >>> feed_forward(torch.ones(2, 2), *matrices, ["a", "b"], [0, 2], lit=2).alt.partition(". ")[0]
    'Diagram: Each token by itself: 3 neurons, of which neuron 2 adds 3.52 times its column at "b"'
    """
    if lit not in neurons or not all(0 <= neuron < len(gate) for neuron in neurons):
        raise UserError(f"neurons are {list(neurons)}, lit is {lit}; draw some of 0 to {len(gate) - 1}, lit among them")
    x, picked = style.tensor_of(x), list(neurons)
    opened, raised = x @ style.tensor_of(gate).T, x @ style.tensor_of(up).T  # (T, F)
    hidden = F.silu(opened) * raised
    added = hidden @ style.tensor_of(down).T
    bands = [ORANGE if neuron == lit else None for neuron in picked]
    columns = [str(neuron) for neuron in picked]

    def features(name: str, table: Tensor, accent: int | None = None) -> Box:
        drawn = box(name, table[:, :SHOWN], "T C", rows=words, accent=accent, digits=-1)
        return dataclasses.replace(drawn, sizes=tuple(table.shape))

    def some(name: str, table: Tensor) -> Box:
        drawn = box(name, table[:, picked], "T F", columns=columns, bands=bands)
        return dataclasses.replace(drawn, sizes=tuple(table.shape))

    parts = [
        features("x", x),
        fan(
            [some("x @ gateᵀ", opened), arrow("SiLU"), some("opened", F.silu(opened))],
            [some("x @ upᵀ", raised)],
        ),
        arrow("multiply", "entry by entry"),
        some("hidden", hidden),
        arrow("@ downᵀ"),
        features("added to each token", added, GREEN),
    ]
    told = f'{len(gate):,} neurons, of which neuron {lit} adds {hidden[-1, lit]:.2f} times its column at "{words[-1]}"'
    return flow(parts, title or f"Each token by itself: {told}", theme=theme)

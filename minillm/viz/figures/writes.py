"""What the parts of a model add to the residual stream, write by write, and what a model loses without each of them."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    QUIET,
    RED_INK,
    SMALL,
    TINY,
    WIDTH,
    Matrix,
    in_style,
    named,
    new_panels,
    tensor_of,
    visible,
)

SORTS = {"attention": BLUE, "feed-forward": ORANGE}


@in_style
def waterfall(norms: Matrix, tokens: Sequence[str], top: float) -> Figure:
    """Draw how the norm of each token's stream changes with each write; what rises above `top` leaves the picture.

    `norms` is (T, 2L + 1): after the embedding, and after each attention and feed-forward network in turn. Raises
    `UserError` for another number of tokens, or an even number of writes.

    >>> figure = waterfall([[1.0, 2.0, 4.0], [1.0, 9.0, 8.0]], ["a", "b"], top=5)
    >>> [axes.get_title() for axes in figure.axes]
    ['a', 'b']
    """
    values = tensor_of(norms)
    if len(values) != len(tokens) or values.shape[1] % 2 == 0:
        raise UserError(f"{len(tokens)} tokens and norms of shape {tuple(values.shape)}; norms must be (T, 2L + 1)")
    figure, (panels,) = new_panels(1, len(tokens), height=3.1)
    letters = max(2, int((WIDTH - 1) / len(tokens) / 0.1))
    for number, (axes, token, row) in enumerate(zip(panels, tokens, values.tolist(), strict=True)):
        axes.vlines([0], 0, row[0], color=GREEN, lw=2)
        for write in range(1, len(row)):
            color = BLUE if write % 2 else ORANGE
            low, high = sorted((row[write - 1], row[write]))
            axes.vlines([write], min(low, top), min(max(high, low + top / 250), top), color=color, lw=2)
        axes.set_title(visible(token, letters), family="monospace", fontsize=SMALL)
        axes.set(xlim=(-2, len(row) + 1), ylim=(0, top))
        axes.set_xticks([0, len(row) - 1])
        axes.tick_params(labelleft=number == 0, labelsize=TINY)
        if max(row) > top:
            at = {"ha": "right", "va": "top", "fontsize": SMALL, "color": RED_INK}
            note = axes.text(len(row), 0.95 * top, f"to {max(row):,.0f}", **at)
            note.set_in_layout(False)
    panels[0].set_ylabel("norm of the stream")
    panels[len(panels) // 2].set_xlabel("write")
    for name, color in SORTS.items():
        panels[-1].plot([], [], color=color, lw=2, label=name)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@in_style
def costs_by_block(costs: Mapping[str, Sequence[Sequence[float]]], line: float, top: float) -> Figure:
    """Draw what a model loses without each block: a panel per kind, a bar per block, a line over the texts.

    `costs` holds, by kind, the cost of each block on each text, in nats per token. `line` is drawn across. A bar that
    leaves the picture has its number inside. Raises `UserError` for no kind, or a block without a text.

    >>> figure = costs_by_block({"block": [[0.1, 0.3], [8.0, 6.0]]}, line=0.5, top=4)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['7.0', 'without one block']
    """
    named(costs, "costs_by_block")
    figure, panels = new_panels(len(costs), 1, height=0.6 + 1.35 * len(costs))
    for (kind, rows), (axes,) in zip(costs.items(), panels, strict=True):
        if not all(rows):
            raise UserError(f"{kind} has a block without a text; give the costs of each on at least one")
        means = [sum(row) / len(row) for row in rows]
        blocks = range(len(rows))
        axes.bar(blocks, [min(mean, top) for mean in means], color=SORTS.get(kind, GREEN), width=0.7)
        axes.vlines(blocks, [min(row) for row in rows], [min(max(row), top) for row in rows], color=INK, lw=0.9)
        axes.axhline(line, color=QUIET, lw=0.8, ls="--")
        for block, mean in enumerate(means):
            if mean > top:
                at = {"rotation": 90, "ha": "center", "va": "top"}
                axes.text(block, 0.95 * top, f"{mean:.1f}", fontsize=TINY, color=PAPER, **at)
        axes.set(xlim=(-0.7, len(rows) - 0.3), ylim=(min(0.0, *map(min, rows)), top), ylabel="nats per token")
        axes.text(0.99, 0.95, f"without one {kind}" if kind != "block" else "without one block", ha="right", va="top",
                  transform=axes.transAxes, fontsize=SMALL)  # fmt: skip
    panels[-1][0].set_xlabel("block, counted from 0")
    return figure

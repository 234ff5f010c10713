"""The residual stream: a diagram of the whole model with its shapes, and the logit lens."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from minillm.errors import UserError
from minillm.viz.figures.style import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALE,
    QUIET,
    SMALL,
    TINY,
    WIDTH,
    Matrix,
    axis_name,
    in_style,
    new_figure,
    new_sketch,
    tensor_of,
    visible,
)

STREAM = 1.5  # inches from the left edge to the stream


@in_style
def model_sketch(
    *,
    vocab_size: int,
    d_model: int,
    n_layers: int,
    n_heads: int,
    n_kv_heads: int,
    d_head: int,
    d_ff: int,
    norm: str = "norm",
    activation: str = "",
    position: str = "",
) -> Figure:
    """Draw the model from ids (bottom) to logits (top) along its residual stream, with all sizes.

    The parameters are named as in `ModelConfig`. Raises `UserError` for a size below 1.

    >>> figure = model_sketch(vocab_size=1024, d_model=128, n_layers=4, n_heads=4, n_kv_heads=4, d_head=32, d_ff=384)
    >>> "embedding" in [text.get_text() for text in figure.axes[0].texts]
    True
    """
    sizes = dict(V=vocab_size, C=d_model, L=n_layers, H=n_heads, K=n_kv_heads, D=d_head, F=d_ff)
    for letter, size in sizes.items():
        if size < 1:
            raise UserError(f"{letter} is {size}; every size of a model is at least 1")
    figure, axes = new_sketch(WIDTH, 6.3)
    axes.plot([STREAM, STREAM], [0.35, 5.95], color=QUIET, linewidth=5, alpha=0.35, solid_capstyle="butt", zorder=0)
    block = Rectangle(
        (0.95, 1.6), 6.3, 2.85, facecolor="white", edgecolor=QUIET, linestyle="--", linewidth=1, zorder=-1
    )
    axes.add_patch(block)
    axes.text(7.15, 4.33, f"× L = {n_layers} blocks", ha="right", va="top", fontsize=10)
    axes.text(STREAM, 0.18, "ids  (B, T)", ha="center", va="center", fontsize=10)
    axes.text(STREAM, 6.12, f"logits  (B, T, V = {vocab_size:,})", ha="center", va="center", fontsize=10)
    added = f", plus {position} positions" if position in ("learned", "sinusoidal") else ""
    _station(axes, 0.75, "embedding", f"table (V, C) = {vocab_size:,} × {d_model:,}{added}", ORANGE)
    kv = "" if n_kv_heads == n_heads else f", K = {n_kv_heads} key/value heads"
    turned = ["queries and keys turned by position (RoPE)"] if position == "rotary" else []
    _branch(axes, 2.3, norm, "attention", [f"H = {n_heads} heads of D = {d_head}{kv}", *turned], BLUE)
    hidden = [f"C = {d_model:,} → F = {d_ff:,} → C = {d_model:,}", *([activation] if activation else [])]
    _branch(axes, 3.6, norm, "feed-forward", hidden, GREEN)
    _station(axes, 4.87, norm, "the last norm", QUIET)
    _station(axes, 5.45, "unembedding", f"(C, V) = {d_model:,} × {vocab_size:,}", ORANGE)
    axes.text(STREAM + 0.12, 1.25, f"residual stream  (B, T, C = {d_model:,})", va="center", fontsize=SMALL)
    return figure


def _box(axes: Axes, x: float, y: float, text: str, colour: str, width: float = 1.5) -> None:
    look: dict[str, Any] = dict(
        boxstyle="round,pad=0,rounding_size=0.06", facecolor="white", edgecolor=colour, linewidth=1.6
    )
    axes.add_patch(FancyBboxPatch((x - width / 2, y - 0.17), width, 0.34, zorder=2, **look))
    axes.text(x, y - 0.01, text, ha="center", va="center", fontsize=10, zorder=3)


def _station(axes: Axes, y: float, name: str, note: str, colour: str) -> None:
    """Draw a box that the stream passes through."""
    _box(axes, STREAM, y, name, colour)
    axes.text(STREAM + 0.87, y, note, va="center", fontsize=SMALL, color=QUIET)


def _branch(axes: Axes, y: float, norm: str, name: str, notes: Sequence[str], colour: str) -> None:
    """Draw a sub-layer that reads from the stream and adds its output to it."""
    below, above = y - 0.32, y + 0.42
    line: dict[str, Any] = dict(color=INK, linewidth=1.2)
    axes.plot([STREAM, 2.6], [below, below], **line)
    axes.plot([2.6, 4.6], [below, below], zorder=0, **line)
    axes.plot([5.2, 6.9, 6.9, STREAM + 0.13], [below, below, above, above], zorder=0, **line)
    axes.annotate("", (STREAM + 0.13, above), (STREAM + 0.4, above), arrowprops=dict(arrowstyle="-|>", color=INK))
    _box(axes, 2.75, below, norm, QUIET, width=1.1)
    _box(axes, 4.95, below, name, colour, width=1.6)
    axes.text(3.45, y + 0.2, notes[0], va="center", fontsize=SMALL, color=QUIET)
    for step, note in enumerate(notes[1:], start=1):
        axes.text(3.45, y + 0.2 - 0.16 * step, note, va="center", fontsize=SMALL, color=QUIET)
    axes.add_patch(Circle((STREAM, above), 0.13, facecolor="white", edgecolor=INK, linewidth=1.2, zorder=2))
    axes.text(STREAM, above - 0.01, "+", ha="center", va="center", fontsize=12, zorder=3)


@in_style
def logit_lens(
    tokens: Sequence[Sequence[str]],
    probabilities: Matrix,
    positions: Sequence[str],
    layers: Sequence[str] | None = None,
) -> Figure:
    """Draw the logit lens: each layer's most probable next token at every position, darker if more probable.

    `tokens` and `probabilities` are (L, T), with the first layer at the bottom; `positions` are the tokens of the text.
    Raises `UserError` if the shapes differ.

    >>> figure = logit_lens([["a", "b"], ["c", "d"]], [[0.1, 0.2], [0.6, 0.9]], ["The", " cat"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'b', 'c', 'd']
    """
    values = tensor_of(probabilities)
    widths = {len(row) for row in tokens}
    if values.shape != (len(tokens), len(positions)) or widths != {len(positions)}:
        raise UserError(
            f"{len(tokens)} layers of {sorted(widths)} tokens, {len(positions)} positions and probabilities of shape "
            f"{tuple(values.shape)} do not match; all must be (L, T)"
        )
    if not bool(((values >= 0) & (values <= 1.0001)).all()):
        raise UserError("a number in probabilities is not a probability; apply softmax first")
    names = [str(layer) for layer in (range(len(tokens)) if layers is None else layers)]
    cell_width = (WIDTH - 1.5) / len(positions)  # inches
    letters = max(2, int((cell_width - 0.06) / 0.0677))  # at 8 points, monospaced
    figure, axes = new_figure(height=1.0 + 0.22 * len(tokens))
    image = axes.imshow(values.numpy(), cmap=PALE, vmin=0, vmax=1, aspect="auto", origin="lower")
    for row, line in enumerate(tokens):
        for column, token in enumerate(line):
            text = visible(token, letters)
            axes.text(column, row, text, ha="center", va="center", fontsize=TINY, family="monospace")
    axes.set_xticks(range(len(positions)), [visible(token, letters) for token in positions], family="monospace")
    axes.set_yticks(range(len(tokens)), names)
    axes.tick_params(length=0, labelsize=TINY)
    axes.set(xlabel=axis_name("T", len(positions)), ylabel="layer" if layers else axis_name("L", len(tokens)))
    figure.colorbar(image, ax=axes, label="probability", pad=0.01)
    return figure

"""The logit lens: what each depth of a model would predict."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from minillm.errors import UserError
from minillm.viz.figures.style import (
    PALE,
    TINY,
    WIDTH,
    Matrix,
    axis_name,
    in_style,
    new_figure,
    tensor_of,
    visible,
)


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

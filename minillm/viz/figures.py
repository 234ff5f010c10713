"""The figures of the lessons, in one look, and `show`, which puts a figure and its sentence on the page.

Each function takes plain lists or tensors and returns a matplotlib `Figure`. None goes through pyplot: pyplot keeps
every figure alive and prints some of them twice in a notebook.
"""

import base64
import html
import io
import itertools
import struct
from collections.abc import Mapping, Sequence
from functools import cache

import matplotlib
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

# Okabe and Ito's colours (2008): distinct for every common form of colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
PAPER, INK, QUIET = "#FBFAF7", "#22282F", "#5F6B76"
DIVERGING = "RdBu_r"  # blue is negative, red positive, white zero

PER_INCH = 96  # pixels of a page
DENSITY = 1.5  # pixels drawn for one shown: sharp on a dense screen, and a lesson still weighs little
WIDTH = 7.5  # inches
STYLE = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 10,
    "text.parse_math": False,  # a token may be "$"
    "axes.formatter.use_mathtext": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same
}
# matplotlib reads its settings when a text or a tick is made, so every function that draws runs within them.
in_style = matplotlib.rc_context(STYLE)

Numbers = Sequence[float] | Float[torch.Tensor, " n"]


@in_style
def new_figure(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """An empty figure in the course's look, sizes in inches.

    >>> figure, axes = new_figure(height=2)
    >>> figure.get_size_inches().tolist()
    [7.5, 2.0]
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


@in_style
def png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PER_INCH * DENSITY, metadata={"Software": None})
    return buffer.getvalue()


def shown_size(picture: bytes) -> tuple[int, int]:
    """Width and height, in the page's pixels, at which a picture from `png` is shown."""
    width, height = struct.unpack(">II", picture[16:24])  # a PNG's first chunk begins with its size
    return round(width / DENSITY), round(height / DENSITY)


def show(figure: Figure, alt: str) -> None:
    """Display a figure with one sentence that says what there is to see in it.

    JupyterLab gives pictures no alternative text, so the sentence stands below the picture, where everybody reads it;
    the picture's metadata holds it too, for `nbconvert`. Raises `ValueError` without a sentence.
    """
    from IPython.display import display  # a notebook's own library: minillm.viz also works without one

    if not alt.strip():
        raise ValueError("show needs alt: one sentence that says what there is to see in the figure")
    picture = png(figure)
    width, height = shown_size(picture)
    display(
        {"image/png": base64.b64encode(picture).decode(), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": alt, "width": width, "height": height}},
        raw=True,
    )
    display({"text/html": f"<p><em>{html.escape(alt)}</em></p>", "text/plain": alt}, raw=True)


def visible(text: str) -> str:
    """A token's text with its blanks made visible and without characters that the figures' font lacks.

    >>> visible(" the\\n")
    '␣the↵'
    >>> visible("語")
    '\\\\u8a9e'
    """
    text = text.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")
    return "".join(c if ord(c) in _drawable() else c.encode("unicode_escape").decode() for c in text)


@cache
def _drawable() -> frozenset[int]:
    return frozenset(code for code in get_font(findfont("DejaVu Sans")).get_charmap() if code >= 32)


@in_style
def token_strip(pieces: Sequence[str], ids: Sequence[int] | None = None, per_row: int = 12) -> Figure:
    """Tokens as coloured boxes in reading order, each with its id below if `ids` are given.

    >>> figure = token_strip(["The", " cat"], [464, 3797])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['The', '464', '␣cat', '3797']
    """
    if not pieces:
        raise ValueError("token_strip needs at least one token; the text was empty")
    if ids is not None and len(ids) != len(pieces):
        raise ValueError(f"{len(pieces)} tokens but {len(ids)} ids; give one id per token, or none")
    shown = [visible(piece) or "(empty)" for piece in pieces]
    widths = [0.35 + 0.12 * max(len(text), len(str(ids[i])) if ids is not None else 0) for i, text in enumerate(shown)]
    places, row_widths = _flow(widths, limit=WIDTH, per_row=per_row)
    figure, axes = new_figure(height=0.2 + 0.72 * len(row_widths), width=max(3.0, max(row_widths)))
    for index, ((x, row), width) in enumerate(zip(places, widths, strict=True)):
        colour = PALETTE[index % len(PALETTE)]
        axes.add_patch(
            matplotlib.patches.Rectangle((x, -row - 0.5), width - 0.06, 0.42, color=colour, alpha=0.28, linewidth=0)
        )
        middle = x + (width - 0.06) / 2
        axes.text(middle, -row - 0.29, shown[index], ha="center", va="center", fontsize=12, family="monospace")
        if ids is not None:
            axes.text(middle, -row - 0.66, str(ids[index]), ha="center", va="center", fontsize=9, color=QUIET)
    axes.set(xlim=(-0.05, max(row_widths)), ylim=(-len(row_widths) + 0.1, 0))
    axes.axis("off")
    return figure


def _flow(widths: Sequence[float], limit: float, per_row: int) -> tuple[list[tuple[float, int]], list[float]]:
    """Left edge and row of each box, set like words in a paragraph, and the width of each row."""
    places: list[tuple[float, int]] = []
    rows = [0.0]
    in_row = 0
    for width in widths:
        if in_row and (rows[-1] + width > limit or in_row == per_row):
            rows.append(0.0)
            in_row = 0
        places.append((rows[-1], len(rows) - 1))
        rows[-1] += width
        in_row += 1
    return places, rows


@in_style
def probability_bars(tokens: Sequence[str], probabilities: Numbers, chosen: int | None = None) -> Figure:
    """Horizontal bars of token probabilities, the first on top; `chosen` is the row drawn in another colour.

    >>> [bar.get_width().item() for bar in probability_bars([" Paris", " a"], [0.75, 0.25]).axes[0].patches]
    [0.75, 0.25]
    """
    values = _numbers(probabilities)
    if any(not 0 <= value <= 1.0001 for value in values):
        raise ValueError(f"{next(v for v in values if not 0 <= v <= 1.0001)} is no probability; apply softmax first")
    figure = bars([visible(token) for token in tokens], values, unit="probability", digits=3)
    if chosen is not None:
        figure.axes[0].patches[chosen].set_facecolor(RED)
    figure.axes[0].set_xlim(0, 1.12)
    for label in figure.axes[0].get_yticklabels():
        label.set_family("monospace")
    return figure


@in_style
def bars(
    labels: Sequence[str], values: Numbers, unit: str, digits: int = 2, colours: Sequence[str] | None = None
) -> Figure:
    """Horizontal bars with their numbers written beside them, the first on top.

    >>> [text.get_text() for text in bars(["gzip", "model"], [4.5, 1.25], unit="bits per byte").axes[0].texts]
    ['4.50', '1.25']
    """
    values = _numbers(values)
    if len(labels) != len(values) or not values:
        raise ValueError(f"{len(labels)} labels for {len(values)} bars; give one label per bar, and at least one bar")
    figure, axes = new_figure(height=0.65 + 0.32 * len(values))
    drawn = axes.barh(range(len(values)), values, height=0.68, color=colours or BLUE)
    axes.bar_label(drawn, fmt=f"{{:.{digits}f}}", padding=4, fontsize=9)
    axes.set_yticks(range(len(values)), labels)
    axes.set(ylim=(len(values) - 0.45, -0.55), xlabel=unit, xlim=(min(0, *values) * 1.15, max(0, *values) * 1.15 or 1))
    axes.tick_params(axis="y", length=0)
    return figure


@in_style
def lines(series: Mapping[str, Numbers], xlabel: str, ylabel: str) -> Figure:
    """One line for each named series, over its index; each line carries its name at its right end.

    >>> [line.get_ydata().tolist() for line in lines({"loss": [3.0, 2.0]}, "step", "nats").axes[0].lines]
    [[3.0, 2.0]]
    """
    if not series or any(len(values) == 0 for values in series.values()):
        raise ValueError("lines needs at least one series, and in each at least one number")
    figure, axes = new_figure(height=2.8)
    for (name, values), colour, marker in zip(series.items(), itertools.cycle(PALETTE), itertools.cycle("os^Dv")):
        heights = _numbers(values)
        axes.plot(heights, color=colour, marker=marker, markersize=4, linewidth=1.6, label=name)
        axes.annotate(name, (len(heights) - 1, heights[-1]), xytext=(8, 0), textcoords="offset points", va="center")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


@in_style
def vector_strip(vectors: Float[torch.Tensor, "n C"], labels: Sequence[str]) -> Figure:
    """Each row of a matrix as a strip of colours: blue below zero, white at zero, red above.

    >>> vector_strip(torch.tensor([[-1.0, 0.0, 2.0]]), ["a"]).axes[0].images[0].get_array().tolist()
    [[-1.0, 0.0, 2.0]]
    """
    if len(labels) != len(vectors):
        raise ValueError(f"{len(labels)} labels for {len(vectors)} vectors; give one label per row")
    figure, axes = new_figure(height=0.75 + 0.32 * len(vectors))
    matrix = vectors.detach().float().cpu()
    # The largest numbers are few; a scale that ends at the 99th percentile keeps the others visible.
    limit = max(float(matrix.abs().flatten().quantile(0.99)), 1e-12)
    image = axes.imshow(matrix.numpy(), cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto", interpolation="none")
    axes.set_yticks(range(len(vectors)), [visible(label) for label in labels])
    axes.set(xlabel="dimension")
    axes.tick_params(axis="y", length=0)
    figure.colorbar(image, ax=axes, pad=0.01, extend="both")
    return figure


def _numbers(values: Numbers) -> list[float]:
    return values.detach().tolist() if isinstance(values, torch.Tensor) else [float(value) for value in values]

"""The one look of the course's figures, `png`, and `show`, which puts a figure and its sentence on the page.

No figure goes through pyplot: pyplot keeps every figure alive and prints some of them twice in a notebook.
"""

import base64
import html
import io
import math
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib
import torch
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

from minillm.errors import UserError

# Okabe and Ito's colours (2008): distinct for every common form of colour blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
MARKERS = "os^DvPX"  # one more than colours, so that a cycle of both repeats after 42 lines
RED_INK = "#A84A00"  # RED for words: on paper RED itself is too pale to read well
PAPER, INK, QUIET, FAINT = "#FBFAF7", "#22282F", "#5F6B76", "#C8CCCF"
DIVERGING = matplotlib.colormaps["RdBu_r"].with_extremes(bad=FAINT)  # blue is negative, red positive, white zero
RISING = LinearSegmentedColormap.from_list("rising", ["#FFFFFF", SKY, BLUE, "#003B5C"]).with_extremes(bad=FAINT)
FALLING = RISING.reversed()
PALE = LinearSegmentedColormap.from_list("pale", ["#FFFFFF", SKY])  # a ground on which ink always reads

PER_INCH = 96  # pixels of a page
DENSITY = 1.5  # pixels drawn for one shown: sharp on a dense screen, and a lesson still weighs little
WIDTH = 7.5  # inches
SMALL, TINY = 9, 8  # points; nothing is set smaller
STYLE: dict[Any, Any] = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": 10,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "text.parse_math": False,  # a token may be "$"
    "axes.formatter.use_mathtext": False,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine draws the same
}
# matplotlib reads its settings when a text or a tick is made, so every function that draws runs within them.
in_style = matplotlib.rc_context(STYLE)

# The shape legend of the whole course, as it stands on the axes.
LEGEND = {
    "B": "text of the batch",
    "T": "query position",
    "S": "key position",
    "C": "d_model",
    "H": "head",
    "K": "key/value head",
    "D": "head dimension",
    "F": "feed-forward dimension",
    "V": "vocabulary",
    "L": "layer",
}

Numbers = Sequence[float] | Real[Tensor, "_"]
Matrix = Sequence[Sequence[float]] | Real[Tensor, "_ _"]


@in_style
def new_figure(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """An empty figure in the course's look, sizes in inches.

    >>> figure, axes = new_figure(height=2)
    >>> figure.get_size_inches().tolist()
    [7.5, 2.0]
    """
    figure, ((axes,),) = new_panels(1, 1, height, width)
    return figure, axes


@in_style
def new_panels(rows: int, columns: int, height: float, width: float = WIDTH) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure of several panels, as rows of axes."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False).tolist()


@in_style
def new_sketch(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty sheet for boxes and arrows: its coordinates are inches, with (0, 0) at the lower left.

    >>> new_sketch(4, 2)[0].get_size_inches().tolist()
    [4.0, 2.0]
    """
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


@in_style
def png(figure: Figure) -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.set_dpi(PER_INCH * DENSITY)
    # Not savefig, which lays a figure out in a drawing of its own before it draws it: an explorer would wait for both.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
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
        raise UserError("show needs alt: one sentence that says what there is to see in the figure")
    picture = png(figure)
    width, height = shown_size(picture)
    display(
        {"image/png": base64.b64encode(picture).decode(), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": alt, "width": width, "height": height}},
        raw=True,
    )
    display({"text/html": f"<p><em>{html.escape(alt)}</em></p>", "text/plain": alt}, raw=True)


def visible(text: str, longest: int | None = None) -> str:
    """A token's text with its blanks made visible and without characters that the figures' font lacks.

    What is longer than `longest` ends in an ellipsis.

    >>> visible(" the\\n")
    '␣the↵'
    >>> visible("語")
    '\\\\u8a9e'
    >>> visible(" antidisestablishmentarianism", longest=8)
    '␣antidi…'
    """
    text = text.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥")
    text = "".join(c if ord(c) in _drawable() else c.encode("unicode_escape").decode() for c in text)
    return text if longest is None or len(text) <= longest else text[: longest - 1] + "…"


@cache
def _drawable() -> frozenset[int]:
    # Both faces: tokens are set in the monospaced one, which lacks some signs of the other.
    faces = [get_font(findfont(name)).get_charmap() for name in ("DejaVu Sans", "DejaVu Sans Mono")]
    return frozenset(code for code in faces[0] if code in faces[1] and code >= 32)


def numbers(values: Numbers, what: str) -> list[float]:
    """The values as a list of floats; raises `ValueError` when one of them is no finite number."""
    if isinstance(values, Tensor) and values.dim() != 1:
        raise UserError(f"{what}: a list of numbers is needed, and this tensor has the shape {tuple(values.shape)}")
    listed = [float(value) for value in (values.detach().tolist() if isinstance(values, Tensor) else values)]
    for index, value in enumerate(listed):
        if not math.isfinite(value):
            raise UserError(f"{what}: number {index} is {value}, which no axis can hold; leave it out or replace it")
    return listed


def by_seed(values: Numbers | Matrix, what: str) -> list[list[float]]:
    """Numbers of shape (n,) or (seeds, n) as one list for each seed."""
    first = values[0]
    rows: Any = values if isinstance(first, Sequence) or (isinstance(first, Tensor) and first.dim()) else [values]
    seeds = [numbers(row, what) for row in rows]
    if len({len(row) for row in seeds}) > 1:
        raise UserError(f"{what}: the seeds have {sorted({len(row) for row in seeds})} numbers; give each as many")
    return seeds


def tensor_of(values: Any) -> Tensor:
    """Lists or a tensor of any kind as a float64 tensor on the CPU, without its history of gradients."""
    return (values if isinstance(values, Tensor) else torch.tensor(values)).detach().cpu().double()


def named(series: Mapping[str, Any], who: str) -> None:
    """Raise `ValueError` when there is nothing to draw."""
    if not series or any(len(values) == 0 for values in series.values()):
        raise UserError(f"{who} needs at least one series, and in each at least one number")


def ink_on(colour: Any) -> str:
    """Black or white, whichever reads better on a colour (relative luminance of WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return INK if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.22 else "#FFFFFF"


def axis_name(letter: str, size: int, inches: float = WIDTH) -> str:
    """What stands on an axis: a letter of the shape legend with its size and, where there is room, its meaning.

    >>> axis_name("T", 6), axis_name("T", 6, inches=0.8), axis_name("word", 3)
    ('T = 6, query position', 'T = 6', 'word')
    """
    if letter not in LEGEND:
        return letter
    full = f"{letter} = {size}, {LEGEND[letter]}"
    return full if 0.09 * len(full) <= inches else f"{letter} = {size}"

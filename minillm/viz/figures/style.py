"""The style of the course's figures, with `png` and `show`, which displays a figure in a notebook.

Figures do not use pyplot, which keeps every figure in memory and prints some of them twice in a notebook.
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

# Okabe and Ito's colors (2008): distinguishable with every common form of color blindness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
PALETTE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
MARKERS = "os^DvPX"  # one more than colors, so that a cycle of both repeats after 42 lines
RED_INK = "#A84A00"  # a darker RED for text
PAPER, INK, QUIET, FAINT = "#FBFAF7", "#22282F", "#5F6B76", "#C8CCCF"
DIVERGING = matplotlib.colormaps["RdBu_r"].with_extremes(bad=FAINT)  # blue is negative, red positive, white zero
RISING = LinearSegmentedColormap.from_list("rising", ["#FFFFFF", SKY, BLUE, "#003B5C"]).with_extremes(bad=FAINT)
FALLING = RISING.reversed()
PALE = LinearSegmentedColormap.from_list("pale", ["#FFFFFF", SKY])  # a background on which INK is readable

PER_INCH = 96  # CSS pixels
DENSITY = 1.5  # pixels drawn per CSS pixel: sharp on a high-density screen, and notebooks stay small
WIDTH = 7.5  # inches
TITLE = 0.3  # inches that a title takes
SMALL, TINY = 9, 8  # points; no text is smaller
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
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so figures look the same on every machine
}
# matplotlib reads its settings when a text or a tick is created, so every drawing function runs within them.
in_style = matplotlib.rc_context(STYLE)

# The shape legend of the course, as written on the axes.
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
    """Create an empty figure in the course's style; sizes in inches.

    >>> figure, axes = new_figure(height=2)
    >>> figure.get_size_inches().tolist()
    [7.5, 2.0]
    """
    figure, ((axes,),) = new_panels(1, 1, height, width)
    return figure, axes


@in_style
def new_panels(rows: int, columns: int, height: float, width: float = WIDTH) -> tuple[Figure, list[list[Axes]]]:
    """Create an empty figure with several panels, returned as rows of axes."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.07, h_pad=0.07))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False).tolist()


@in_style
def new_sketch(width: float, height: float) -> tuple[Figure, Axes]:
    """Create an empty canvas for boxes and arrows, with coordinates in inches from the lower left.

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
def png(figure: Figure, density: float = DENSITY) -> bytes:
    """Render a figure as PNG, with `density` pixels per CSS pixel; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.set_dpi(PER_INCH * density)
    # Not savefig, which draws the figure twice, once for its layout.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def shown_size(picture: bytes, density: float = DENSITY) -> tuple[int, int]:
    """Return the display width and height, in CSS pixels, of a picture from `png`, drawn with the same `density`."""
    width, height = struct.unpack(">II", picture[16:24])  # a PNG's first chunk starts with its size
    return round(width / density), round(height / density)


def show(figure: Figure, alt: str, title: str = "", caption: str | None = None) -> None:
    """Display a figure; `alt` says what it shows to someone who cannot see it, `title` what was found.

    `alt` is metadata of the picture, for screen readers and `nbconvert`, and is not printed; `caption`, one line, is
    printed below the figure. Raises `UserError` for an empty `alt` and for a caption of several lines.
    """
    show_picture(png(titled(figure, title) if title else figure), alt, caption)


@in_style
def titled(figure: Figure, title: str) -> Figure:
    """Make a figure higher by a title at its upper left; returns the same figure.

    A narrow figure also becomes as wide as its title. Raises `UserError` for a title wider than `WIDTH`.

    >>> titled(new_figure(height=2)[0], "Bank moves furthest").get_size_inches().tolist()
    [7.5, 2.3]
    """
    width, height = figure.get_size_inches().tolist()
    figure.set_dpi(PER_INCH * DENSITY)  # as it is drawn: letters are wider at some resolutions
    text = figure.suptitle(title, ha="left", va="top", size=11, weight="bold")
    needed = text.get_window_extent().width / figure.dpi + 0.2
    if needed > max(width, WIDTH):
        raise UserError(f"the title {title!r} needs {needed:.1f} inches and the figure has {width:g}; shorten it")
    wider, higher = max(width, needed), height + TITLE
    figure.set_size_inches(wider, higher)
    text.set_position((0.1 / wider, 1 - 0.08 / higher))
    if figure.get_layout_engine() is None:  # a sketch, whose coordinates are inches
        figure.axes[0].set(xlim=(0, wider), ylim=(0, higher))
    return figure


def show_picture(picture: bytes, alt: str, caption: str | None = None, density: float = DENSITY) -> None:
    """Display a picture from `png`, drawn with the same `density`, as `show` displays a figure."""
    from IPython.display import display  # a notebook's own library: minillm.viz also works without one

    if not alt.strip():
        raise UserError("show needs alt: one sentence that says what the figure shows")
    if caption is not None and len(caption.strip().splitlines()) != 1:
        raise UserError(f"a caption is one line, and {caption!r} is not; shorten it, or leave it out")
    width, height = shown_size(picture, density)
    display(
        {"image/png": base64.b64encode(picture).decode(), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": alt, "width": width, "height": height}},
        raw=True,
    )
    if caption is not None:
        display({"text/html": f"<p><em>{html.escape(caption)}</em></p>", "text/plain": caption}, raw=True)


def visible(text: str, longest: int | None = None) -> str:
    """Make spaces and line breaks visible, and escape characters that the figures' font lacks.

    A text longer than `longest` is cut and ends with an ellipsis.

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
    # Both fonts: tokens use the monospaced one, which lacks some characters of the other.
    faces = [get_font(findfont(name)).get_charmap() for name in ("DejaVu Sans", "DejaVu Sans Mono")]
    return frozenset(code for code in faces[0] if code in faces[1] and code >= 32)


def numbers(values: Numbers, what: str) -> list[float]:
    """Convert values to a list of floats; raises `UserError` if one of them is not finite."""
    if isinstance(values, Tensor) and values.dim() != 1:
        raise UserError(f"{what}: give a list or a tensor of one dimension, not of shape {tuple(values.shape)}")
    listed = [float(value) for value in (values.detach().tolist() if isinstance(values, Tensor) else values)]
    for index, value in enumerate(listed):
        if not math.isfinite(value):
            raise UserError(f"{what}: number {index} is {value}, which cannot be drawn; remove or replace it")
    return listed


def by_seed(values: Numbers | Matrix, what: str) -> list[list[float]]:
    """Convert numbers of shape (n,) or (seeds, n) to one list per seed."""
    first = values[0]
    rows: Any = values if isinstance(first, Sequence) or (isinstance(first, Tensor) and first.dim()) else [values]
    seeds = [numbers(row, what) for row in rows]
    if len({len(row) for row in seeds}) > 1:
        raise UserError(f"{what}: the seeds have {sorted({len(row) for row in seeds})} numbers; give equally many")
    return seeds


def tensor_of(values: Any) -> Tensor:
    """Convert lists or a tensor to a detached float64 tensor on the CPU."""
    return (values if isinstance(values, Tensor) else torch.tensor(values)).detach().cpu().double()


def named(series: Mapping[str, Any], who: str) -> None:
    """Raise `UserError` if there is nothing to draw."""
    if not series or any(len(values) == 0 for values in series.values()):
        raise UserError(f"{who} needs at least one series, and at least one number in each")


def ink_on(colour: Any) -> str:
    """Choose dark or white text, whichever is more readable on a color (relative luminance of WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return INK if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.22 else "#FFFFFF"


def axis_name(letter: str, size: int, inches: float = WIDTH) -> str:
    """Label an axis with a letter of the shape legend, its size and, if it fits, its meaning.

    >>> axis_name("T", 6), axis_name("T", 6, inches=0.8), axis_name("word", 3)
    ('T = 6, query position', 'T = 6', 'word')
    """
    if letter not in LEGEND:
        return letter
    full = f"{letter} = {size}, {LEGEND[letter]}"
    return full if 0.09 * len(full) <= inches else f"{letter} = {size}"

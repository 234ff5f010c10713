"""The colors of the diagrams, in a light and a dark theme.

The light one matches the other figures. The accents are Okabe and Ito's hues (2008), darkened or lightened until they
are readable as text. Cell colors are pale (or, in the dark theme, deep) enough for one ink on all of them. A test holds
every pair at a contrast of at least 4.5, the AA level of WCAG 2.2 for text.
"""

from dataclasses import dataclass

from matplotlib.colors import LinearSegmentedColormap, to_rgb

from minillm.errors import UserError
from minillm.viz.figures.style import INK, PAPER, QUIET


@dataclass(frozen=True)
class Theme:
    """The colors of a diagram, as hexadecimal strings.

    >>> round(contrast(THEMES["light"].ink, THEMES["light"].paper), 1)
    14.2
    """

    paper: str  # background
    panel: str  # background of a box that holds text
    ink: str  # text
    quiet: str  # secondary text, such as shapes
    line: str  # arrows
    hatch: str  # strokes over a masked cell
    masked: str  # background of a masked cell
    zero: str  # a cell of value 0
    negative: str  # the most negative cell
    positive: str  # the most positive cell
    share: str  # the largest cell of a tensor without negative values, such as attention weights
    accents: tuple[str, ...]  # heads, groups and roles: blue, orange, green, red, purple, sky

    def accent(self, index: int) -> str:
        """The color of head, group or role number `index`; colors repeat after six."""
        return self.accents[index % len(self.accents)]

    def scale(self, signed: bool) -> LinearSegmentedColormap:
        """The color map of a tensor, from negative or from zero to positive."""
        ends = [self.negative, self.zero, self.positive] if signed else [self.zero, self.share]
        return LinearSegmentedColormap.from_list("cells", ends)


BLUE, ORANGE, GREEN, RED, PURPLE, SKY = range(6)  # indices of the accents

THEMES = {
    "light": Theme(
        paper=PAPER,
        panel="#FFFFFF",
        ink=INK,
        quiet=QUIET,
        line="#6E7983",
        hatch="#AEB6BC",
        masked="#EFF0EF",
        zero="#FFFFFF",
        negative="#7DB8E3",
        positive="#F29C7E",
        share="#66C6A5",
        accents=("#00639C", "#946000", "#00714F", "#B04600", "#A33F78", "#1A6E9C"),
    ),
    "dark": Theme(
        paper="#14181D",
        panel="#1D232A",
        ink="#E9ECEF",
        quiet="#A3AEB9",
        line="#8A95A0",
        hatch="#4A545E",
        masked="#1A1F25",
        zero="#222931",
        negative="#20608F",
        positive="#94452A",
        share="#136B50",
        accents=("#6DB8F2", "#F0B53C", "#45CB9E", "#FF9159", "#EA9FC8", "#9AD7F7"),
    ),
}


def theme_named(name: str) -> Theme:
    """Return a theme by its name.

    Raises `UserError` for a name other than "light" and "dark".

    >>> theme_named("dark").paper
    '#14181D'
    """
    if name not in THEMES:
        raise UserError(f"there is no theme {name!r}; choose one of {', '.join(map(repr, THEMES))}")
    return THEMES[name]


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colors, from 1 to 21 (WCAG 2.2, "contrast ratio").

    >>> round(contrast("#000000", "#FFFFFF"))
    21
    """
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

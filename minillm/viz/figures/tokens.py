"""Tokens as boxes: one tokenization, several tokenizations of one text, and BPE merges as a tree."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from minillm.errors import UserError
from minillm.viz.figures.style import (
    BLUE,
    INK,
    ORANGE,
    PALETTE,
    QUIET,
    SMALL,
    TINY,
    WIDTH,
    in_style,
    new_figure,
    new_sketch,
    visible,
)

Piece = str | bytes
MOST_LEAVES = 32


@in_style
def token_strip(pieces: Sequence[Piece], ids: Sequence[int] | None = None, per_row: int = 12) -> Figure:
    """Draw tokens as colored boxes in reading order, with their ids below if given.

    Pieces can be bytes, as in `tokenizer.vocab[id]`; incomplete characters are shown in hexadecimal.

    >>> figure = token_strip(["The", " cat"], [464, 3797])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['The', '464', '␣cat', '3797']
    """
    if not pieces:
        raise UserError("token_strip needs at least one token; the text was empty")
    if ids is not None and len(ids) != len(pieces):
        raise UserError(f"{len(pieces)} tokens but {len(ids)} ids; give one id per token, or none")
    shown = [cut_short(p) or "(empty)" for p in pieces]
    widths = [0.35 + 0.12 * max(len(text), len(str(ids[i])) if ids is not None else 0) for i, text in enumerate(shown)]
    places, row_widths = flow(widths, limit=WIDTH, per_row=per_row)
    figure, axes = new_figure(height=0.2 + 0.72 * len(row_widths), width=max(3.0, max(row_widths)))
    for index, ((x, row), width) in enumerate(zip(places, widths, strict=True)):
        colour = PALETTE[index % len(PALETTE)]
        axes.add_patch(Rectangle((x, -row - 0.5), width - 0.06, 0.42, color=colour, alpha=0.28, linewidth=0))
        middle = x + (width - 0.06) / 2
        axes.text(middle, -row - 0.29, shown[index], ha="center", va="center", fontsize=12, family="monospace")
        if ids is not None:
            axes.text(middle, -row - 0.66, str(ids[index]), ha="center", va="center", fontsize=9, color=QUIET)
    axes.set(xlim=(-0.05, max(row_widths)), ylim=(-len(row_widths) + 0.1, 0))
    axes.axis("off")
    return figure


def cut_short(piece: Piece) -> str:
    """Format a token for display, cut to 50 characters."""
    shown = visible(piece) if isinstance(piece, str) else _shown(piece)
    return shown if len(shown) <= 50 else shown[:49] + "…"


def flow(widths: Sequence[float], limit: float, per_row: int) -> tuple[list[tuple[float, int]], list[float]]:
    """Lay out boxes like words in a paragraph: the left edge and row of each, and the width of each row."""
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
def token_strips(rows: Mapping[str, Sequence[Piece]]) -> Figure:
    """Draw several tokenizations of one text as aligned strips, one above the other.

    Pieces can be bytes, as in `tokenizer.vocab[id]`; incomplete characters are shown as hexadecimal bytes. Raises
    `UserError` if the strips are not the same text.

    >>> figure = token_strips({"GPT-2": ["Hel", "lo"], "bytes": list("Hello")})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['GPT-2: 2', 'Hel', 'lo', 'bytes: 5', 'H', 'e', 'l', 'l', 'o']
    """
    cut = {name: [p.encode(errors="replace") if isinstance(p, str) else p for p in row] for name, row in rows.items()}
    texts = {b"".join(row) for row in cut.values()}
    if texts <= {b""}:
        raise UserError("token_strips needs at least one strip, and in it at least one token; the text was empty")
    if len(texts) > 1:
        raise UserError(
            f"token_strips compares one text in several vocabularies, and these strips hold {len(texts)} texts; "
            "give pieces as bytes (tokenizer.vocab[id]) where a token may be part of a character"
        )
    edges = {name: _edges(row) for name, row in cut.items()}
    width = _byte_widths(texts.pop(), set().union(*edges.values()))
    heads = [f"{name}: {len(row)}" for name, row in rows.items()]
    left = 0.2 + 0.085 * max(map(len, heads))
    letter = 0.11  # inches, with the type at 11 points
    lines = _break(width, edges, limit=(WIDTH - left - 0.1) / letter)
    line_height = 0.36 * len(rows) + 0.16
    longest = max(sum(width[start:end]) for start, end in lines)
    height = line_height * len(lines) + 0.02
    figure, axes = new_sketch(left + longest * letter + 0.1, height)
    for number, (start, end) in enumerate(lines):
        for row, (name, pieces) in enumerate(cut.items()):
            y = height - number * line_height - 0.36 * row - 0.4
            if number == 0:
                axes.text(left - 0.1, y + 0.15, heads[row], ha="right", va="center", fontsize=SMALL)
            _strip(axes, pieces, edges[name], width, (start, end), (left, y, letter))
    return figure


def _edges(pieces: Sequence[bytes]) -> list[int]:
    """The end of each piece, in bytes."""
    ends, total = [], 0
    for piece in pieces:
        total += len(piece)
        ends.append(total)
    return ends


def _byte_widths(text: bytes, cuts: set[int]) -> list[float]:
    """The width of each byte in letters; a character that some tokenizer splits is as wide as its bytes in hex."""
    widths: list[float] = []
    for character in text.decode(errors="surrogateescape"):
        count = len(character.encode(errors="surrogateescape"))
        inside = any(len(widths) + step in cuts for step in range(1, count))
        width = max(len(_shown(character.encode(errors="surrogateescape"))), 2 * count if inside else 1)
        widths += [width / count] * count
    return widths


def _break(width: list[float], edges: Mapping[str, list[int]], limit: float) -> list[tuple[int, int]]:
    """Lines of (first byte, last byte + 1), broken where all tokenizations have a boundary if possible."""
    common = set.intersection(*map(set, edges.values()))
    lines, start = [], 0
    while start < len(width):
        end, remaining = start, limit
        while end < len(width) and width[end] <= remaining:
            remaining -= width[end]
            end += 1
        if end < len(width):
            end = max((cut for cut in common if start < cut <= end), default=max(end, start + 1))
        lines.append((start, end))
        start = end
    return lines


def _strip(
    axes: Axes, pieces: Sequence[bytes], ends: Sequence[int], width: list[float], line: tuple[int, int], at: tuple
) -> None:
    """Draw one tokenization's boxes on one line of the text."""
    (start, end), (left, y, letter) = line, at
    for index, (piece, last) in enumerate(zip(pieces, ends, strict=True)):
        first = last - len(piece)
        a, b = max(first, start), min(last, end)
        if a >= b:
            continue
        x, wide = left + letter * sum(width[start:a]), letter * sum(width[a:b])
        colour = PALETTE[index % len(PALETTE)]
        # add_artist, not add_patch, which would recompute the limits of the axes for each box
        axes.add_artist(Rectangle((x + 0.012, y), wide - 0.024, 0.3, color=colour, alpha=0.3, linewidth=0))
        shown = _shown(piece[a - first : b - first])
        axes.text(x + wide / 2, y + 0.14, shown, ha="center", va="center", fontsize=11, family="monospace")


def _shown(piece: bytes) -> str:
    """A piece as text, with the bytes of incomplete characters in hexadecimal."""
    text = piece.decode(errors="surrogateescape")  # keeps an undecodable byte b as the code point U+DC00 + b
    return "".join(f"{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else visible(c) for c in text)


@in_style
def merge_tree(pieces: Sequence[Piece], merges: Sequence[tuple[int, int]]) -> Figure:
    """Draw BPE merges as a tree: bytes at the bottom, and each merge as a box above the pair, with its rank.

    `merges` are (position, rank) in order: the pieces at `position` and `position + 1` become one. A loop that encodes
    a word can record them. Raises `UserError` for an invalid position, and for more than 32 leaves.

    >>> figure = merge_tree([b"l", b"o", b"w"], [(0, 3), (0, 8)])      # l + o first, then lo + w
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['l', 'o', 'w', 'lo', 'rank 3', 'low', 'rank 8']
    """
    if not 0 < len(pieces) <= MOST_LEAVES:
        raise UserError(f"merge_tree draws 1 to {MOST_LEAVES} leaves, and this word has {len(pieces)}; show one word")

    # build the tree
    row = [(p.encode() if isinstance(p, str) else p, i + 0.5, 0) for i, p in enumerate(pieces)]
    nodes: list[tuple] = [(*node, None, ()) for node in row]  # (bytes, x, level, rank, the two below)
    for position, rank in merges:
        if not 0 <= position < len(row) - 1:
            raise UserError(
                f"merge {rank} joins positions {position} and {position + 1}, but there are {len(row)} pieces then"
            )
        a, b = row[position : position + 2]
        joined = (a[0] + b[0], (a[1] + b[1]) / 2, 1 + max(a[2], b[2]))
        nodes.append((*joined, rank, (a, b)))
        row[position : position + 2] = [joined]

    # draw it
    step, rise = min(0.5, (WIDTH - 0.4) / len(pieces)), 0.66
    width = 0.4 + max(step * len(pieces), 0.11 * len(pieces) + 0.5)
    figure, axes = new_sketch(width, 0.55 + rise * max(node[2] for node in nodes))
    start = (width - step * len(pieces)) / 2
    for piece, column, level, rank, below in nodes:
        x, y = start + step * column, 0.28 + rise * level
        for _, other, low in below:
            foot = start + step * other
            axes.plot([x, foot, foot], [y - 0.36, y - 0.36, 0.28 + rise * low + 0.15], color=QUIET, lw=1, zorder=0)
            axes.plot([x, x], [y - 0.16, y - 0.36], color=QUIET, lw=1, zorder=0)
        _node(axes, (x, y), _shown(piece), rank, narrow=step < 0.33)
    return figure


def _node(axes: Axes, at: tuple[float, float], text: str, rank: int | None, narrow: bool) -> None:
    (x, y), note = at, "" if rank is None else f"{rank}" if narrow else f"rank {rank}"
    half = max(0.07 + 0.048 * len(text), 0.032 * len(note) + 0.05 if note else 0)
    low, high = (0.13, 0.13) if rank is None else (0.2, 0.17)
    colour = ORANGE if rank is None else BLUE
    x = min(max(x, half + 0.03), axes.get_xlim()[1] - half - 0.03)  # keep a wide box inside the figure
    box = FancyBboxPatch((x - half, y - low), 2 * half, low + high, boxstyle="round,pad=0,rounding_size=0.05")
    box.set(facecolor=_tint(colour), edgecolor=colour, linewidth=1)
    axes.add_patch(box)
    lift = 0 if rank is None else 0.055
    axes.text(x, y + lift - 0.01, text, ha="center", va="center", fontsize=11, family="monospace", color=INK)
    if note:
        axes.text(x, y - 0.115, note, ha="center", va="center", fontsize=TINY, color=QUIET)


def _tint(colour: str) -> str:
    """Mix a color with five parts of white, for an opaque background on which text is readable."""
    red, green, blue = ((channel + 5) / 6 for channel in to_rgb(colour))
    return to_hex((red, green, blue))

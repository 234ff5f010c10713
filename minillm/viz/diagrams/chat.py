"""Diagrams of SFT: the tokens of a conversation, the targets that the loss counts, and a matrix with a correction."""

import dataclasses
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import COLORS_ONLY, Box, box
from minillm.viz.diagrams.canvas import Area, Diagram, text_width
from minillm.viz.diagrams.flow import arrow, fan, flow
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import BLUE, GREEN, ORANGE
from minillm.viz.figures.style import SMALL, TINY, tensor_of, visible

LINE, LABEL, GAP = 0.3, 0.26, 0.05  # inches: a line of tokens, the name above, between two tokens
MOST_TOKENS, MOST_TARGETS, SHOWN = 120, 40, 8


def chat_tokens(
    rows: Mapping[str, Sequence[str]], marks: Sequence[str], title: str = "", theme: str = "light"
) -> Diagram:
    """Draw the tokens of conversations as boxes: special tokens filled, all others hollow.

    `rows` has the pieces of each conversation by its name, and `marks` the special tokens. A piece that is spelled like
    a mark is one. Raises `UserError` for a row without tokens, and for more than 120 of them.

    >>> drawn = chat_tokens({"yours": ["<end>", "Hi"]}, marks=["<end>"])
    >>> drawn.alt
    'Diagram: Filled: special tokens. yours, 1 special tokens: <end>, Hi.'
    """
    for name, pieces in rows.items():
        if not 0 < len(pieces) <= MOST_TOKENS:
            raise UserError(f"{name} has {len(pieces)} tokens; a diagram holds 1 to {MOST_TOKENS}")
    broken = {name: _broken([visible(piece) for piece in pieces]) for name, pieces in rows.items()}
    high = sum(LABEL + LINE * len(lines) + 0.1 for lines in broken.values())
    wide = max(sum(_wide(piece) for piece in line) for lines in broken.values() for line in lines)
    names = max(text_width(name, SMALL, bold=True) for name in rows)
    page = Page(title or "Filled: special tokens", [], max(wide, names), high, theme)
    canvas, colors, y = page.canvas, page.canvas.theme, page.top
    for name, lines in broken.items():
        canvas.text(page.left, y + LABEL / 2, name, align="left", bold=True)
        y += LABEL
        for line in lines:
            x = page.left
            for piece in line:
                area = Area(x, y + 0.03, x + _wide(piece) - GAP, y + LINE - 0.03)
                special = piece in marks
                face = colors.accent(ORANGE) if special else colors.panel
                canvas.panel(area, face, colors.accent(ORANGE) if special else colors.line, width=1.0, radius=0.04)
                color = colors.paper if special else colors.ink
                canvas.text(area.center, area.middle, piece, TINY, color=color, bold=special)
                x += _wide(piece)
            y += LINE
        y += 0.1
    told = "; ".join(
        f"{name}, {sum(piece in marks for piece in pieces)} special tokens: {', '.join(map(visible, pieces))}"
        for name, pieces in rows.items()
    )
    return page.finish(told)


def _wide(piece: str) -> float:
    return text_width(piece, TINY, bold=True) + 0.12 + GAP


def _broken(pieces: Sequence[str]) -> list[list[str]]:
    """The pieces in lines that fit the page."""
    lines: list[list[str]] = [[]]
    for piece in pieces:
        if lines[-1] and sum(map(_wide, [*lines[-1], piece])) > WIDE:
            lines.append([])
        lines[-1].append(piece)
    return lines


def loss_targets(
    pieces: Sequence[str], masks: Mapping[str, Sequence[bool]], title: str = "", theme: str = "light"
) -> Diagram:
    """Draw what each position reads, which token it predicts, and on which of these targets the loss is taken.

    `pieces` are the tokens of one text. Each mask, by its name, says for each token whether it counts; the first token
    has nothing that predicts it, so its column is missing. Raises `UserError` for masks of another length, and for
    texts of fewer than 2 or more than 40 tokens.

    >>> loss_targets(["a", "b", "c"], {"mask": [False, False, True]}).alt
    'Diagram: Each position predicts the next token; colored targets count. mask counts c.'
    """
    n = len(pieces)
    if not 2 <= n <= MOST_TARGETS or any(len(mask) != n for mask in masks.values()):
        raise UserError(f"{n} tokens and masks of {[len(mask) for mask in masks.values()]}; give 2 to {MOST_TARGETS}")
    shown = [visible(piece) for piece in pieces]
    names = ["reads", "predicts", *masks]
    left = max(text_width(name, TINY, bold=True) for name in names) + 0.12
    cell = min(0.34, (WIDE - left) / (n - 1))
    tall = max(text_width(piece, TINY) for piece in shown) + 0.12
    row, between = 0.27, 0.24
    high = 2 * tall + between + row * len(masks) + 0.12
    page = Page(
        title or "Each position predicts the next token; colored targets count",
        [],
        left + cell * (n - 1),
        high,
        theme,
    )
    canvas, colors = page.canvas, page.canvas.theme
    upper, lower = page.top + tall, page.top + 2 * tall + between
    for name, y in (("reads", upper - 0.12), ("predicts", lower - 0.12)):
        canvas.text(page.left, y, name, TINY, align="left", color=colors.quiet)
    for column in range(n - 1):
        x = page.left + left + cell * (column + 0.5)
        canvas.upright(x, upper - 0.05, shown[column], size=TINY)
        canvas.arrow((x, upper), (x, upper + between - 0.06), color=colors.hatch)
        canvas.upright(x, lower - 0.05, shown[column + 1], size=TINY)
    for place, (name, mask) in enumerate(masks.items()):
        y, role = lower + row * place + 0.06, (GREEN, ORANGE, BLUE)[place % 3]
        canvas.text(page.left, y + row / 2, name, TINY, align="left", bold=True, color=colors.accent(role))
        for column in range(n - 1):
            x = page.left + left + cell * column
            area = Area(x, y + 0.02, x + cell, y + row - 0.02)
            counts = bool(mask[column + 1])
            canvas.panel(area, colors.accent(role) if counts else colors.masked, colors.paper, width=1.0)
    told = "; ".join(
        f"{name} counts {', '.join(piece for piece, counts in zip(shown[1:], mask[1:], strict=True) if counts)}"
        for name, mask in masks.items()
    )
    return page.finish(told)


def low_rank(
    x: Float[Tensor, "T C"],
    W: Float[Tensor, "F C"],
    A: Float[Tensor, "_ C"],
    B: Float[Tensor, "F _"],
    alpha: float,
    words: Sequence[str],
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw the two roads of LoRA: x through the frozen W, and through A and B; their sum is the result.

    Of wide tensors, the first 8 features are drawn; the shapes are those of the whole. Raises `UserError` where there
    is not one word per row of x.

    >>> import torch
    >>> low_rank(torch.ones(1, 3), torch.ones(4, 3), torch.ones(2, 3), torch.zeros(4, 2), 4.0, ["a"]).alt.split(". ")[0]
    'Diagram: LoRA: 12 numbers frozen, 14 learn'
    """
    if len(words) != len(x):
        raise UserError(f"{len(words)} words for {len(x)} rows of x; give one per row")
    x, W, A, B = (tensor_of(part) for part in (x, W, A, B))
    frozen, low = x @ W.T, x @ A.T
    added = alpha / len(A) * (low @ B.T)

    def features(name: str, table: Tensor, axes: str, accent: int | None = None) -> Box:
        rows = words if name == "x" else ()
        drawn = box(name, table[:, :SHOWN], axes, rows=rows, accent=accent, digits=COLORS_ONLY)
        return dataclasses.replace(drawn, sizes=tuple(table.shape))

    parts = [
        features("x", x, "T C_in"),
        fan(
            [arrow("@ Wᵀ", "frozen"), features("as before", frozen, "T C_out")],
            [
                arrow("@ Aᵀ", "learns"),
                features("low", low, "T r", ORANGE),
                arrow(f"@ Bᵀ × {alpha / len(A):g}", "learns"),
                features("correction", added, "T C_out", ORANGE),
            ],
        ),
        arrow("add"),
        features("result", frozen + added, "T C_out", GREEN),
    ]
    told = f"LoRA: {W.numel():,} numbers frozen, {A.numel() + B.numel():,} learn"
    return flow(parts, title or told, theme=theme)

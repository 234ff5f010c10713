"""Diagrams of many heads: cut and joined again, and with shared keys."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import COLORS_ONLY, MOST_WRITTEN, Box, box, shape_text
from minillm.viz.diagrams.canvas import Area, Diagram, caption_width, text_width
from minillm.viz.diagrams.page import TALL, WIDE, Page
from minillm.viz.diagrams.parts import Row, Sign, tensors
from minillm.viz.figures.style import TINY, tensor_of

MOST_HEADS = 16
DRAWN = 4  # heads; of more, the first three and the last are drawn
STEP, JOIN = 0.36, 0.46  # inches between two levels, for the strokes that connect them
PILL = 0.24  # inches, the height of the box of an operation


def heads(
    projected: Float[Tensor, "T HD"],
    outputs: Float[Tensor, "H T D"],
    words: Sequence[str],
    name: str = "value",
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw a projection that is cut into heads, and their outputs joined again.

    `projected` is x W, all heads side by side; `name` says which projection, by default the values, whose rows
    attention mixes. Of more than four heads, the first three and the last are drawn. Raises `UserError` for shapes that
    do not fit.

    >>> import torch
    >>> heads(torch.ones(2, 6), torch.ones(3, 2, 2), ["The", "bank"]).alt.partition(". ")[2]
    'value (T × H·D = 2 × 6) is cut into 3 heads (T × D = 2 × 2); each attends, and the 3 outputs are joined again.'
    """
    whole, parts = tensor_of(projected), tensor_of(outputs)
    if whole.dim() != 2 or parts.dim() != 3 or whole.shape != (parts.shape[1], parts[:, 0].numel()):
        raise UserError(
            f"projected has shape {tuple(whole.shape)} and outputs {tuple(parts.shape)}; give (T, H·D) and (H, T, D)"
        )
    H, _, D = parts.shape
    drawn = list(range(H)) if H <= DRAWN else [*range(DRAWN - 1), H - 1]
    bands = [drawn.index(head) if head in drawn else None for head in range(H)]
    above = box(name, whole, "T H·D", rows=words, bands=bands)
    below = box("joined", parts.transpose(0, 1).flatten(1), "T H·D", rows=words, bands=bands)
    cut = whole.unflatten(1, (H, D)).transpose(0, 1)
    middle = [box(f"head {head}", cut[head], "T D", accent=index) for index, head in enumerate(drawn)]
    levels: list[Row] = []
    for digits in (2, 1, COLORS_ONLY) if whole.shape[1] <= MOST_WRITTEN else (COLORS_ONLY,):
        written = above.with_digits(digits).digits  # the heads hold the same numbers
        same = [dataclasses.replace(part, digits=written) for part in (above, *middle)]
        first, *some, last = (_compact(part, len(drawn)) for part in (*same, below.with_digits(digits)))
        dots = [Sign("…")] if H > DRAWN else []
        levels = [Row((first,)), Row((*some[:-1], *dots, some[-1]), 0.3), Row((last,))]
        if max(_half(level) for level in levels) <= WIDE / 2 and _high(levels) <= TALL:
            break
    told = f"{above.told} is cut into {H} heads ({middle[0].shape}); each attends, and the {H} outputs are joined again"
    return _cut_and_join(levels, drawn, H, title or f"The projection is cut into {H} heads, not the input", theme, told)


def _compact(part: Box, drawn: int) -> Box:
    """A box with nothing below its cells, and narrow enough for its row."""
    return dataclasses.replace(part, shape_at="above", widest=4.5 if part.bands else min(2.0, 6.0 / drawn - 0.3))


def _half(level: Row) -> float:
    """Half of the width that a level needs if its cells are centered."""
    extra = sum(part.sides()[0] - part.sides()[1] for part in tensors(level)[:1] if len(level.parts) == 1)
    return (level.extent().width + max(extra, 0.0)) / 2


def _high(levels: Sequence[Row]) -> float:
    return sum(level.extent().above + level.extent().below for level in levels) + 2 * STEP + PILL + JOIN


def _cut_and_join(levels: Sequence[Row], drawn: Sequence[int], H: int, title: str, theme: str, told: str) -> Diagram:
    """Draw the levels from top to bottom, and the strokes between them."""
    half = max(_half(level) for level in levels)
    page = Page(title, tensors(*levels), 2 * half, _high(levels), theme)
    canvas, center, (whole, cut, joined) = page.canvas, page.left + half, levels
    colors = [canvas.theme.accent(index) for index in range(len(drawn))]
    # the projection
    [area] = whole.draw(canvas, center - _half(whole), page.top + whole.extent().above)
    starts, y = _bands(area, drawn, H), area.bottom + STEP
    # its heads, and the attention of each
    drawn_areas = cut.draw(canvas, center - cut.extent().width / 2, y + cut.extent().above)
    heads_areas = [head for head in drawn_areas if head is not None]  # a sign has no area
    beside = min(starts[0], heads_areas[0].center) - 0.15
    canvas.text(beside, y - STEP / 2, "cut", color=canvas.theme.quiet, align="right")
    for x, head, color in zip(starts, heads_areas, colors, strict=True):
        canvas.curve((x, area.bottom + 0.05), (head.center, y - 0.01), color)
        top, wide = head.bottom + STEP, text_width("attention", TINY) / 2 + 0.1
        canvas.arrow((head.center, head.bottom + 0.05), (head.center, top - 0.01), color=color)
        pill = Area(head.center - wide, top, head.center + wide, top + PILL)
        canvas.panel(pill, canvas.theme.panel, color, radius=0.08)
        canvas.text(pill.center, pill.middle, "attention", size=TINY)
    # the outputs, joined
    y = pill.bottom + JOIN
    canvas.text(beside, y - JOIN / 2, "join", color=canvas.theme.quiet, align="right")
    [area] = joined.draw(canvas, center - _half(joined), y + joined.extent().above)
    for x, head, color in zip(_bands(area, drawn, H), heads_areas, colors, strict=True):
        canvas.curve((head.center, pill.bottom + 0.03), (x, y - 0.01), color)
    return page.finish(told)


def _bands(area: Area, drawn: Sequence[int], H: int) -> list[float]:
    """The centers of the drawn heads in a box that holds all H."""
    return [area.left + (area.right - area.left) * (head + 0.5) / H for head in drawn]


def shared_keys(
    query: Float[Tensor, "H T D"], key: Float[Tensor, "K S D"], title: str = "", theme: str = "light"
) -> Diagram:
    """Draw which query heads share which key/value head.

    That is grouped-query attention (Ainslie et al. 2023). Query head h reads key/value head h // (H / K). Raises
    `UserError` for shapes that do not fit, for H that is not a multiple of K and for more than 16 query heads.

    >>> import torch
    >>> shared_keys(torch.ones(4, 3, 2), torch.ones(2, 3, 2)).alt.partition(". ")[2]
    'Query heads 0, 1 read key/value head 0; query heads 2, 3 read key/value head 1.'
    """
    query, key = tensor_of(query), tensor_of(key)
    if query.dim() != 3 or key.dim() != 3 or query.shape[2] != key.shape[2]:
        raise UserError(f"query has shape {tuple(query.shape)}, key {tuple(key.shape)}; give (H, T, D) and (K, S, D)")
    H, K = len(query), len(key)
    if H % K or H > MOST_HEADS:
        raise UserError(f"{H} query heads and {K} key/value heads; H must be a multiple of K, and at most {MOST_HEADS}")
    group = H // K
    notes = [shape_text(("H", "T", "D"), query.shape), shape_text(("K", "S", "D"), key.shape)]
    label = max(text_width("key/value heads", bold=True), caption_width(notes)) + 0.2
    room = min(0.9, (WIDE - label) / H)  # inches per query head
    plain: dict[str, Any] = dict(digits=COLORS_ONLY)
    asking = [_bare(box(str(h), part, "T D", accent=h // group, **plain), room - 0.14) for h, part in enumerate(query)]
    shared = [
        _bare(box(str(k), part, "S D", accent=k, **plain), min(0.9, room * group - 0.2)) for k, part in enumerate(key)
    ]
    upper, lower = asking[0].extent(), shared[0].extent()
    gap = 0.55
    high = upper.above + upper.below + gap + lower.above + lower.below
    title = title or _sharing(H, K)
    page = Page(title, [*asking, *shared], label + room * H, high, theme)
    canvas, left = page.canvas, page.left + label
    first, second = page.top + upper.above, page.bottom - lower.below
    tops = {}
    for k, part in enumerate(shared):
        center = left + room * group * (k + 0.5)
        area = part.draw(canvas, center - part.extent().width / 2, second)
        tops[k] = (center, second - lower.above - 0.01)
    for h, part in enumerate(asking):
        center = left + room * (h + 0.5)
        area = part.draw(canvas, center - part.extent().width / 2, first)
        canvas.curve((center, area.bottom + 0.05), tops[h // group], canvas.theme.accent(h // group))
    for y, text, note in ((first, "query heads", notes[0]), (second, "key/value heads", notes[1])):
        canvas.text(page.left, y - 0.09, text, align="left", bold=True)
        canvas.text(page.left, y + 0.09, note, size=TINY, align="left", color=canvas.theme.quiet)
    told = "; ".join(f"query heads {_listed(k, group)} read key/value head {k}" for k in range(K))
    return page.finish(told[0].upper() + told[1:])


def _bare(part: Box, widest: float) -> Box:
    return dataclasses.replace(part, shape_at="nowhere", widest=widest)


def _listed(k: int, group: int) -> str:
    return ", ".join(str(h) for h in range(k * group, (k + 1) * group))


def _sharing(H: int, K: int) -> str:
    if H == K:
        return f"Multi-head attention: each of {H} query heads has keys and values of its own"
    if K == 1:
        return f"Multi-query attention: {H} query heads share one key/value head"
    return f"Grouped-query attention: {H // K} query heads share each key/value head"

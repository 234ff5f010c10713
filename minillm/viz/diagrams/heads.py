"""Diagrams of many heads: cut and joined again, and with shared keys."""

import dataclasses
from collections.abc import Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import COLORS_ONLY, box, shape_text
from minillm.viz.diagrams.canvas import Area, Canvas, Diagram, caption_width, text_width
from minillm.viz.diagrams.page import TALL, WIDE, Page
from minillm.viz.diagrams.parts import Row, one_scale
from minillm.viz.figures.style import TINY, tensor_of

MOST_HEADS = 16  # of shared keys
DRAWN = 4  # heads that are cut
STEP, JOIN = 0.5, 0.3  # inches between two levels, for the strokes that connect them
SHARED = 0.6  # inches between query heads and key/value heads
PILL = 0.26  # inches, the height of the box of an operation


def heads(
    projections: Mapping[str, Float[Tensor, "T HD"]],
    joined: Float[Tensor, "T HD"],
    H: int,
    words: Sequence[str],
    names: Sequence[Sequence[str]] = (),
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw projections that are cut into H heads, and what the heads read, side by side again.

    `projections` are x W by name ("query", "key", "value"), all heads side by side; `joined` is what the H heads
    return, side by side. `names` are those of the columns of each projection, of one head or of all; the last ones are
    those of `joined`, too. Raises `UserError` for shapes that do not fit and for more than four heads.

    >>> import torch
    >>> heads({"query": torch.ones(2, 6)}, torch.ones(2, 6), 3, ["The", "bank"]).alt.partition(". ")[2]
    'query (T × H·D = 2 × 6) is cut into 3 heads; each attends, and joined (T × H·D = 2 × 6) holds what they return.'
    """
    tensors_by_name = {**projections, "joined": joined}
    given = {name: tensor_of(tensor) for name, tensor in tensors_by_name.items()}
    if len({tuple(tensor.shape) for tensor in given.values()}) > 1 or joined.dim() != 2 or joined.shape[1] % H:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in given.items())
        raise UserError(f"{shapes}, and {H} heads; give all of them as (T, H·D)")
    if H > DRAWN:
        raise UserError(f"{H} heads; at most {DRAWN} can be told apart in this drawing")
    labels = [*names, names[-1]] if names else [()] * len(given)
    scaled = one_scale(
        *(
            box(name, tensor, "T H·D", words, _all_heads(columns, tensor.shape[1]), bands=range(H))
            for (name, tensor), columns in zip(given.items(), labels, strict=True)
        )
    )
    above, below = Row(()), Row(())
    for digits in (2, 1, COLORS_ONLY):
        boxes = [dataclasses.replace(part.with_digits(digits), shape_at="above", widest=1.8) for part in scaled]
        first, *others = boxes[:-1]  # side by side, so the words of the first are those of all
        above = Row((first, *(dataclasses.replace(part, rows=()) for part in others)), 0.3)
        below = Row((boxes[-1],))
        if _room(above, below)[0] <= WIDE and _room(above, below)[1] <= TALL:
            break
    page = Page(title or f"{H} heads: cut the projections, not the input", scaled, *_room(above, below), theme)
    _strokes(page, above, below, H)
    *listed, last = (part.told for part in scaled)
    are = "is" if len(listed) == 1 else "are"
    return page.finish(f"{', '.join(listed)} {are} cut into {H} heads; each attends, and {last} holds what they return")


def _all_heads(names: Sequence[str], wide: int) -> list[str]:
    """The names of all columns, those of one head repeated for each."""
    return list(names) * (wide // len(names)) if names else []


def _room(above: Row, below: Row) -> tuple[float, float]:
    """The width and height of two rows and what connects them."""
    first, last = above.extent(), below.extent()
    high = first.above + first.below + STEP + PILL + JOIN + last.above + last.below
    return max(first.width, last.width), high


def _strokes(page: Page, above: Row, below: Row, H: int) -> None:
    """Draw both rows, a box of attention for each head between them, and the strokes from and to its columns."""
    canvas, wide = page.canvas, page.right - page.left
    colors = [canvas.theme.accent(head) for head in range(H)]
    areas = above.draw(canvas, page.left + (wide - above.extent().width) / 2, page.top + above.extent().above)
    top = page.top + above.extent().above + above.extent().below + STEP
    [joined] = below.draw(
        canvas, page.left + (wide - below.extent().width) / 2, top + PILL + JOIN + below.extent().above
    )
    for head, (x, color) in enumerate(zip(_bands(joined, H), colors, strict=True)):
        center = page.left + wide * (head + 0.5) / H
        text = f"attention of head {head}" if H < DRAWN else f"head {head}"
        half = text_width(text, TINY) / 2 + 0.1
        for area in areas:
            canvas.curve((_bands(area, H)[head], area.bottom + 0.04), (center, top - 0.01), color)
        pill = Area(center - half, top, center + half, top + PILL)
        canvas.panel(pill, canvas.theme.panel, color, radius=0.08)
        canvas.text(pill.center, pill.middle, text, size=TINY)
        canvas.curve((center, pill.bottom + 0.03), (x, top + PILL + JOIN), color)


def _bands(area: Area, H: int) -> list[float]:
    """The centers of the columns of each head."""
    return [area.left + (area.right - area.left) * (head + 0.5) / H for head in range(H)]


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
    notes = [shape_text(("H", "T", "D"), query.shape), shape_text(("K", "S", "D"), key.shape)]
    label = max(text_width("key/value heads", bold=True), caption_width(notes)) + 0.25
    room = min(0.7, (WIDE - label) / H)  # inches per query head
    page = Page(title or _sharing(H, K), [], label + room * H, 2 * PILL + SHARED, theme)
    canvas, left = page.canvas, page.left + label
    half, lower = min(0.22, room / 2 - 0.04), page.bottom - PILL
    for k in range(K):
        color, center = canvas.theme.accent(k), left + room * H / K * (k + 0.5)
        for h in range(k * H // K, (k + 1) * H // K):
            x = left + room * (h + 0.5)
            canvas.curve((x, page.top + PILL), (center, lower - 0.02), color)
            _pill(canvas, Area(x - half, page.top, x + half, page.top + PILL), str(h), color)
        _pill(canvas, Area(center - 2 * half, lower, center + 2 * half, page.bottom), str(k), color)
    for y, text, note in ((page.top, "query heads", notes[0]), (lower, "key/value heads", notes[1])):
        canvas.text(page.left, y + PILL / 2 - 0.09, text, align="left", bold=True)
        canvas.text(page.left, y + PILL / 2 + 0.09, note, size=TINY, align="left", color=canvas.theme.quiet)
    told = "; ".join(f"query heads {_listed(k, H // K)} read key/value head {k}" for k in range(K))
    return page.finish(told[0].upper() + told[1:])


def _pill(canvas: Canvas, area: Area, text: str, color: str) -> None:
    canvas.panel(area, canvas.theme.panel, color, radius=0.08)
    canvas.text(area.center, area.middle, text)


def _listed(k: int, group: int) -> str:
    return ", ".join(str(h) for h in range(k * group, (k + 1) * group))


def _sharing(H: int, K: int) -> str:
    if H == K:
        return f"Multi-head attention: each of {H} query heads has keys and values of its own"
    if K == 1:
        return f"Multi-query attention: {H} query heads share one key/value head"
    return f"Grouped-query attention: {H // K} query heads share each key/value head"

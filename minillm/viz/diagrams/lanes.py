"""A diagram of machines that work side by side: what each computes, what it sends, and what it keeps in memory."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.patches import Polygon, Rectangle

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import MARGIN, Diagram, text_width
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import BLUE, GREEN, ORANGE, PURPLE
from minillm.viz.figures.style import SMALL, TINY

WORK, SENDING, MEMORY, GAP, KEY, AXIS = 0.28, 0.09, 0.34, 0.16, 0.3, 0.34  # inches
COLORS = {"forward": BLUE, "backward": GREEN, "step": ORANGE}  # what a machine computes
TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)  # distances between ticks


class Lane(NamedTuple):
    """One machine: (start, end, kind, text) of its work, (start, end) of its sending, and its memory over time."""

    work: Sequence[tuple[float, float, str, str]]  # kind is forward, backward or step
    sending: Sequence[tuple[float, float]]
    times: Sequence[float]
    memory: Sequence[float]  # from each of the times on


def lanes(machines: Mapping[str, Lane], title: str = "", theme: str = "light") -> Diagram:
    """Draw a row per machine over one axis of time; below its work stand its sending and its memory with the peak.

    Raises `UserError` without machines or work, and for a kind of work that it doesn't know.

    >>> lanes({"0": Lane([(0, 1, "forward", "0"), (1, 3, "backward", "0")], [], [0, 1], [2, 3.5])}).alt
    'Diagram: All done at 3.0; the largest memory is 3.5. 0: computes 3.0 of 3.0, peak memory 3.5.'
    """
    ends = [each[1] for lane in machines.values() for each in (*lane.work, *lane.sending)]
    if not ends:
        raise UserError("there is no work to draw; give each machine what it does")
    for kind in {kind for lane in machines.values() for *_, kind, _ in lane.work}:
        if kind not in COLORS:
            raise UserError(f"there is no color for {kind!r}; kinds of work are {', '.join(COLORS)}")
    last, highest = max(ends), max([1e-9, *(held for lane in machines.values() for held in lane.memory)])
    row = WORK + SENDING + MEMORY + GAP
    title = title or f"All done at {last:.1f}; the largest memory is {highest:.1f}"
    page = Page(title, [], WIDE, KEY + row * len(machines) + AXIS, theme)
    left = page.left + max(max(map(text_width, machines)), text_width("memory", TINY)) + 0.12
    right = page.right - text_width("000.0", TINY) - 0.1
    scale = (right - left) / last
    _key(page, left)
    for index, (name, lane) in enumerate(machines.items()):
        _draw(page, name, lane, page.top + KEY + row * index, left, scale, last, highest)
    _axis(page, left, scale, last)
    told = [
        f"{name}: computes {sum(end - start for start, end, *_ in lane.work):.1f} of {last:.1f}, "
        f"peak memory {max(lane.memory, default=0.0):.1f}"
        for name, lane in machines.items()
    ]
    return page.finish("; ".join(told))


def _draw(
    page: Page, name: str, lane: Lane, top: float, left: float, scale: float, last: float, highest: float
) -> None:
    canvas, colors = page.canvas, page.canvas.theme

    def filled(start: float, end: float, above: float, high: float, face: str, edge: str = "none") -> None:
        patch = Rectangle((left + scale * start, above), scale * (end - start), high, facecolor=face, edgecolor=edge,
                          linewidth=0.5, zorder=canvas.above())  # fmt: skip
        canvas.axes.add_patch(patch)

    canvas.text(page.left, top + WORK / 2, name, align="left")
    filled(0, last, top, WORK, colors.masked)  # the background shows the waiting time
    for start, end, kind, text in lane.work:
        filled(start, end, top, WORK, colors.accent(COLORS[kind]), colors.paper)
        if text_width(text, TINY) + 0.04 < scale * (end - start):
            canvas.text(left + scale * (start + end) / 2, top + WORK / 2, text, size=TINY, color=colors.paper)
    for start, end in lane.sending:
        filled(start, end, top + WORK + 0.02, SENDING - 0.02, colors.accent(PURPLE))
    floor = top + WORK + SENDING + MEMORY
    canvas.text(page.left, floor - MEMORY / 2, "memory", size=TINY, align="left", color=colors.quiet)
    points = [(0.0, 0.0)]
    for time, until, held in zip(lane.times, [*lane.times[1:], last], lane.memory, strict=True):
        points += [(time, held), (until, held)]
    points.append((last, 0.0))
    outline = [(left + scale * time, floor - (MEMORY - 0.04) * held / highest) for time, held in points]
    canvas.axes.add_patch(Polygon(outline, facecolor=colors.share, edgecolor="none", zorder=canvas.above()))
    most = f"{max(lane.memory, default=0.0):.1f}"
    canvas.text(page.right, floor - MEMORY / 2, most, size=TINY, align="right", color=colors.quiet)


def _key(page: Page, left: float) -> None:
    canvas, colors, x = page.canvas, page.canvas.theme, left
    entries = [(kind, colors.accent(color)) for kind, color in COLORS.items()]
    entries += [("waiting", colors.masked), ("sending", colors.accent(PURPLE)), ("memory, with its peak", colors.share)]
    for text, color in entries:
        swatch = Rectangle((x, page.top + 0.04), 0.2, 0.12, facecolor=color, edgecolor=colors.hatch, linewidth=0.5)
        swatch.set_zorder(canvas.above())
        canvas.axes.add_patch(swatch)
        canvas.text(x + 0.27, page.top + 0.1, text, size=TINY, align="left", color=colors.quiet)
        x += 0.27 + text_width(text, TINY) + 0.22


def _axis(page: Page, left: float, scale: float, last: float) -> None:
    canvas, colors = page.canvas, page.canvas.theme
    y, most = page.bottom - AXIS + 0.04, 9
    distance = next((each for each in TICKS if last / each <= most), last)
    canvas.line((left, y), (left + scale * last, y), color=colors.line, width=0.8)
    ticks = [distance * n for n in range(int(last / distance + 1e-9) + 1)]
    for tick in ticks:
        x = left + scale * tick
        canvas.line((x, y), (x, y + 0.05), color=colors.line, width=0.8)
        canvas.text(x, y + 0.14, f"{tick:g}", size=TINY, color=colors.quiet)
    canvas.text(page.left, y + 0.14, "time", size=SMALL, align="left", color=colors.quiet)
    assert page.right <= WIDE + MARGIN + 1e-6

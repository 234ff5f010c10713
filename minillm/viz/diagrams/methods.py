"""A diagram of three methods that learn from preferences, side by side: what each holds, and which parts learn."""

from collections.abc import Mapping
from typing import NamedTuple

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Diagram, text_width
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import BLUE, GREEN, ORANGE
from minillm.viz.figures.style import SMALL, TINY

HEAD, ROW, GAP, BETWEEN, LANE = 0.3, 0.5, 0.2, 0.3, 0.32  # inches
MODELS = ("policy", "reference", "reward model", "value")


class Part(NamedTuple):
    """A box: its name, a line about it, and whether it learns, is frozen, or is not a model."""

    name: str
    note: str
    role: str  # "learns", "frozen", or "" for data


ROWS: dict[str, tuple[Part | None, ...]] = {
    "PPO": (
        Part("prompts", "answered anew in each round", ""),
        Part("policy", "samples answers", "learns"),
        Part("reference", "KL penalty, inside the reward", "frozen"),
        Part("reward model", "scores every answer", "frozen"),
        Part("value", "predicts the score: a baseline", "learns"),
        Part("advantage", "one per token", ""),
        Part("loss", "clipped ratio × advantage", ""),
    ),
    "DPO": (
        Part("prompts, each with a pair", "labeled ahead, never sampled", ""),
        Part("policy", "scores both answers", "learns"),
        Part("reference", "scores both, once", "frozen"),
        None,
        None,
        Part("difference of rewards", "one per pair", ""),
        Part("loss", "-log sigmoid(difference)", ""),
    ),
    "GRPO": (
        Part("prompts", "answered anew in each round", ""),
        Part("policy", "samples G answers per prompt", "learns"),
        Part("reference", "KL term of the loss, if beta > 0", "frozen"),
        Part("reward model", "scores them (or a verifier does)", "frozen"),
        Part("mean of the group", "a baseline without a model", ""),
        Part("advantage", "one per answer", ""),
        Part("loss", "clipped ratio × advantage", ""),
    ),
}


def preference_methods(weights: Mapping[str, int], title: str = "", theme: str = "light") -> Diagram:
    """Draw PPO, DPO and GRPO as three columns over the same boxes, with the weights of each model.

    `weights` has the number of weights of the policy, the reference, the reward model and the value, as they are in
    memory. Raises `UserError` if one is missing.

    >>> sizes = {"policy": 1_400_000, "reference": 1_400_000, "reward model": 1_400_000, "value": 129}
    >>> preference_methods(sizes).alt.partition(". ")[0]
    'Diagram: DPO holds two models, GRPO three, and PPO also learns a value'
    """
    if missing := [name for name in MODELS if name not in weights]:
        raise UserError(f"weights has no {missing[0]!r}; give those of {', '.join(MODELS)}")
    rows = len(ROWS["PPO"])
    high = HEAD + rows * ROW + (rows - 1) * GAP
    page = Page(title or "DPO holds two models, GRPO three, and PPO also learns a value", [], WIDE, high, theme)
    canvas, colors = page.canvas, page.canvas.theme
    column = (WIDE - 2 * BETWEEN) / 3
    for at, (method, parts) in enumerate(ROWS.items()):
        left = page.left + at * (column + BETWEEN)
        canvas.text(left + column / 2, page.top + HEAD / 2 - 0.03, method, bold=True, color=colors.accent(BLUE))
        above: Area | None = None
        for row, part in enumerate(parts):
            top = page.top + HEAD + row * (ROW + GAP)
            area = Area(left, top, left + column, top + ROW)
            if part is None:
                absent = Area(left + LANE, top, area.right, area.bottom)
                canvas.panel(absent, edge=colors.hatch, width=0.8, radius=0.05)
                canvas.text(absent.center, absent.middle, "not needed", TINY, color=colors.quiet)
                continue
            if above is not None:
                skipped = area.top - above.bottom > 2 * GAP
                x = left + LANE / 2 if skipped else area.center
                canvas.arrow((x, above.bottom), (x, area.top), color=colors.line)
            _draw(page, area, part, weights)
            above = area
    told = "; ".join(
        f"{method}: " + ", ".join(f"{part.name} ({part.role or part.note})" for part in parts if part)
        for method, parts in ROWS.items()
    )
    return page.finish(told)


def _draw(page: Page, area: Area, part: Part, weights: Mapping[str, int]) -> None:
    canvas, colors = page.canvas, page.canvas.theme
    accent = {"learns": colors.accent(GREEN), "frozen": colors.accent(ORANGE)}.get(part.role, colors.line)
    canvas.panel(
        area, colors.panel if part.role else colors.paper, accent, width=1.4 if part.role else 0.9, radius=0.05
    )
    x, upper, lower = area.left + 0.1, area.top + 0.16, area.bottom - 0.14
    canvas.text(x, upper, part.name, SMALL, align="left", bold=True)
    canvas.text(x, lower, part.note, TINY, align="left", color=colors.quiet)
    if part.role:
        said = f"{part.role}, {_short(weights[part.name])}"
        assert text_width(part.name, SMALL, bold=True) + text_width(said, TINY) + 0.3 < area.right - area.left
        canvas.text(area.right - 0.1, upper, said, TINY, align="right", color=accent)


def _short(count: int) -> str:
    """A number of weights.

    >>> _short(1_376_512), _short(129)
    ('1.4M', '129')
    """
    return f"{count / 1e6:.1f}M" if count >= 1e5 else f"{count:,}"

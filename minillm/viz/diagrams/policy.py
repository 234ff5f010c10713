"""Diagrams of PPO: the models of one round and what passes between them, and one answer token by token."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.colors import to_hex

from minillm.errors import UserError
from minillm.viz.diagrams.canvas import Area, Canvas, Diagram, text_width
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.theme import BLUE, GREEN, ORANGE, PURPLE
from minillm.viz.figures.style import SMALL, TINY, numbers, visible
from minillm.viz.figures.tensors import number_text

LINE = 0.19  # inches, a line of a box
MOST_TOKENS = 40
COLUMNS = (0.0, 2.25, 4.5, 6.55)  # inches, the left edges
BOX = (1.75, 1.75, 1.75, 1.7)  # inches, the widths
HIGH, BETWEEN, BACK = 0.72, 0.3, 0.36


def ppo_round(
    questions: int, answers: int, tokens: int, updates: int, title: str = "", theme: str = "light"
) -> Diagram:
    """Draw the four models of PPO and what passes between them in one round.

    `answers` is the number of sampled answers B, `tokens` the length T of the longest one, and `updates` how many
    updates they're used for. Raises `UserError` for numbers below 1, and for fewer answers than questions.

    >>> ppo_round(16, 64, 20, 4).alt.split(". ")[0]
    'Diagram: One round of PPO: four models, and two of them learn'
    """
    if min(questions, answers, tokens, updates) < 1 or answers < questions:
        raise UserError(
            f"{questions} questions, {answers} answers, {tokens} tokens and {updates} updates; each at least 1, "
            "with no fewer answers than questions"
        )
    rows = 3 * HIGH + 2 * BETWEEN
    page = Page(
        title or "One round of PPO: four models, and two of them learn", [], COLUMNS[-1] + BOX[-1], rows + BACK, theme
    )
    canvas, colors = page.canvas, page.canvas.theme
    shape = f"({answers}, {tokens})"

    def put(column: int, row: float, name: str, lines: Sequence[str], accent: int | None = None) -> Area:
        left, top = page.left + COLUMNS[column], page.top + row * (HIGH + BETWEEN)
        area = Area(left, top, left + BOX[column], top + HIGH)
        edge = colors.line if accent is None else colors.accent(accent)
        canvas.panel(area, colors.panel, edge, width=1.0 if accent is None else 2.0, radius=0.06)
        first = area.middle - LINE * len(lines) / 2
        canvas.text(area.center, first, name, bold=True, color=colors.ink if accent is None else edge)
        for index, line in enumerate(lines, start=1):
            canvas.text(area.center, first + LINE * index, line, size=TINY, color=colors.quiet)
        return area

    asked = put(0, 0, "questions", (f"{questions} per round",))
    policy = put(0, 1, "policy π_θ", ("learns", "samples the answers"), ORANGE)
    said = put(1, 1, "answers", (f"{answers}, up to {tokens} tokens", f"log p: {shape}"))
    judge = put(2, 0, "reward model", ("frozen", f"a score per answer: ({answers},)"), BLUE)
    reference = put(2, 1, "reference π_ref", ("frozen", f"log p_ref: {shape}"), BLUE)
    value = put(2, 2, "value head V", ("learns", f"expected return: {shape}"), ORANGE)
    rewards = put(3, 0.5, "token_rewards", ("score, KL penalty", shape), GREEN)
    credit = put(3, 1.5, "gae", ("advantages Â", shape), GREEN)
    loss = put(1, 2, "ppo_loss", ("ratio p / p_old, clipped", "one number"), GREEN)
    canvas.arrow((asked.center, asked.bottom + 0.03), (asked.center, policy.top - 0.03))
    canvas.arrow((policy.right + 0.03, policy.middle), (said.left - 0.03, said.middle))
    for area in (judge, reference, value):
        canvas.curve((said.right + 0.03, said.middle), (area.left - 0.03, area.middle), across=True)
    for area in (judge, reference):
        canvas.curve((area.right + 0.03, area.middle), (rewards.left - 0.03, rewards.middle), across=True)
    canvas.curve((value.right + 0.03, value.middle), (credit.left - 0.03, credit.middle), across=True)
    canvas.arrow((rewards.center, rewards.bottom + 0.02), (credit.center, credit.top - 0.02))
    _back(canvas, credit, loss, policy, value.bottom + 0.24, f"{updates} updates on the same answers, then new ones")
    told = (
        f"The policy samples {answers} answers to {questions} questions. A frozen reward model scores each; a frozen "
        "reference gives the log-probability of each token, and a value head the expected return. token_rewards and "
        f"gae make an advantage per token of these, and ppo_loss updates policy and value head {updates} times"
    )
    return page.finish(told)


def _back(canvas: Canvas, credit: Area, loss: Area, policy: Area, below: float, text: str) -> None:
    """The strokes from the advantages to the loss, below the value head, and from the loss to the policy."""
    colors = canvas.theme
    right = loss.right - 0.3
    canvas.arrow(
        (credit.center, credit.bottom + 0.03), (credit.center, below), (right, below), (right, loss.bottom + 0.03)
    )
    level = loss.middle
    canvas.arrow(
        (loss.left - 0.03, level), (policy.center, level), (policy.center, policy.bottom + 0.03),
        color=colors.accent(ORANGE),
    )  # fmt: skip
    left = policy.left
    canvas.text(left, loss.bottom + 0.14, text, size=TINY, align="left", color=colors.quiet)


def token_credit(
    tokens: Sequence[str], rows: Mapping[str, Sequence[float] | Any], title: str = "", theme: str = "light"
) -> Diagram:
    """Draw the tokens of one answer and, below each, one number per row: its reward, its value, its advantage.

    Each row is colored by its own largest number. Raises `UserError` for rows of another length, and for no token or
    more than 40.

    >>> token_credit(["Of", " course"], {"reward": [0.0, 2.0]}).alt
    'Diagram: One answer, token by token. reward: Of 0.00, course 2.00.'
    """
    table = {name: numbers(values, name) for name, values in rows.items()}
    if not 1 <= len(tokens) <= MOST_TOKENS or any(len(values) != len(tokens) for values in table.values()):
        sizes = [len(values) for values in table.values()]
        raise UserError(f"{len(tokens)} tokens and rows of {sizes}; give one number per token, for 1 to {MOST_TOKENS}")
    shown = [visible(token).replace("␣", " ").strip() or visible(token) for token in tokens]
    left = max(text_width(name, SMALL) for name in table) + 0.16
    cells = [
        max(text_width(shown[at], TINY, bold=True), *(text_width(number_text(v[at], 2), TINY) for v in table.values()))
        + 0.14
        for at in range(len(tokens))
    ]
    lines: list[list[int]] = [[]]
    for at, cell in enumerate(cells):
        if lines[-1] and left + cell + sum(cells[i] for i in lines[-1]) > WIDE:
            lines.append([])
        lines[-1].append(at)
    high = 0.3
    block = high * (1 + len(table)) + 0.16
    wide = left + max(sum(cells[at] for at in line) for line in lines)
    page = Page(title or "One answer, token by token", [], wide, block * len(lines), theme)
    canvas, scale = page.canvas, page.canvas.theme.scale(signed=True)
    largest = {name: max(1e-9, *map(abs, values)) for name, values in table.items()}
    for number, line in enumerate(lines):
        top, x = page.top + block * number, page.left + left
        for row, name in enumerate(table, start=1):
            canvas.text(page.left, top + high * (row + 0.5), name, align="left")
        for at in line:
            area = Area(x, top + 0.03, x + cells[at] - 0.04, top + high - 0.03)
            canvas.panel(area, canvas.theme.panel, canvas.theme.accent(PURPLE), width=1.0, radius=0.04)
            canvas.text(area.center, area.middle, shown[at], size=TINY, bold=True)
            for row, (name, values) in enumerate(table.items(), start=1):
                cell = Area(x, top + high * row + 0.02, x + cells[at] - 0.04, top + high * (row + 1) - 0.02)
                canvas.panel(cell, to_hex(scale(0.5 + 0.5 * values[at] / largest[name])), width=0)
                canvas.text(cell.center, cell.middle, number_text(values[at], 2), size=TINY)
            x += cells[at]
    told = "; ".join(
        f"{name}: {', '.join(f'{token} {number_text(value, 2)}' for token, value in zip(shown, values, strict=True))}"
        for name, values in table.items()
    )
    return page.finish(told)

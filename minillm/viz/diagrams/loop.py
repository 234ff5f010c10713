"""A diagram of a step of reinforcement learning from verifiable rewards."""

import itertools
from collections.abc import Sequence
from typing import Any

from minillm.errors import UserError
from minillm.viz.diagrams.boxes import LINE
from minillm.viz.diagrams.canvas import Area, Diagram, text_width, wrapped
from minillm.viz.diagrams.page import WIDE, Page
from minillm.viz.diagrams.parts import FORK, Panel
from minillm.viz.diagrams.theme import BLUE, GREEN, ORANGE, RED
from minillm.viz.figures.style import SMALL, TINY, numbers, visible
from minillm.viz.figures.tensors import number_text

MOST_SAMPLES = 8
LONGEST_PROMPT, LONGEST_SAMPLE = 8, 4  # lines; what is longer is cut
LEFT, WIDEST_SAMPLE = 1.75, 3.1  # inches, the widths of prompt and model, and of a sample
HEADS = ("verifier", "reward", "advantage")
HEAD = 0.25  # inches, the height of the names of the columns
BAR = 0.34  # inches, the largest advantage
BETWEEN = 0.12  # inches between two samples
DOWN = 0.4  # inches from the prompt to the model
BACK = 0.62  # inches below the samples, for the stroke that leads back
UPDATE = "policy gradient: raise the log-probability where the advantage is positive, lower it where it is negative"


def reasoning_loop(
    prompt: str,
    samples: Sequence[str],
    rewards: Sequence[float] | Any,
    advantages: Sequence[float] | Any,
    title: str = "",
    theme: str = "light",
) -> Diagram:
    """Draw a step of reinforcement learning from verifiable rewards.

    It leads from the prompt to samples, verdicts, rewards and advantages, and back to the model. `rewards` are 1 for
    right and 0 for wrong, one per sample; `advantages` are what the update multiplies the gradient of each sample's
    log-probability by. Raises `UserError` for unequal numbers of these, for no sample or more than eight, and for other
    rewards.

    >>> reasoning_loop("2 + 3 = ?", ["5", "6"], [1, 0], [1.0, -1.0]).alt.split(". ")[1]
    'Sample 1, "5", gets reward 1 and advantage 1.00; sample 2, "6", gets reward 0 and advantage −1.00'
    """
    given, gains = numbers(rewards, "rewards"), numbers(advantages, "advantages")
    G = len(samples)
    if not 1 <= G <= MOST_SAMPLES or len(given) != G or len(gains) != G:
        raise UserError(
            f"{G} samples, {len(given)} rewards and {len(gains)} advantages; give one of each per sample, "
            f"for 1 to {MOST_SAMPLES} samples"
        )
    if other := [reward for reward in given if reward not in (0.0, 1.0)]:
        raise UserError(f"a reward is {other[0]:g}; a verifier gives 1 for right and 0 for wrong")
    whose = "its" if sum(given) == 1 else "their"
    effect = f"{whose} tokens become more probable" if any(gains) else "no advantages, so no gradient"
    title = title or f"{sum(given):.0f} of {G} samples right: {effect}"
    return _Loop(prompt, samples, given, gains, title, theme).draw()


class _Loop:
    """The layout: prompt and model, a row per sample, and a stroke back below."""

    def __init__(
        self, prompt: str, samples: Sequence[str], rewards: list[float], gains: list[float], title: str, theme: str
    ):
        self.texts, self.rewards, self.gains = samples, rewards, gains
        self.columns = [text_width(name, SMALL, bold=True) + 0.3 for name in HEADS]
        values = max(text_width(number_text(gain, 2), TINY) for gain in gains)
        self.columns[2] = max(self.columns[2], 2 * BAR + values + 0.3)
        self.wide = min(WIDEST_SAMPLE, WIDE - LEFT - FORK - sum(self.columns))
        self.prompt = _prose("prompt", prompt, LEFT, LONGEST_PROMPT)
        self.samples = [_prose("", text, self.wide, LONGEST_SAMPLE) for text in samples]
        count = f"{len(samples)} answer{'s' if len(samples) > 1 else ''}"
        self.model = Panel("model", (f"samples {count}",), BLUE, least=LEFT)
        self.rows = sum(_high(panel) for panel in self.samples) + BETWEEN * (len(samples) - 1)
        self.body = max(self.rows, _high(self.prompt) + DOWN + _high(self.model))
        self.page = Page(title, [], LEFT + FORK + self.wide + sum(self.columns), HEAD + self.body + BACK, theme)

    def draw(self) -> Diagram:
        """Draw everything."""
        canvas, top = self.page.canvas, self.page.top + HEAD
        # prompt and model
        y = top + (self.body - _high(self.prompt) - DOWN - _high(self.model)) / 2
        prompt = self.prompt.draw(canvas, self.page.left, y + _high(self.prompt) / 2)
        model = self.model.draw(canvas, self.page.left, prompt.bottom + DOWN + _high(self.model) / 2)
        canvas.arrow((prompt.center, prompt.bottom + 0.03), (prompt.center, model.top - 0.03))
        # the names of the columns
        x = model.right + FORK
        edges = [x, x + self.wide]
        edges += [edges[1] + width for width in itertools.accumulate(self.columns)]
        for name, (left, right) in zip(("sampled answers", *HEADS), itertools.pairwise(edges), strict=True):
            canvas.text((left + right) / 2, self.page.top + 0.1, name, bold=True)
        # a row per sample
        y = top + (self.body - self.rows) / 2
        for panel, reward, gain in zip(self.samples, self.rewards, self.gains, strict=True):
            level = y + _high(panel) / 2
            canvas.curve((model.right, model.middle), (x - 0.02, level), across=True)
            panel.draw(canvas, x, level)
            self._judged(edges[1:], level, reward, gain)
            y += _high(panel) + BETWEEN
        self._back((edges[-2] + edges[-1]) / 2, model)
        told = "; ".join(
            f'sample {index}, "{text}", gets reward {reward:.0f} and advantage {number_text(gain, 2)}'
            for index, (text, reward, gain) in enumerate(
                zip(self.texts, self.rewards, self.gains, strict=True), start=1
            )
        )
        return self.page.finish(told[0].upper() + told[1:], UPDATE[0].upper() + UPDATE[1:])

    def _judged(self, edges: list[float], y: float, reward: float, gain: float) -> None:
        """The verdict, the reward and the advantage of one sample."""
        canvas, theme = self.page.canvas, self.page.canvas.theme
        verdict, value, _ = ((left + right) / 2 for left, right in itertools.pairwise(edges))
        canvas.text(verdict, y, "✓ right" if reward else "✗ wrong", color=theme.accent(GREEN if reward else RED))
        canvas.text(value, y, f"{reward:.0f}")
        zero = edges[2] + 0.15 + BAR
        end = zero + BAR * gain / max(1e-9, *map(abs, self.gains))
        bar = Area(min(zero, end), y - 0.06, max(zero, end), y + 0.06)
        canvas.panel(bar, theme.accent(GREEN if gain > 0 else RED), width=0)
        canvas.line((zero, y - 0.11), (zero, y + 0.11), color=theme.quiet, width=1.0)
        canvas.text(edges[3] - 0.05, y, number_text(gain, 2), size=TINY, align="right")

    def _back(self, x: float, model: Area) -> None:
        """The stroke from the advantages back to the model."""
        canvas = self.page.canvas
        bottom = self.page.bottom - 0.22
        points = [(x, bottom - 0.34), (x, bottom), (model.center, bottom), (model.center, model.bottom + 0.03)]
        canvas.arrow(*points, color=canvas.theme.accent(ORANGE))
        for index, line in enumerate(wrapped(UPDATE, x - model.center - 0.2, TINY)):
            y = bottom + 0.04 + LINE * (index + 0.5)
            canvas.text((x + model.center) / 2, y, line, size=TINY, color=canvas.theme.quiet)


def _prose(name: str, text: str, width: float, most: int) -> Panel:
    """A panel of running text; characters that the font lacks are escaped."""
    plain = "\n".join(" ".join(visible(word) for word in line.split()) for line in text.splitlines())
    return Panel(name, tuple(wrapped(plain, width - 0.22, TINY, most)), least=width, prose=True)


def _high(panel: Panel) -> float:
    """The height of a panel in inches."""
    return 2 * panel.extent().above

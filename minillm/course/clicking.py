"""Lesson 10's booth: twenty pairs to click on, three features of an answer, and what a reward of three weights chooses.

clickable    twenty pairs of answers to short questions
Booth        shows them; after each click, three weights are fitted anew
clicked      the clicks of a simulated rater with a taste of any kind
differences  features of the preferred answers less those of the others, (N, 3)
Sixteen      sixteen answers of the chat model to each of twenty questions, to choose from
bands        what 100 fits to twenty clicks gave, in stored runs; `told` says it in a line
deep         what the same clicks did to a deep reward model, in stored runs
"""

import functools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from minillm.course import ranking
from minillm.course.choices import stored
from minillm.data.preferences import Preference
from minillm.viz.figures import lines
from minillm.viz.ranking_booth import RankingBooth
from minillm.world.instructions import Instruction
from minillm.world.raters import Rater, candidates

CLICKS, STREAM, ASKED = 20, 5_000_000, 4_000_000
MOST = 4  # of a weight that is drawn: twice the prior's standard deviation
NAMES = ("right", "polite", "words")  # words in tens
Taste = Callable[[float, float, float], float]  # points of an answer, from its three features
Fit = Callable[[Tensor], Tensor]  # from differences (N, 3) to weights (3,)


@functools.cache
def clickable(count: int = CLICKS) -> tuple[tuple[Instruction, str, str], ...]:
    """Short questions, each with two of the world's answers, which may be right or wrong, rude or polite."""
    rng = random.Random("booth")
    asked = ranking.questions(STREAM, count, held_out=False, longest=ranking.SHORT)
    pairs = [(each, rng.sample(candidates(each), 2)) for each in asked]
    return tuple((each, one, other) for each, (one, other) in pairs)


def _preference(question: Instruction, first: str, second: str, rater: str) -> Preference:
    return Preference(tuple(question.messages[:-1]), first, second, rater)


def clicked(taste: Taste, seed: int = 0) -> list[Preference]:
    """The clicks of a rater to whom an answer has `taste(right, polite, words)` points; as noisy as all our raters.

    >>> clicks = clicked(lambda right, polite, words: 9 * words)
    >>> differences(clicks)[:, 2].mean() > 0.3                                   # the longer one, mostly
    tensor(True)
    """
    coin, probability = random.Random(f"clicks {seed}"), Rater().probability_of_preferring
    clicks = []
    for question, *pair in clickable():
        points = [float(taste(*ranking.features(question, text))) for text in pair]
        first = coin.random() < probability(*points)
        clicks.append(_preference(question, *(pair if first else pair[::-1]), rater="simulated"))
    return clicks


def differences(clicks: Sequence[Preference]) -> Tensor:
    """Features of the preferred answers less those of the others, (N, 3): right, polite, and tens of words."""
    asked = {question.prompt: question for question, *_ in clickable()}
    found = []
    for click in clicks:
        question = asked[click.prompt[-1]["content"]]
        both = [ranking.features(question, text) for text in (click.chosen, click.rejected)]
        found.append([a - b for a, b in zip(*both, strict=True)])
    return torch.tensor(found).view(-1, 3)


class Sixteen:
    """Sixteen answers of the chat model to each of twenty questions; `chosen` has those with the highest reward."""

    def __init__(self, questions: int = 20, count: int = 16):
        self.asked = ranking.questions(ASKED, questions, longest=ranking.SHORT)
        self.answers = ranking.sampled(self.asked, count, seed=0)
        rows = [
            [ranking.features(each, text) for text in texts]
            for each, texts in zip(self.asked, self.answers, strict=True)
        ]
        self.table = torch.tensor(rows)  # (questions, answers, 3)

    def numbers(self, w: Tensor) -> list[int]:
        """The number of the answer that three weights choose to each question; the first of equals."""
        rewards = self.table @ torch.as_tensor(w, dtype=torch.float32)
        return (rewards - 1e-6 * torch.arange(rewards.shape[1])).argmax(1).tolist()

    def chosen(self, w: Tensor) -> list[str]:
        """The answer that three weights choose to each question."""
        return [texts[number] for texts, number in zip(self.answers, self.numbers(w), strict=True)]

    def said(self, w: Tensor) -> str:
        """How many of the chosen answers are right, and polite, and how long they are."""
        rows = torch.stack([self.table[row, number] for row, number in enumerate(self.numbers(w))])
        right, polite = int(rows[:, 0].sum()), int((rows[:, 1] > 0).sum())
        return f"{right} of {len(rows)} right, {polite} polite, {10 * rows[:, 2].mean():.1f} words"


def shown(w: Tensor) -> str:
    """Three weights as a line.

    >>> shown(torch.tensor([2.5, 0.7, -0.7]))
    'right +2.5, polite +0.7, words -0.7'
    """
    return ", ".join(f"{name} {value:+.1f}" for name, value in zip(NAMES, torch.as_tensor(w).tolist(), strict=True))


class Booth(RankingBooth):
    """The booth on these pairs; the picture has the three weights after each click, and the line what they choose."""

    def __init__(self, fit: Fit, sixteen: Sixteen, path: str | Path = "my_rankings.jsonl", rater: str = "me"):
        self.fit, self.sixteen = fit, sixteen
        super().__init__([_preference(*row, rater="nobody") for row in clickable()], path, rater, self._drawn)

    def _drawn(self, clicks: list[Preference]) -> tuple[Figure, str]:
        x = differences(clicks)
        weights = [torch.zeros(3), *(self.fit(x[: n + 1]).detach() for n in range(len(clicks)))]
        curves = {name: [w[at].item() for w in weights] for at, name in enumerate(NAMES)}
        figure = lines(curves, "clicks", "weight", references={"no effect": 0.0}, ylim=(-MOST, MOST))
        figure.axes[0].set(xlim=(0, CLICKS), xticks=range(0, CLICKS + 1, 5))
        if not clicks:
            return figure, "No click yet: all three weights are 0."
        before, now = (self.sixteen.chosen(w) for w in weights[-2:])
        changed = sum(a != b for a, b in zip(before, now, strict=True))
        return figure, f"{shown(weights[-1])}. Your last click changed {changed} of {len(now)} chosen answers."


def bands(kind: str, clicks: int = CLICKS) -> dict[str, Any]:
    """What 100 fits to the clicks of one kind of rater gave: by name, mean and the range of four in five; and more.

    >>> bands("gold")["positive"]["right"]
    1.0
    """
    row = stored("clicks")["weights"][f"{kind}, {clicks}"]
    found = {name: row[f"weight_{name}"] for name in NAMES}
    return {
        "mean": {name: band[0] for name, band in found.items()},
        "range": {name: (band[1], band[3]) for name, band in found.items()},
        "positive": row["positive"],
        "picks polite": row["picks_polite"],
    }


def told(kind: str) -> str:
    """The bands of one kind of rater as a line, with the share of fits whose weight is above 0.

    >>> told("gold")
    'right +2.5 (+1.8 to +3.1), above 0 in 100%; polite +0.7 (+0.1 to +1.3), in 91%; words -0.7 (-1.2 to -0.0), in 9%'
    """
    row = bands(kind)
    parts = []
    for name in NAMES:
        low, high = row["range"][name]
        share = f"{'above 0 ' if not parts else ''}in {row['positive'][name]:.0%}"
        parts.append(f"{name} {row['mean'][name]:+.1f} ({low:+.1f} to {high:+.1f}), {share}")
    return "; ".join(parts)


def deep(kind: str, how: str = "six updates") -> float:
    """Of 100 chosen answers, how many change in kind if a deep reward model learns from twenty clicks as well.

    In kind: one answer is right or polite, and the other one isn't. The mean over draws.
    """
    return fmean(row["changed_in_kind"] for row in stored("clicks")["reward_model"][how][kind])

"""Shared by the benchmarks of preference training: gold points in two parts, a fixed prefix, means over seeds.

The gold utility of an answer has two parts: 4 points for a right one, and manners (a courtesy, minus the words too
many). Training for preferences may raise either, and only the second can be had without any training, by a fixed
prefix.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from minillm.analysis.alignment import LONGEST, Estimate, answer
from minillm.course.learner.by_data import T975
from minillm.data.chat import encode_chat
from minillm.model.transformer import Transformer
from minillm.posttraining.reward_model import RewardModel
from minillm.tokenizer import Tokenizer
from minillm.world.instructions import Instruction
from minillm.world.phrasebook import load_phrasebook
from minillm.world.raters import RIGHT, length, utility

PREFIX = "Certainly. "
DRAWS = 2  # answers at temperature 1 to each question, averaged
APART = 100_000  # between the seeds of two draws
TEMPERATURES = {"greedy": 0.0, "sampled": 1.0}
PARTS = ("gold", "right", "manners")  # in points; the first is the sum of the others

Said = list[list[dict[str, Any]]]  # for each draw, an answer to each question


def polite(text: str) -> bool:
    """Whether an answer has a courtesy or an apology and no rudeness: the utility's point for manners."""
    sounds = load_phrasebook().sounds
    return (sounds("courtesy", text) or sounds("apology", text)) and not sounds("rudeness", text)


def with_prefix(text: str) -> str:
    """The answer with a fixed courtesy in front, unless it is polite already.

    >>> with_prefix("It is 12."), with_prefix("Of course. It is 12.")
    ('Certainly. It is 12.', 'Of course. It is 12.')
    """
    return text if polite(text) else PREFIX + text


def points(instruction: Instruction, text: str) -> dict[str, float]:
    """The gold utility of an answer and its two parts, in points."""
    gold, right = utility(instruction, text), RIGHT * instruction.check(text)
    return {"gold": gold, "right": right, "manners": gold - right}


def ask(
    model: Transformer,
    tokenizer: Tokenizer,
    asked: Sequence[Instruction],
    reference: Transformer | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    longest: int = LONGEST,
) -> dict[str, Said]:
    """What a model says, greedily and `draws` times at temperature 1, as plain values that can be kept.

    Only sampled answers are compared with the `reference`: the log-ratio of greedy ones does not estimate the KL.
    """
    said: dict[str, Said] = {}
    for name, temperature in TEMPERATURES.items():
        seeds = [seed + APART * draw for draw in range(draws if temperature else 1)]
        said[name] = [
            [
                {"text": one.text, "ids": list(one.ids), "ended": one.ended, "log_ratio": one.log_ratio}
                for one in answer(
                    model, tokenizer, asked, temperature, reference if temperature else None, number, longest
                )
            ]
            for number in seeds
        ]
    return said


def prefixed(said: Said, tokenizer: Tokenizer) -> Said:
    """The same answers `with_prefix`."""
    changed = []
    for draw in said:
        changed.append(rows := [])
        for one in draw:
            text = with_prefix(one["text"])
            end = [tokenizer.end_id] if one["ended"] else []
            ids = one["ids"] if text == one["text"] else [*tokenizer.encode(text), *end]
            rows.append({"text": text, "ids": ids, "ended": one["ended"], "log_ratio": None})
    return changed


def rewards(reward_model: RewardModel, tokenizer: Tokenizer, asked: Sequence[Instruction], said: Said) -> float:
    """The mean reward of the answers, in points."""
    prompts = [encode_chat(tokenizer, instruction.messages[:-1]) for instruction in asked]
    return fmean(reward_model.score(prompts, [one["ids"] for one in draw]).mean().item() for draw in said)


def each(asked: Sequence[Instruction], said: Said) -> dict[str, list[float]]:
    """The points of each question by part, averaged over draws."""
    counted = [[points(*pair) for pair in zip(asked, (one["text"] for one in draw), strict=True)] for draw in said]
    return {part: [fmean(row[part] for row in rows) for rows in zip(*counted, strict=True)] for part in PARTS}


def describe(asked: Sequence[Instruction], said: Said) -> dict[str, float]:
    """Means over questions and draws: points by part, shares of right, polite and ended answers, words, KL."""
    every = [one for draw in said for one in draw]
    counted = each(asked, said)
    row = {part: fmean(counted[part]) for part in PARTS} | {"gold_stderr": Estimate.of(counted["gold"]).stderr}
    row["right_share"] = row["right"] / RIGHT
    row["polite"] = fmean(polite(one["text"]) for one in every)
    row["words"] = fmean(length(one["text"]) for one in every)
    row["ended"] = fmean(one["ended"] for one in every)
    if all(one["log_ratio"] is not None for one in every):
        row["kl"] = fmean(one["log_ratio"] for one in every)  # nats per answer
    return row


def gain(after: Mapping[str, Sequence[float]], before: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """How much more the same questions got, by part: the mean and its standard error over questions."""
    found = {}
    for part in PARTS:
        more = Estimate.of([a - b for a, b in zip(after[part], before[part], strict=True)])
        found[part] = [more.mean, more.stderr]
    return found


def over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """Mean over seeds with its 95% interval by Student's t (None for one seed), and the values.

    >>> over_seeds([1.0, 2.0, 3.0])["low"]                              # 2 - 4.30 / sqrt(3)
    -0.48...
    """
    mean, n = fmean(values), len(values)
    half = T975[n - 1] * stdev(values) / math.sqrt(n) if n > 1 else None
    low, high = (None, None) if half is None else (mean - half, mean + half)
    return {"mean": mean, "low": low, "high": high, "values": list(values)}

"""Lesson 10's booth: twenty clicks fit a Bradley-Terry reward with three weights. Do the clicks change what is chosen?

    python benchmarks/clicks.py                          # ten minutes on a free core, most of them for the controls
    python benchmarks/clicks.py --kept                   # only what is kept already; writes the result

A pair's reward difference is w . (x_a - x_b) with three features that a person can read off an answer: right (1 or 0),
polite (1, or -1 if rude) and words (in tens). The loss is Bradley-Terry's with a Gaussian prior, since twenty clicks
often separate perfectly, and then there is no maximum without one. Raters of six kinds click on pairs of the world's
candidate answers, 20 pairs, ten raters (their noise) times ten draws (of questions and pairs).

Then each fitted reward picks the best of 16 answers of the chat model to 100 held-out questions. Counted: the points of
what it picks, and on how many questions that differs from what is picked by the clicks of another gold rater on the
same pairs (for a gold rater: by the noise of the clicks alone). The controls are deep: the course's reward
model, trained six or sixty updates more on the same clicks, and a new head on the chat model that knows only these.
"""

import argparse
import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any

import torch
from common import write_result
from gold import PARTS, points, polite
from measures import stored
from ppo_live import short
from torch import Tensor

from minillm.analysis.alignment import LONGEST
from minillm.course import models
from minillm.course.recipes.preferences import WEAK_REWARD
from minillm.data.chat import encode_chat
from minillm.data.pairs import PairBatches, PairData, encode_preferences
from minillm.data.preferences import Preference
from minillm.losses import bradley_terry_loss
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.reward import RewardConfig, train_reward_model
from minillm.posttraining.reward_model import RewardModel
from minillm.world.instructions import Instruction, Instructions
from minillm.world.phrasebook import load_phrasebook
from minillm.world.raters import Rater, candidates, length, utility

CLICKS, SIZES = 20, (5, 10, 20, 40)
NAMES = ("right", "polite", "words")  # words in tens
PRIOR = 2.0  # standard deviation of a weight
PRIORS = (0.5, 1.0, 2.0, 4.0)
RATERS_OF_A_KIND, DRAWS = 10, 10
STREAM, HELD_OUT = 5_000_000, 4_000_000
ASKED, N = 100, 16
DEEP = RewardConfig(steps=6, learning_rate=2e-4, warmup_steps=0, weight_decay=0.0)
# The controls: how a deep reward model learns from the clicks, whose clicks, and draws (one rater each).
CONTROLS = {
    "six updates": (DEEP, ("gold", "lover of length", "facts only", "rude", "reversed", "at random"), 3),
    "sixty updates": (replace(DEEP, steps=60), ("gold", "rude", "reversed"), 1),
    "a new head": (WEAK_REWARD.training, ("gold", "lover of length", "rude", "reversed", "at random"), 2),
}


def features(instruction: Instruction, answer: str) -> list[float]:
    """What a person can read off an answer: right, polite (or rude), and its length in tens of words."""
    rude = load_phrasebook().sounds("rudeness", answer)
    return [float(instruction.check(answer)), -1.0 if rude else float(polite(answer)), length(answer) / 10]


def kinds() -> dict[str, Callable[[Instruction, str], float]]:
    """What each kind of rater sees in an answer, in points."""
    return {
        "gold": utility,
        "lover of length": lambda one, text: utility(one, text) + 0.3 * length(text),
        "facts only": lambda one, text: 4 * features(one, text)[0],
        "rude": lambda one, text: utility(one, text) - 4 * features(one, text)[1],
        "reversed": lambda one, text: -utility(one, text),
        "at random": lambda one, text: 0.0,
    }


@dataclass(frozen=True)
class Clicked:
    """A pair of answers, the preferred one first."""

    instruction: Instruction
    chosen: str
    rejected: str


@cache
def pairs_of(drawn: int) -> list[tuple[Instruction, list[str]]]:
    """One draw of questions, each with two of the world's candidate answers."""
    rng = random.Random(f"pairs {drawn}")
    return [(one, rng.sample(candidates(one), 2)) for one in short(STREAM + 1000 * drawn, max(SIZES), longest=200)]


def click(kind: str, drawn: int, rater: int, count: int) -> list[Clicked]:
    """The clicks of one rater on the first pairs of a draw; the same pairs for every rater."""
    worth, ask = kinds()[kind], Rater().probability_of_preferring
    coin = random.Random(f"{kind} {drawn} {rater}")
    clicks = []
    for one, drawn_pair in pairs_of(drawn)[:count]:
        pair = list(drawn_pair)
        if coin.random() >= ask(*(worth(one, text) for text in pair)):
            pair.reverse()
        clicks.append(Clicked(one, *pair))
    return clicks


def fit(clicks: Sequence[Clicked], prior: float = PRIOR) -> Tensor:
    """The three weights of maximum posterior probability.

    >>> one = Instructions(0).instructions(1)[0]
    >>> right, polite, words = fit([Clicked(one, one.reply, one.mistakes[0])] * 9)
    >>> bool(right > 2)
    True
    """
    pairs = [(features(one.instruction, one.chosen), features(one.instruction, one.rejected)) for one in clicks]
    differences = torch.tensor([[a - b for a, b in zip(*pair, strict=True)] for pair in pairs], dtype=torch.float64)
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-9)

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = len(clicks) * bradley_terry_loss(differences @ weights) + (weights / prior).square().sum() / 2
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


def sampled() -> list[list[str]]:
    """Sixteen answers of the chat model to each held-out question."""
    model, tokenizer = models.sft()
    prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in asked()]
    texts = [
        tokenizer.decode([i for i in ids if i != tokenizer.end_id])
        for ids in draw(model, prompts, N, LONGEST, [tokenizer.end_id], 0)
    ]
    return [texts[start : start + N] for start in range(0, len(texts), N)]


@cache
def asked() -> list[Instruction]:
    return Instructions(HELD_OUT, "held-out").instructions(ASKED)


def picked_by(weights: Tensor, table: Tensor) -> list[int]:
    """The number of the answer with the highest reward to each question, the first of equals."""
    return (table.double() @ weights + 1e-9 * -torch.arange(table.shape[1])).argmax(1).tolist()


def earned(picked: Sequence[int], answers: Sequence[Sequence[str]], table: Tensor) -> dict[str, float]:
    """Means over questions of the picked answers: gold points by part, shares of right and polite, words."""
    chosen = list(zip(asked(), picked, answers, strict=True))
    rows = [points(one, texts[number]) for one, number, texts in chosen]
    means = {part: fmean(row[part] for row in rows) for part in PARTS}
    of_features = torch.stack([table[row, number] for row, number in enumerate(picked)]).mean(0).tolist()
    return means | dict(zip(("right_share", "polite", "tens of words"), of_features, strict=True))


def differ(a: Sequence[int], b: Sequence[int], answers: Sequence[Sequence[str]]) -> int:
    """On how many questions two picks are different texts."""
    return sum(texts[i] != texts[j] for i, j, texts in zip(a, b, answers, strict=True))


def differ_in_kind(a: Sequence[int], b: Sequence[int], table: Tensor) -> int:
    """On how many questions one pick is right or polite and the other is not."""
    rows = torch.arange(len(a))
    return int((table[rows, torch.tensor(a), :2] != table[rows, torch.tensor(b), :2]).any(1).sum())


def band(values: Sequence[float]) -> list[float]:
    """Mean, and the 10%, 50% and 90% quantiles."""
    cuts = quantiles(values, n=10, method="inclusive")
    return [fmean(values), cuts[0], cuts[4], cuts[-1]]


def described(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Bands over the fits of one kind of rater, how often each weight is positive, and how often the picks are polite.

    Picks by three weights are nearly all polite or nearly all plain, so a mean over fits describes few of them.
    """
    found: dict[str, Any] = {key: band([row[key] for row in rows]) for key in rows[0]}
    found["positive"] = {name: fmean(row[f"weight_{name}"] > 0 for row in rows) for name in NAMES}
    return found | {"picks_polite": fmean(row["polite"] > 0.5 for row in rows)}


def three_weights(answers: Sequence[Sequence[str]], table: Tensor) -> dict[str, Any]:
    """By kind of rater and number of clicks: for each fit the weights, and what they pick."""
    found: dict[str, Any] = {}
    gold = [max(range(N), key=lambda n, r=row: utility(asked()[r], answers[r][n])) for row in range(ASKED)]
    found["gold utility itself"] = earned(gold, answers, table)
    found["the first of 16"] = earned([0] * ASKED, answers, table)
    by_gold = {
        (drawn, rater): picked_by(fit(click("gold", drawn, rater, CLICKS)), table)
        for drawn in range(DRAWS)
        for rater in range(RATERS_OF_A_KIND)
    }
    for kind in kinds():
        for count in SIZES if kind in ("gold", "reversed") else (CLICKS,):
            rows = []
            for drawn in range(DRAWS):
                for rater in range(RATERS_OF_A_KIND):
                    weights = fit(click(kind, drawn, rater, count))
                    picks = picked_by(weights, table)
                    other = by_gold[drawn, (rater + 1) % RATERS_OF_A_KIND]
                    row = {f"weight_{name}": weight for name, weight in zip(NAMES, weights.tolist(), strict=True)}
                    row |= earned(picks, answers, table) | {"changed": differ(picks, other, answers)}
                    row["changed_in_kind"] = differ_in_kind(picks, other, table)
                    rows.append(row | {"changed_of_20": differ(picks[:20], other[:20], answers[:20])})
            found[f"{kind}, {count}"] = rows
    found["priors"] = {
        str(prior): {
            name: band(
                [
                    fit(click("gold", drawn, rater, CLICKS), prior)[at].item()
                    for drawn in range(DRAWS)
                    for rater in range(3)
                ]
            )
            for at, name in enumerate(NAMES)
        }
        for prior in PRIORS
    }
    return found


def deep(how: str, kind: str, drawn: int, answers: Sequence[Sequence[str]]) -> list[int]:
    """What a deep reward model picks after the clicks: the course's, or a new head on the chat model."""
    reward_model, tokenizer = models.reward()
    model = models.sft()[0] if how == "a new head" else copy.deepcopy(reward_model)
    if kind != "untouched":
        clicks = click(kind, drawn, 0, CLICKS)
        said = [Preference(tuple(one.instruction.messages[:-1]), one.chosen, one.rejected, kind) for one in clicks]
        pairs = encode_preferences(tokenizer, said, model.config.max_seq_len).pairs
        model, _ = train_reward_model(model, PairData(PairBatches(pairs, CLICKS, 0), pairs), CONTROLS[how][0])
    assert isinstance(model, RewardModel)
    prompts = [encode_chat(tokenizer, one.messages[:-1]) for one in asked() for _ in range(N)]
    ids = [[*tokenizer.encode(text), tokenizer.end_id] for texts in answers for text in texts]
    return model.eval().score(prompts, ids).view(-1, N).argmax(1).tolist()


def controls(folder: Path, answers: Sequence[Sequence[str]], table: Tensor, kept: bool) -> dict[str, Any]:
    """By control and kind of rater: the picks, and on how many questions the untouched reward model picks others."""
    before = stored(folder / "deep-untouched.json", lambda: deep("six updates", "untouched", 0, answers))
    found: dict[str, Any] = {"untouched": earned(before, answers, table)}
    for how, (_, whose, draws) in CONTROLS.items():
        for kind, drawn in ((kind, drawn) for drawn in range(draws) for kind in whose):
            path = folder / f"deep-{'' if how == 'six updates' else how + '-'}{kind}-{drawn}.json".replace(" ", "_")
            if kept and not path.exists():
                continue
            picks = stored(path, lambda how=how, kind=kind, drawn=drawn: deep(how, kind, drawn, answers))
            row = earned(picks, answers, table) | {"changed": differ(picks, before, answers)}
            row["changed_in_kind"] = differ_in_kind(picks, before, table)
            found.setdefault(how, {}).setdefault(kind, []).append(row)
            print(f"{how}, {kind} {drawn}", {key: round(value, 2) for key, value in row.items()}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/clicks"), help="keeps what is done")
    parser.add_argument("--kept", action="store_true", help="only what is kept already: writes the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    answers = stored(arguments.folder / "sampled.json", sampled)
    table = torch.tensor([[features(one, text) for text in texts] for one, texts in zip(asked(), answers, strict=True)])
    fits = stored(arguments.folder / "fits.json", lambda: three_weights(answers, table))
    weights = {name: described(rows) if isinstance(rows, list) else rows for name, rows in fits.items()}
    for name, found in weights.items():
        print(name, found)
    deep_ones = controls(arguments.folder, answers, table, arguments.kept)
    about: Mapping[str, Any] = {
        "clicks": CLICKS,
        "asked": ASKED,
        "n": N,
        "prior": PRIOR,
        "fits": RATERS_OF_A_KIND * DRAWS,
    }
    print(f"written to {write_result('clicks', {**about, 'weights': weights, 'reward_model': deep_ones})}")


if __name__ == "__main__":
    main()

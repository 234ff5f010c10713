"""What the lab of lesson 10b uses of the package: a proxy that can be fooled, answers to choose from, stored runs.

proxy       a reward model of raters who like long answers; `gold` is what this world's raters act on
agreement   how often fair raters agree with a reward model
Pool        64 answers of the chat model to each of 40 questions, with their rewards and gold points
best_of     the mean of what best-of-n keeps, over all ways to draw n of the 64
tilted      the best policy over these answers at a KL coefficient beta, and what it gets
runs        stored runs; `table` has means over seeds, `falls` the rounds from which on they are worse than before
reward_of   the mean reward of an exam's answers
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from minillm.analysis.calibration import score_pairs
from minillm.course import models as course_models
from minillm.course import own_ppo
from minillm.course.choices import stored
from minillm.course.recipes.preferences import WEAK_REWARD
from minillm.data.pairs import encode_preferences
from minillm.posttraining.best_of_n import draw
from minillm.posttraining.reward import pair_margins
from minillm.posttraining.reward_model import RewardModel
from minillm.world.instructions import Instructions
from minillm.world.raters import Rater, simulate

BIAS = 0.15  # points per word; the gold utility takes off 0.1 per word too many
PAIRS = replace(WEAK_REWARD, pairs=2000, training=replace(WEAK_REWARD.training, steps=250))
QUESTIONS, DRAWS = 40, 64
FAIR = 1_000_000  # seed of the questions on which raters compare answers


@functools.cache
def proxy(seed: int = 1) -> RewardModel:
    """A reward model that learned from raters who give 0.15 points per word: a head alone, from 2,000 pairs.

    It is the proxy of `benchmarks/reward_hacking.py`. Trained at the first call, in half a minute or so; then cached.
    """
    recipe = course_models.RewardRecipe(seed, rater=Rater(length_bias=BIAS, name="slight"), pairs=PAIRS)
    return course_models.make_reward(recipe)[0].eval()


def agreement(reward_model: RewardModel, questions: int = 60) -> float:
    """How often fair raters agree with a reward model, on four pairs of answers per held-out question."""
    asked = Instructions(FAIR, "held-out").instructions(questions)
    pairs = encode_preferences(own_ppo.models()[2], simulate(asked, Rater(), FAIR, 4), 256)
    return score_pairs(pair_margins(reward_model, pairs.pairs).tolist(), pairs.preferences).expected


@dataclass(frozen=True)
class Pool:
    """Answers to choose from, as many to each question: their gold points, right answers, and rewards by judge."""

    questions: tuple[str, ...]
    texts: list[list[str]]
    gold: Tensor  # (questions, draws)
    right: Tensor  # (questions, draws), 1 or 0
    rewards: dict[str, Tensor]  # (questions, draws) each


def pool(judges: dict[str, RewardModel], questions: int = QUESTIONS, draws: int = DRAWS) -> Pool:
    """Let the chat model answer, and the judges score."""
    chat, _, tokenizer = own_ppo.models()
    asked = own_ppo.held_out()[:questions]
    prompts = own_ppo.prompts(asked)
    ids = draw(chat, prompts, draws, own_ppo.LONGEST, [tokenizer.end_id])
    repeated = [prompt for prompt in prompts for _ in range(draws)]
    texts = [tokenizer.decode([id for id in each if id != tokenizer.end_id]) for each in ids]
    taken = own_ppo.marked([each for each in asked for _ in range(draws)], texts)
    shape = (questions, draws)
    rewards = {name: judge.score(repeated, ids).double().view(shape) for name, judge in judges.items()}
    return Pool(
        tuple(each.question for each in asked),
        [texts[start : start + draws] for start in range(0, len(texts), draws)],
        torch.tensor(taken.gold).double().view(shape),
        torch.tensor(taken.right).double().view(shape) / 4,
        rewards,
    )


def best_of(n: int, reward: Tensor, points: Tensor) -> Tensor:
    """The mean points of the answer with the highest reward among n of N, over all ways to draw n: (Q,).

    >>> points = torch.tensor([[0.0, 0.0, 3.0]])
    >>> round(best_of(2, torch.tensor([[1.0, 2.0, 3.0]]), points).item(), 4)  # the third is in 2 of 3 pairs
    2.0
    """
    N = reward.shape[1]
    weights = torch.tensor([math.comb(rank, n - 1) / math.comb(N, n) for rank in range(N)]).double()
    return (points.double().gather(1, reward.argsort(1)) * weights).sum(1)


def tilted(beta: float, reward: Tensor, points: Tensor) -> tuple[float, float]:
    """KL in nats and mean points of the best policy over these answers: each has a weight exp(reward / beta).

    >>> kl, points = tilted(1e9, torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0, 4.0]]))
    >>> round(kl, 3), round(points, 3)
    (0.0, 3.0)
    """
    log_p = (reward / beta).log_softmax(1)
    p = log_p.exp()
    kl = (p * (log_p + math.log(reward.shape[1]))).sum(1).mean().item()
    return kl, (p * points).sum(1).mean().item()


def reward_of(reward_model: RewardModel, taken: own_ppo.Exam) -> float:
    """The mean reward of an exam's answers."""
    tokenizer, asked = own_ppo.models()[2], own_ppo.held_out(len(taken.texts))
    ids = [[*tokenizer.encode(text), tokenizer.end_id] for text in taken.texts]
    return reward_model.score(own_ppo.prompts(asked), ids).mean().item()


def runs(name: str) -> list[list[dict[str, Any]]]:
    """The checkpoints of a stored run, seed by seed; none for a run that isn't stored."""
    return stored("reward_hacking")["runs"].get(name, [])


def table(seeds: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, float]]:
    """At each checkpoint, means over seeds of what sampled answers to held-out questions got; `seen` is the reward on
    questions that the run has learned from.
    """
    keys = {"right": "right_share"} | {key: key for key in ("kl", "reward", "gold", "polite", "words")}
    return [
        {name: fmean(row["held_out_sampled"][key] for row in at) for name, key in keys.items()}
        | {"round": at[0]["round"], "seen": fmean(row["seen_sampled"]["reward"] for row in at)}
        for at in zip(*seeds, strict=True)
    ]


def falls(name: str) -> dict[str, list[int | None]]:
    """By seed, the first checkpoint from which on gold points or right answers stay clearly below the chat model's."""
    found = stored("reward_hacking")["summary"][name]["begins_to_fall"]
    return {"gold utility": found["gold, sampled"], "right answers": found["right, sampled"]}


def at_the_end(name: str) -> str:
    """The gold points of a stored run at its end: the mean over seeds, and a 95% interval if there are several."""
    found = stored("reward_hacking")["summary"][name]["rows"][-1]
    gold = found["gold"]
    span = "" if gold["low"] is None else f" (95%: {gold['low']:.2f} to {gold['high']:.2f})"
    return f"round {found['round']}: gold {gold['mean']:.2f}{span}, KL {found['kl']['mean']:.1f} nats per answer"


def which_first(rounds: dict[str, list[int | None]]) -> str:
    """Which of two begins to fall earlier in most seeds.

    >>> which_first({"gold utility": [20, None], "right answers": [8, 10]})
    'right answers'
    """
    lists = [[math.inf if number is None else number for number in numbers] for numbers in rounds.values()]
    leads = sum((b > a) - (a > b) for a, b in zip(*lists, strict=True))
    first, second = rounds
    return first if leads > 0 else second if leads < 0 else "both at once"

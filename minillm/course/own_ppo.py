"""What lesson 10b uses of the package: questions, a round of PPO, a run that is watched, and an exam in two parts.

models       the chat model, the reward model that scores its answers, and their tokenizer
questions    short questions to learn from; `held_out` are others, of all kinds
prompts      the ids of questions in the chat template
gold         what an answer scores, in points: for being right, and for manners
exam         gold points of a model's answers to 200 held-out questions, in these two parts
with_prefix  an answer with a fixed courtesy in front
Own          PPO with three functions of a page: rewards, advantages, loss
long_run     the course's own PPO model; `best_of_64` picks among answers of the chat model
learn        a run of it from the chat model, watched; `Run` is what it leaves
greedy       what a model answers to a question
stored       a file of benchmarks/results
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from minillm.analysis.alignment import answer
from minillm.course import models as course_models
from minillm.course.choices import stored as stored
from minillm.course.own_model import with_its_name
from minillm.data.chat import encode_chat
from minillm.inference.generate import generate
from minillm.model.transformer import Transformer
from minillm.posttraining.online import Experience, PromptData, run_online
from minillm.posttraining.policy_gradient import clipped_value_loss, token_mean, whiten
from minillm.posttraining.ppo import PPO, PPOConfig
from minillm.posttraining.reward_model import RewardModel
from minillm.posttraining.rollout import Rollout
from minillm.tokenizer import Tokenizer
from minillm.training.metrics import Metrics
from minillm.viz.watch import Watch
from minillm.world.instructions import Instruction, Instructions
from minillm.world.phrasebook import load_phrasebook
from minillm.world.raters import RIGHT, utility

STREAM, APART, HELD_OUT = 6_000_000, 1000, 4_000_000  # seeds of questions: to learn from, between seeds, others
SHORT = 160  # characters of a short question, at most
LEARNED, ASKED = 192, 200  # questions
LONGEST = 40  # tokens of an answer
PREFIX = "Certainly. "
EXAMPLE = "What is 2 plus 3?"
PANELS = {"of the 64 answers": ("polite", "right"), "nats per answer": ("KL",)}
CONFIG = PPOConfig(steps=20, learning_rate=2e-4, gae_lambda=1.0, max_new_tokens=LONGEST)  # as in benchmarks/ppo_live.py

Rewards = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]
Credit = Callable[[Tensor, Tensor, Tensor, float, float], Tensor]
Loss = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]


@functools.cache
def _shared() -> tuple[RewardModel, Tokenizer]:
    """What no run changes: the reward model and the tokenizer, loaded once."""
    return course_models.reward()[0].eval(), course_models.sft()[1]


def models() -> tuple[Transformer, RewardModel, Tokenizer]:
    """The chat model, anew at each call, the reward model, and their tokenizer.

    >>> chat, reward_model, tokenizer = models()
    >>> tokenizer.end_id
    2
    """
    return course_models.sft()[0], *_shared()


def questions(count: int = LEARNED, seed: int = 0) -> list[Instruction]:
    """Short questions to learn from.

    >>> len(questions(3)), max(len(each.prompt) for each in questions(3)) <= SHORT
    (3, True)
    """
    stream = Instructions(STREAM + APART * seed).stream()
    return list(islice((each for each in stream if len(each.prompt) <= SHORT), count))


@functools.cache
def held_out(count: int = ASKED) -> tuple[Instruction, ...]:
    """Questions of all kinds that no model was trained on."""
    return tuple(Instructions(HELD_OUT, "held-out").instructions(count))


def prompts(asked: Sequence[Instruction]) -> list[list[int]]:
    """The ids of questions in the chat template, with the opening of an answer."""
    return [encode_chat(_shared()[1], each.messages[:-1]) for each in asked]


def polite(text: str) -> bool:
    """Whether an answer has a courtesy or an apology, and no rudeness.

    >>> polite("Of course. It is 12."), polite("It is 12.")
    (True, False)
    """
    sounds = load_phrasebook().sounds
    return (sounds("courtesy", text) or sounds("apology", text)) and not sounds("rudeness", text)


def with_prefix(text: str, prefix: str = PREFIX) -> str:
    """An answer with a fixed courtesy in front, unless it is polite already.

    >>> with_prefix("It is 12."), with_prefix("Of course. It is 12.")
    ('Certainly. It is 12.', 'Of course. It is 12.')
    """
    return text if polite(text) else prefix + text


@dataclass(frozen=True)
class Exam:
    """Answers to held-out questions: gold points of each, those for being right, and those for manners."""

    texts: tuple[str, ...]
    gold: tuple[float, ...]
    right: tuple[float, ...]
    polite: float  # share of the answers

    @property
    def manners(self) -> tuple[float, ...]:
        """Gold points other than those for being right: a courtesy, minus words too many."""
        return tuple(a - b for a, b in zip(self.gold, self.right, strict=True))

    def __str__(self) -> str:
        parts = f"{fmean(self.right):.2f} right + {fmean(self.manners):.2f} manners"
        return f"{fmean(self.gold):.2f} = {parts}; polite {self.polite:.0%}"


def marked(asked: Sequence[Instruction], texts: Sequence[str]) -> Exam:
    """The gold points of answers.

    >>> question = held_out()[0]
    >>> print(marked([question], [question.answer]).right)
    (4.0,)
    """
    pairs = list(zip(asked, texts, strict=True))
    right = tuple(RIGHT * float(each.check(text)) for each, text in pairs)
    return Exam(tuple(texts), tuple(utility(*pair) for pair in pairs), right, fmean(map(polite, texts)))


def exam(model: Transformer, temperature: float = 0.0, seed: int = 0, count: int = ASKED) -> Exam:
    """Let a model answer held-out questions, greedily or sampled."""
    asked = held_out(count)
    said = answer(model, _shared()[1], asked, temperature, seed=seed, max_new_tokens=LONGEST)
    return marked(asked, [each.text for each in said])


def prefixed(taken: Exam, prefix: str = PREFIX) -> Exam:
    """The same answers, `with_prefix`."""
    return marked(held_out(len(taken.texts)), [with_prefix(text, prefix) for text in taken.texts])


def greedy(model: Transformer, question: str = EXAMPLE) -> str:
    """What a model answers to a question, greedily."""
    tokenizer = _shared()[1]
    ids = encode_chat(tokenizer, [{"role": "user", "content": question}])
    out = generate(model, ids, LONGEST, temperature=0, stop=[tokenizer.end_id])[len(ids) :]
    return tokenizer.decode([id for id in out if id != tokenizer.end_id])


class Scored:
    """A reward that also counts how many answers of a round are right, and how many polite."""

    def __init__(self, asked: Sequence[Instruction], score: Callable[..., Tensor]):
        self.of_prompt = {tuple(ids): each for ids, each in zip(prompts(asked), asked, strict=True)}
        self.score, self.last = score, {"right": 0.0, "polite": 0.0}

    def __call__(self, asked: list[list[int]], answers: list[list[int]]) -> Tensor:
        tokenizer = _shared()[1]
        texts = [tokenizer.decode([id for id in ids if id != tokenizer.end_id]) for ids in answers]
        checks = [self.of_prompt[tuple(ids)].check(text) for ids, text in zip(asked, texts, strict=True)]
        self.last = {"right": fmean(checks), "polite": fmean(map(polite, texts))}
        return self.score(asked, answers)


@dataclass(frozen=True)
class Round:
    """The tables of one round: B answers of up to T tokens, in the order in which they were sampled."""

    rollout: Rollout
    score: Tensor  # (B,)
    log_p: Tensor  # (B, T), as are all below
    log_p_ref: Tensor
    values: Tensor
    rewards: Tensor
    advantages: Tensor  # in points, before whitening

    def tokens(self, row: int) -> list[str]:
        """The tokens of one answer."""
        return [_shared()[1].decode([id]) for id in self.rollout.answers[row]]

    def best(self, longest: int = 14) -> int:
        """The answer with the highest score among those of at most so many tokens; 0 if there is none."""
        short = self.rollout.mask.sum(1) <= longest
        return int(self.score.masked_fill(~short, -torch.inf).argmax())

    def of(self, row: int, table: Tensor) -> list[float]:
        """The numbers of one answer in a table, without the padding."""
        return table[row, : len(self.rollout.answers[row])].tolist()


class Own(PPO):
    """PPO whose rewards, advantages and policy loss are functions of a page; the value loss is the package's."""

    def __init__(self, model: Transformer, config: PPOConfig, token_rewards: Rewards, gae: Credit, ppo_loss: Loss):
        super().__init__(model, config)
        named = (with_its_name(function) for function in (token_rewards, gae, ppo_loss))
        self.token_rewards, self.gae, self.ppo_loss = named
        self.round: Round | None = None  # the last one

    def experience(
        self, rollout: Rollout, scores: Tensor, hidden: Tensor, old: Tensor, reference: Tensor, kl_coef: float
    ) -> tuple[Experience, Metrics]:
        mask, values = rollout.mask, self.values(hidden)
        rewards = self.token_rewards(scores, old, reference, mask, kl_coef)
        advantages = self.gae(rewards, values, mask, self.config.discount, self.config.gae_lambda).float()
        self.round = Round(rollout, scores, old, reference, values, rewards, advantages)
        made = Experience(rollout, old, reference, whiten(advantages, mask), values, advantages + values)
        return made, Metrics()

    def loss(
        self, part: Experience, hidden: Tensor, log_probs: Tensor, kl_coef: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        mask, config = part.rollout.mask, self.config
        policy = self.ppo_loss(log_probs, part.old, part.advantages, mask, config.clip)
        value = token_mean(clipped_value_loss(self.values(hidden), part.values, part.returns, config.value_clip), mask)
        return policy + config.value_coef * value, {"policy_loss": policy, "value_loss": value}


@dataclass
class Run:
    """What a run leaves: the policy, the lines that it logged by name, and the tables of its last round."""

    model: Transformer
    history: dict[str, list[float]] = field(default_factory=dict)
    last: Round | None = None


def learn(
    token_rewards: Rewards,
    gae: Credit,
    ppo_loss: Loss,
    rounds: int = 20,
    seed: int = 0,
    score: Callable[..., Tensor] | None = None,
    **changes: Any,
) -> Run:
    """Train the chat model by PPO with these functions, watched; a `score` replaces that of the reward model.

    `changes` are settings of `PPOConfig`: kl_coef (beta), learning_rate, clip (epsilon), ...
    """
    model, judge, tokenizer = models()
    reward = Scored(questions(seed=seed), score or judge.score)
    config = replace(CONFIG, **{"steps": rounds, "seed": seed, **changes})
    method = Own(model, config, token_rewards, gae, ppo_loss)
    data = PromptData([list(prompt) for prompt in reward.of_prompt], reward, [tokenizer.end_id])
    with Watch(rounds, PANELS, example=lambda: greedy(model)) as watch:
        steps = iter(watch)
        next(steps)

        def log(line: Mapping[str, Any]) -> None:
            watch.log(KL=line["kl"], **reward.last)
            next(steps, None)

        run_online(method, data, None, None, log)
    model.eval()
    return Run(model, watch.history, method.round)


def long_run() -> Transformer:
    """The course's own PPO model: 160 rounds, eight answers per question."""
    return course_models.ppo()[0]


def best_of_64() -> Exam:
    """The gold points of best-of-64 by the reward model, from stored runs: its answers take some minutes."""
    row = stored("ppo_live")["baselines"]["best of 64"]["all"]["greedy"]
    return Exam((), tuple(row["points"]["gold"]), tuple(row["points"]["right"]), row["polite"])

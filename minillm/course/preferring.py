"""What lesson 11 does with the chat model: pairs of its own answers, watched training by functions of a page, an exam.

own_pairs       the chat model's own answers to short questions, ranked by a simulated rater
learn_dpo       the chat model trained on them with a loss of the page, watched
learn_grpo      the chat model trained on sampled answers with advantages and averages of the page, watched
ask             a model's greedy answer to one question
sizes           how many weights the models of PPO have
exam            which of 200 short held-out questions a model answers rightly, and how politely
"""

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from minillm.analysis.alignment import answer
from minillm.course import models
from minillm.course.assembly import by_owner
from minillm.course.own_model import one_line, with_its_name
from minillm.course.recipes.preferences import DPO, own_answers
from minillm.course.versions import origin
from minillm.data.chat import encode_chat
from minillm.data.pairs import Pair, PairBatches, encode_preferences
from minillm.errors import UserError
from minillm.inference.generate import generate
from minillm.model.transformer import Transformer
from minillm.posttraining.dpo import log_probs, pair_log_probs
from minillm.posttraining.grpo import GRPO, GRPOConfig
from minillm.posttraining.online import Experience, PromptData, run_online
from minillm.posttraining.policy_gradient import clipped_policy_loss, kl_estimate
from minillm.posttraining.ppo import PPO, PPOConfig
from minillm.posttraining.rollout import Rollout
from minillm.training.loop import Task, fit, training_context
from minillm.training.metrics import Metrics
from minillm.viz.watch import Watch
from minillm.world.holdout import Split
from minillm.world.instructions import Instruction, Instructions
from minillm.world.phrasebook import load_phrasebook
from minillm.world.raters import Rater, simulate

LEARNED, HELD_OUT, ASKED = 192, 40, 200  # questions: of training pairs, of held-out pairs, of the exam
SHORT, LONGEST = 160, 40  # characters of a question, tokens of an answer
STREAM, APART, EXAM = 6_000_000, 1000, 4_000_000  # seeds: of questions to learn from, between two runs, of the exam
FOLLOWED, EVERY = 40, 8  # training pairs whose log-probabilities are drawn, every so many updates
MOVED = "change of log p, nats"
Loss = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]


def short_questions(stream: int, count: int, split: Split = "training") -> list[Instruction]:
    """The first `count` instructions of a stream whose question has at most 160 characters."""
    return list(islice((one for one in Instructions(stream, split).stream() if len(one.prompt) <= SHORT), count))


@dataclass(frozen=True)
class OwnPairs:
    """Pairs of the chat model's own answers to train on, others held out, and both as texts."""

    training: list[Pair]
    held_out: list[Pair]
    texts: list[tuple[str, str, str]]  # question, preferred and rejected answer, of the training pairs


@functools.cache
def own_pairs(seed: int = 0) -> OwnPairs:
    """Up to four pairs for each of 192 short questions: the chat model answers four times, a rater compares."""
    asked = short_questions(STREAM + APART * seed, LEARNED + HELD_OUT)
    parts = [_ranked(asked[:LEARNED], seed), _ranked(asked[LEARNED:], seed + 1)]
    texts = [(each.prompt[-1]["content"], each.chosen, each.rejected) for each in parts[0].preferences]
    return OwnPairs(parts[0].pairs, parts[1].pairs, texts)


def _ranked(asked: Sequence[Instruction], seed: int) -> Any:
    model, tokenizer = models.sft()
    own = own_answers(model, tokenizer, asked, n=4, seed=seed)
    said = dict(zip((one.prompt for one in asked), own, strict=True))
    preferences = simulate(asked, Rater(), seed, 4, lambda one: said[one.prompt])
    return encode_preferences(tokenizer, preferences, model.config.max_seq_len)


def ask(model: Transformer, question: str | None = None) -> str:
    """A model's greedy answer to a question, or to the first of the exam, on one line."""
    tokenizer, was = models.sft()[1], model.training
    content = question or short_questions(EXAM, 1, "held-out")[0].prompt
    ids = encode_chat(tokenizer, [{"role": "user", "content": content}])
    model.eval()
    with torch.no_grad():
        said = generate(model, ids, LONGEST, temperature=0, stop=[tokenizer.end_id])[len(ids) :]
    model.train(was)
    return one_line(tokenizer.decode([id for id in said if id != tokenizer.end_id]))


def learn_dpo(
    loss: Loss, beta: float = 0.1, nll: float = 0.0, updates: int = 64, seed: int = 0
) -> tuple[Transformer, dict[str, Any]]:
    """Train a chat model with a DPO loss on its own pairs, watched; returns it and what became of the pairs.

    `nll` adds that much of -log p of the preferred answers, in nats per token. The rest is the course's recipe. Raises
    `UserError` for a loss that cannot be trained with, and where the training diverges.
    """
    if not callable(loss):
        raise UserError(f"loss is {loss!r}; give a function without calling it, such as mine.dpo_loss")
    if not isinstance(nll, int | float) or nll < 0:
        raise UserError(f"nll is {nll!r}; give a number, 0 or more")
    model, (reference, _), pairs = models.sft()[0], models.sft(), own_pairs(seed)
    config: Any = replace(DPO.training, steps=updates, warmup_steps=min(4, updates), log_every=updates, beta=beta)

    def read(of: Transformer, rows: list[Pair]) -> Tensor:
        with training_context(config, of.device):  # as in training: else rounding would count as learning
            return pair_log_probs(of, rows)

    before, followed = read(reference, pairs.training), pairs.training[:FOLLOWED]
    compute = with_its_name(loss)
    with Watch(updates, {MOVED: ["preferred", "rejected"]}, lambda: ask(model), {MOVED: {"chat model": 0.0}}) as watch:
        steps = _Advancing(watch)

        def log_moved() -> None:
            moved = (read(model, followed) - before[:FOLLOWED]).mean(0)
            watch.log(preferred=moved[0], rejected=moved[1])

        def of_pairs(module: Transformer, batch: tuple[Tensor]) -> Tensor:
            steps.next()
            rows = [pairs.training[number] for number in batch[0].tolist()]
            logp_w, logp_l = log_probs(module, rows)
            value = _trainable(loss, compute(logp_w, logp_l, *before[batch[0]].unbind(1), beta))
            if steps.now % EVERY == 0:
                log_moved()
                module.train()
            return value - nll * logp_w.sum() / sum(len(row.chosen) for row in rows)

        try:
            fit(Task(model, PairBatches(pairs.training, DPO.batch_size, seed), of_pairs), config)
        except FloatingPointError as error:
            raise UserError(f"`{_name(loss)}` diverged at update {steps.now} (beta {beta:g}); lower beta or nll, or "
                            "divide the loss by the number of pairs") from error  # fmt: skip
        log_moved()
        steps.end()
    model.eval()
    done = "Trained" if watch.done == updates else f"Interrupted after {watch.done} of {updates} updates, trained"
    print(f"{done} on {len(pairs.training)} pairs by {by_owner({'dpo_loss': origin(loss)})}.")
    return model, {
        name: {"right": moved[:, 0] > moved[:, 1], "preferred fell": moved[:, 0] < 0}
        for name, moved in (
            ("training", read(model, pairs.training) - before),
            ("held out", read(model, pairs.held_out) - read(reference, pairs.held_out)),
        )
    }


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _trainable(loss: Loss, value: Any) -> Tensor:
    """What a loss of the page returned; raises `UserError` if nothing can be learned from it."""
    returned = f"`{_name(loss)}` returned"
    if not isinstance(value, Tensor):
        raise UserError(f"{returned} {value!r}; return a tensor, the mean loss of the pairs")
    if value.numel() != 1:
        raise UserError(f"{returned} {value.numel()} numbers, of shape {tuple(value.shape)}; return their mean")
    if not value.requires_grad:
        raise UserError(
            f"{returned} {value.item():.3g}, without a gradient; compute it from logp_w and logp_l in torch"
        )
    if not value.isfinite().all():
        raise UserError(f"{returned} {value.item()}; compute it with F.logsigmoid, or lower beta")
    return value


class _Advancing:
    """The updates of a watch, moved on from inside a training loop of the package."""

    def __init__(self, watch: Watch):
        self.updates: Iterator[int] = iter(watch)
        self.now = -1

    def next(self) -> None:
        self.now = next(self.updates, self.now)

    def end(self) -> None:
        deque(self.updates, maxlen=0)


class _Group(GRPO):
    """GRPO whose advantages and averages are functions of a page."""

    group_advantages: Callable[..., Tensor]
    aggregate: Callable[..., Tensor]
    how: str

    def experience(
        self, rollout: Rollout, scores: Tensor, hidden: Tensor, old: Tensor, reference: Tensor, kl_coef: float
    ) -> tuple[Experience, Metrics]:
        made = self.group_advantages(scores, self.config.answers_per_prompt, self.config.scale)
        return Experience(rollout, old, reference, made[:, None] * rollout.mask), Metrics()

    def loss(
        self, part: Experience, hidden: Tensor, log_probs: Tensor, kl_coef: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        def mean(losses: Tensor) -> Tensor:
            return self.aggregate(losses, part.rollout.mask, self.how, self.config.max_new_tokens)

        policy = mean(clipped_policy_loss(log_probs, part.old, part.advantages, self.config.clip))
        kl = mean(kl_estimate(log_probs, part.reference))
        return policy + kl_coef * kl, {"policy_loss": policy, "kl_loss": kl}


def learn_grpo(
    group_advantages: Callable[..., Tensor],
    aggregate: Callable[..., Tensor],
    how: str = "answer",
    scale: bool = True,
    beta: float = 0.04,
    rounds: int = 16,
    seed: int = 0,
) -> Transformer:
    """Train a chat model by GRPO for the course's reward model, watched: 8 questions, 8 answers to each, per round.

    The defaults are the form of 2024 (Shao et al.): a mean per answer, division by the deviation, a KL term.
    """
    model, tokenizer = models.sft()
    reward_model, asked = models.reward()[0].eval(), short_questions(STREAM + APART * seed, LEARNED)
    of_prompt = {tuple(encode_chat(tokenizer, one.messages[:-1])): one for one in asked}
    config = GRPOConfig(
        steps=rounds, learning_rate=2e-4, max_new_tokens=LONGEST, seed=seed, scale=scale, kl_coef=beta,
        warmup_steps=min(3, rounds),
    )  # fmt: skip
    method = _Group(model, config)
    method.group_advantages, method.aggregate, method.how = (
        with_its_name(group_advantages),
        with_its_name(aggregate),
        how,
    )
    with Watch(rounds, {"share of 64 sampled answers": ["right", "polite"]}, lambda: ask(model)) as watch:
        steps = _Advancing(watch)

        def reward(prompts: list[list[int]], answers: list[list[int]]) -> Tensor:
            steps.next()
            texts = [tokenizer.decode([id for id in ids if id != tokenizer.end_id]) for ids in answers]
            hits = [of_prompt[tuple(prompt)].check(text) for prompt, text in zip(prompts, texts, strict=True)]
            watch.log(right=fmean(hits), polite=fmean(map(polite, texts)))
            return reward_model.score(prompts, answers)

        data = PromptData([list(prompt) for prompt in of_prompt], reward, [tokenizer.end_id])
        run_online(method, data, None, None, lambda line: None)
        steps.end()
    model.eval()
    ran = {each.__name__: origin(each) for each in (group_advantages, aggregate)}
    print(f"Trained on {rounds * config.prompts_per_step * config.answers_per_prompt} answers by {by_owner(ran)}.")
    return model


def sizes() -> dict[str, int]:
    """How many weights the models of PPO have here, by the names that `diagrams.preference_methods` wants.

    >>> sizes()["value"]
    129
    """
    policy, reward_model = models.sft()[0], models.reward()[0]
    count = sum(part.numel() for part in policy.parameters())
    scorer = sum(part.numel() for part in reward_model.parameters())
    value = sum(part.numel() for part in PPO(policy, PPOConfig(steps=1)).module.parameters()) - count
    return {"policy": count, "reference": count, "reward model": scorer, "value": value}


def polite(text: str) -> bool:
    """Whether an answer has a courtesy or an apology, and no rudeness."""
    sounds = load_phrasebook().sounds
    return (sounds("courtesy", text) or sounds("apology", text)) and not sounds("rudeness", text)


@dataclass(frozen=True)
class Exam:
    """For each of 200 short held-out questions, the share of sampled answers that are right, and that are polite."""

    right: list[float]
    polite: list[float]
    first: list[str]  # one sampled answer to each

    def __str__(self) -> str:
        return f"right {fmean(self.right):.1%}, polite {fmean(self.polite):.1%}"


def exam(model: Transformer | None = None, draws: int = 2, seed: int = 0, count: int = ASKED) -> Exam:
    """Sample a model's answers, or the chat model's, to 200 short held-out questions of a seed, at temperature 1."""
    model = model or models.sft()[0]
    tokenizer, asked = models.sft()[1], short_questions(EXAM + APART * seed, count, "held-out")
    said = [answer(model, tokenizer, asked, 1.0, None, seed + 100_000 * n, LONGEST) for n in range(draws)]
    of = [[each.text for each in row] for row in zip(*said, strict=True)]  # per question
    return Exam(
        [fmean(map(one.check, texts)) for one, texts in zip(asked, of, strict=True)],
        [fmean(map(polite, texts)) for texts in of],
        [texts[0] for texts in of],
    )

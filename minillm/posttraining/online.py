"""Learning from sampled answers: sample, score, raise the probability of the good ones, and sample again.

PPO, GRPO and REINFORCE share this; they differ in what they make of the scores (`Method.experience`) and in the loss.
Answers are sampled, scored and measured once. PPO and GRPO then use them for several updates, which is what their
clipping is for.
"""

import copy
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.data.batches import Shuffled
from minillm.data.chat import Prompt
from minillm.errors import UserError
from minillm.inference.native import unavailable
from minillm.inference.native_weights import misfit
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import save_merged
from minillm.posttraining.policy_gradient import adapted_kl_coef, kl_estimate, token_mean
from minillm.posttraining.rollout import Rollout, answer_hidden, log_probs_of_vectors, roll_out, score_answers
from minillm.posttraining.verifiers import TextReward, Verifier
from minillm.tokenizer import Tokenizer
from minillm.training.loop import Task, Update, fit, training_context
from minillm.training.metrics import Metrics
from minillm.training.run import OnMetrics, Run
from minillm.training.settings import Schedule, TrainConfig

Reward = Callable[[list[list[int]], list[list[int]]], Float[Tensor, "B"]]  # prompts and answers -> a score for each


@dataclass(frozen=True)
class PromptData:
    """Prompts, the tokens that end an answer, and the reward of an answer. Raises `UserError` for no prompts.

    >>> tokenizer = Tokenizer.train(["a"], 257, ["<|endoftext|>"])
    >>> data = PromptData.from_prompts(["1 + 1 = "], tokenizer, lambda prompt, answer: "2" in answer)
    >>> data.reward([list(data.prompts[0])], [tokenizer.encode("2")])
    tensor([1.])
    """

    prompts: Sequence[Sequence[int]]
    reward: Reward
    stop: Sequence[int] = ()

    @classmethod
    def from_prompts(
        cls, prompts: Sequence[Prompt], tokenizer: Tokenizer | None, reward: TextReward | None
    ) -> "PromptData":
        """From texts or conversations, and `reward(prompt, answer)`, which scores an answer as text.

        Raises `UserError` without a tokenizer, a reward or prompts.
        """
        if tokenizer is None or reward is None:
            missing = "a tokenizer" if tokenizer is None else "a reward"
            raise UserError(f"learning from answers to prompts needs {missing}; give tokenizer= and reward= by name")
        if not callable(reward):
            raise UserError(f"reward is {reward!r}; give a function of prompt and answer, both texts")
        checks = [(prompt, functools.partial(reward, prompt)) for prompt in prompts]
        verifier = Verifier(tokenizer, checks, must_end=False)
        return cls(verifier.prompts, verifier, [tokenizer.end_id])

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UserError("there are no prompts, so there is nothing to answer; give at least one")


@dataclass(frozen=True, kw_only=True)
class OnlineConfig(TrainConfig):
    """How much to sample, how far to move, and how strong the KL penalty is.

    A step is one round: sample, score, then `epochs` times all answers in minibatches. Raises `UserError` for a setting
    that makes no sense.
    """

    prompts_per_step: int
    answers_per_prompt: int
    max_new_tokens: int = 32  # of an answer
    epochs: int = 2  # times that each answer is learned from
    minibatch: int = 32  # answers per update
    schedule: Schedule = "wsd"
    warmup_steps: int = 3
    final_fraction: float = 0.1
    weight_decay: float = 0.0
    kl_coef: float  # points of reward per nat of KL from the reference
    target_kl: float | None = None  # nats per answer; kl_coef is adapted to meet it
    stop_kl: float = 0.1  # nats per token that the policy may move in one step before it samples anew
    clip: float = 0.2  # epsilon: how far a token's probability ratio may leave 1 and still be learned from
    clip_high: float | None = None  # upper clip, if it differs from `clip` (DAPO)
    seed: int = 0
    log_every: int = 1
    save_every: int = 10
    bf16: bool | None = False  # rounding to bfloat16 is not small beside the clip range

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("prompts_per_step", "answers_per_prompt", "max_new_tokens", "epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("stop_kl", "clip", "clip_high", "target_kl"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.accumulate != 1:
            raise UserError(f"accumulate is {self.accumulate}; PPO and GRPO need 1: raise minibatch for larger updates")
        if not 0 <= self.kl_coef < math.inf:
            raise UserError(f"kl_coef is {self.kl_coef}; it cannot be negative")
        if self.target_kl is not None and self.kl_coef == 0:
            raise UserError(
                f"target_kl is {self.target_kl} and kl_coef 0; target_kl scales kl_coef, so start with a positive one"
            )


@dataclass(frozen=True)
class Experience:
    """Sampled answers, their log-probabilities under the policy that sampled them and the reference, and advantages."""

    rollout: Rollout
    old: Float[Tensor, "B T"]  # log p of the policy that sampled them
    reference: Float[Tensor, "B T"]
    advantages: Float[Tensor, "B T"]
    values: Float[Tensor, "B T"] | Any = None  # before the updates (PPO)
    returns: Float[Tensor, "B T"] | Any = None

    @property
    def n_targets(self) -> int:
        """Tokens of the answers."""
        return int(self.rollout.mask.sum())

    def rows(self, picked: Int[Tensor, "_B"]) -> "Experience":
        """Some of the answers."""
        rollout = self.rollout.rows(picked)
        T = rollout.mask.shape[1]
        old, reference, advantages = (table[picked, :T] for table in (self.old, self.reference, self.advantages))
        expected = (None if table is None else table[picked, :T] for table in (self.values, self.returns))
        return Experience(rollout, old, reference, advantages, *expected)


class Method:
    """What PPO, GRPO and REINFORCE do differently: advantages from scores, and the loss.

    The model as it comes in is the reference that the KL is measured from. `module` is everything that learns: the
    model, and what a method adds (PPO's value head).
    """

    def __init__(self, model: Transformer, config: OnlineConfig):
        self.model, self.config = model, config
        self.reference = copy.deepcopy(model).requires_grad_(False).eval()
        self.module: nn.Module = model

    def experience(
        self,
        rollout: Rollout,
        scores: Float[Tensor, "B"],
        hidden: Float[Tensor, "B T C"],
        old: Float[Tensor, "B T"],
        reference: Float[Tensor, "B T"],
        kl_coef: float,
    ) -> tuple[Experience, Metrics]:
        """From scores of answers to advantages of tokens."""
        raise NotImplementedError

    def loss(
        self, part: Experience, hidden: Float[Tensor, "B T C"], log_probs: Float[Tensor, "B T"], kl_coef: float
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """The loss of some answers under the policy as it is now, and what it is made of."""
        raise NotImplementedError


class OnlineTask(Task):
    """A task of the training loop whose step is one round: sample answers, score them, then several updates."""

    def __init__(self, method: Method, data: PromptData):
        config = method.config
        prompts = Shuffled(len(data.prompts), config.prompts_per_step, config.seed)
        super().__init__(method.module, prompts, self.minibatch_loss, state={"kl_coef": config.kl_coef})
        self.method, self.data = method, data
        self.loss_parts: list[dict[str, Tensor]] = []  # of each loss of this step
        self.sampled = Metrics()  # what sampling measured in this step

    def updates(self, step: int, accumulate: int) -> Iterator[Sequence[Experience]]:
        """Round `step`: sample answers to some prompts, then yield them in minibatches, `epochs` times."""
        config = self.method.config
        seed = config.seed * 1_000_003 + step
        chosen = self.batches[step].tolist()  # the numbers of the prompts
        prompts = [list(self.data.prompts[n]) for n in chosen for _ in range(config.answers_per_prompt)]
        experience, self.sampled = sample(self.method, prompts, self.data, seed, self.state["kl_coef"])
        self.sampled["tokens"], self.loss_parts = experience.n_targets, []
        for rows in minibatches(len(prompts), config, seed):
            yield [experience.rows(rows.to(self.method.model.device))]

    def metrics(self, updates: Sequence[Update]) -> Metrics:
        """The metrics of a round: means over its updates, and what sampling measured; then the KL coefficient moves."""
        config = self.method.config
        if config.target_kl is not None:
            self.state["kl_coef"] = adapted_kl_coef(self.state["kl_coef"], self.sampled["kl"], config.target_kl)
        means: Any = {
            name: torch.stack([part[name] for part in self.loss_parts]).mean().item() for name in self.loss_parts[0]
        }
        return super().metrics(updates) | self.sampled | means | {"updates": len(updates)}

    def minibatch_loss(self, module: nn.Module, batch: Experience) -> Float[Tensor, ""] | None:
        """The method's loss of some answers; None if the policy has moved far enough in this step."""
        model, config, mask = self.method.model, self.method.config, batch.rollout.mask
        hidden = answer_hidden(model, batch.rollout)
        log_probs = log_probs_of_vectors(model.head, batch.rollout, hidden)
        policy_kl = token_mean(kl_estimate(batch.old, log_probs.detach()), mask)
        if self.loss_parts and policy_kl > config.stop_kl:  # never before the first update
            return None
        loss, parts = self.method.loss(batch, hidden, log_probs, self.state["kl_coef"])
        ratio = (log_probs.detach() - batch.old).exp()
        outside = (ratio < 1 - config.clip) | (ratio > 1 + (config.clip_high or config.clip))
        clipped = token_mean(outside.float(), mask)
        parts = {name: part.detach() for name, part in parts.items()}
        self.loss_parts.append({**parts, "clip_fraction": clipped, "policy_kl": policy_kl})
        return loss


def run_online(
    method: Method,
    data: PromptData | Sequence[Prompt],
    run_dir: str | Path | None,
    tokenizer: Tokenizer | None,
    on_metrics: OnMetrics,
    reward: TextReward | None = None,
) -> tuple[Transformer, list[Metrics]]:
    """Train by PPO, GRPO or REINFORCE; returns the model (trained in place) and the metrics of the run.

    `data` may be prompts, which need the `tokenizer` and a `reward` (`PromptData.from_prompts`).
    """

    def save_policy(module: nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
        save_merged(method.model, tokenizer, folder)

    if misfit(method.model) is None:
        unavailable()  # compiles the C step, which sampling then uses
    run = Run(method.config, run_dir, tokenizer, on_metrics, save_model=save_policy)
    if not isinstance(data, PromptData):
        data = PromptData.from_prompts(data, tokenizer, reward)
    elif reward is not None:
        raise UserError("the data have a reward already; leave out reward=, or give prompts instead of PromptData")

    return method.model, fit(OnlineTask(method, data), method.config, run)


def minibatches(n_answers: int, config: OnlineConfig, seed: int) -> Iterator[Int[Tensor, "_B"]]:
    """Rows of the answers for each update: `epochs` shuffled passes, cut into minibatches.

    Answers to one prompt stay together, since the prompt is then read once, except where a minibatch ends among them.
    """
    generator = torch.Generator().manual_seed(seed)
    groups = torch.arange(n_answers).view(-1, config.answers_per_prompt)
    orders = torch.cat([groups[torch.randperm(len(groups), generator=generator)] for _ in range(config.epochs)])
    yield from orders.flatten().split(config.minibatch)


def score(reward: Reward, prompts: list[list[int]], answers: list[list[int]]) -> Float[Tensor, "B"]:
    """The reward of each answer; raises `UserError` unless that is one finite number per answer."""
    scores = torch.as_tensor(reward(prompts, answers), dtype=torch.float32)
    if scores.shape != (len(answers),) or not scores.isfinite().all():
        raise UserError(
            f"the reward of {len(answers)} answers must be as many finite numbers; it is {scores.tolist()} "
            f"(shape {tuple(scores.shape)})"
        )
    return scores


@torch.no_grad()
def sample(
    method: Method, prompts: list[list[int]], data: PromptData, seed: int, kl_coef: float
) -> tuple[Experience, Metrics]:
    """Sample an answer per prompt, score them, and compute what the updates need."""
    model, config = method.model, method.config
    rollout = roll_out(model, prompts, config.max_new_tokens, data.stop, seed)
    scores = score(data.reward, rollout.prompts, rollout.answers).to(model.device)
    with training_context(config, model.device):  # as in the updates: a rounding would count as a move of the policy
        hidden = answer_hidden(model, rollout)
        old, entropy = score_answers(model, rollout, hidden)
        reference = log_probs_of_vectors(method.reference.head, rollout, answer_hidden(method.reference, rollout))
        experience, metrics = method.experience(rollout, scores, hidden, old, reference, kl_coef)
    stops, lengths = set(data.stop), rollout.mask.sum(1).float()
    metrics |= {
        "reward": scores.mean().item(),
        "kl": (old - reference).sum(1).mean().item(),
        "entropy": token_mean(entropy, rollout.mask).item(),
        "answer_length": lengths.mean().item(),
        "ended": sum(answer[-1] in stops for answer in rollout.answers) / len(prompts),
    }
    return experience, metrics

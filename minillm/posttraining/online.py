"""Learning from one's own answers: draw some, have them scored, make the good ones likelier, and draw again.

PPO and GRPO are this loop; they differ in what they make of the scores (`Method.judge`) and in the loss. Answers are
drawn, scored and measured once and then used for several updates, which is what both have their clipping for.
"""

import copy
import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from minillm.config import check_types
from minillm.data.batches import Shuffled
from minillm.errors import UserError
from minillm.model.transformer import Transformer
from minillm.posttraining.adapter import save_merged
from minillm.posttraining.policy_gradient import adapted_kl_coef, kl_estimate, token_mean
from minillm.posttraining.rollout import Rollout, answer_hidden, roll_out, score_answers
from minillm.tokenizer import Tokenizer
from minillm.training.checkpoint import CHECKPOINT, Progress, load_latest, save_checkpoint
from minillm.training.loop import Metrics, interrupt_after_step, surviving_a_full_disk
from minillm.training.optim import make_optimizer
from minillm.training.run import RunFolder, follow, saving
from minillm.training.schedule import learning_rate

Reward = Callable[[list[list[int]], list[list[int]]], Float[Tensor, "B"]]  # prompts and answers -> a score for each


@dataclass(frozen=True)
class PromptData:
    """What is asked, which tokens end an answer, and what an answer is worth. Raises `ValueError` for no prompts."""

    prompts: Sequence[Sequence[int]]
    reward: Reward
    stop: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UserError("there are no prompts, so there is nothing to answer; give at least one")


@dataclass(frozen=True, kw_only=True)
class OnlineConfig:
    """How much to ask, how far to go, what it costs to leave the reference. Raises `ValueError` for nonsense."""

    steps: int  # rounds of asking and learning
    prompts_per_step: int
    answers_per_prompt: int
    max_new_tokens: int = 32  # of an answer
    epochs: int = 2  # times that each answer is learnt from
    minibatch: int = 32  # answers an update
    learning_rate: float
    warmup_steps: int = 3  # rounds until it is reached
    kl_coef: float  # the price of a nat of KL from the reference, in units of the reward
    target_kl: float | None = None  # nats an answer; adapts kl_coef to be met
    stop_kl: float = 0.1  # nats a token that the policy may move in one round; then it draws anew
    clip: float = 0.2  # how far the probability of a token may move in one round and still be pushed on
    clip_norm: float = 1.0  # longest gradient that is taken as it is
    seed: int = 0
    save_every: int = 10  # steps between two checkpoints; the last step always has one

    def __post_init__(self) -> None:
        check_types(self)
        counts = ("steps", "prompts_per_step", "answers_per_prompt", "max_new_tokens", "epochs", "minibatch")
        for name in (*counts, "save_every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("learning_rate", "stop_kl", "clip", "clip_norm", "target_kl"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)}; it must be positive")
        if self.warmup_steps < 0:
            raise UserError(f"warmup_steps is {self.warmup_steps}; it cannot be negative")
        if not 0 <= self.kl_coef < math.inf:
            raise UserError(f"kl_coef is {self.kl_coef}; it cannot be negative")
        if self.target_kl is not None and self.kl_coef == 0:
            raise UserError("target_kl is given and kl_coef is 0, which no factor changes; start with a positive one")

    def progress(self, step: int, seconds: float) -> float:
        """The share of the run that is over after `step` rounds, however long they took."""
        return step / self.steps


@dataclass(frozen=True)
class Experience:
    """Answers, what the policy that drew them and the reference thought of each token, and what a method adds."""

    rollout: Rollout
    old: Float[Tensor, "B T"]  # log p of the policy that drew them
    reference: Float[Tensor, "B T"]
    advantages: Float[Tensor, "B T"]
    values: Float[Tensor, "B T"] | Any = None  # before the updates (PPO)
    returns: Float[Tensor, "B T"] | Any = None

    def rows(self, picked: Int[Tensor, "_B"]) -> "Experience":
        """Some of the answers."""
        rollout = self.rollout.rows(picked)
        T = rollout.counts.shape[1]
        old, reference, advantages = (table[picked, :T] for table in (self.old, self.reference, self.advantages))
        expected = (None if table is None else table[picked, :T] for table in (self.values, self.returns))
        return Experience(rollout, old, reference, advantages, *expected)


class Method:
    """What PPO and GRPO do differently, and whom they do it to.

    The model as it comes in is the reference that the KL is measured from. `module` is all that learns: the model, and
    what a method puts beside it.
    """

    def __init__(self, model: Transformer, config: OnlineConfig):
        self.model, self.config = model, config
        self.reference = copy.deepcopy(model).requires_grad_(False).eval()
        self.module: nn.Module = model

    def judge(
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


def run_online(
    method: Method,
    data: PromptData,
    run_dir: str | Path | None,
    tokenizer: Tokenizer | None,
    on_metrics: Callable[[Metrics], None],
) -> tuple[Transformer, list[Metrics]]:
    """Run `improve` to its end and keep all of it in `run_dir`, if there is one; returns the model and the metrics."""
    save_to = saving(save_merged, run_dir, tokenizer)
    folder = None if run_dir is None else RunFolder(Path(run_dir), method.config)
    checkpoint = folder and folder.path / CHECKPOINT
    keep = (lambda: save_to(method.model, folder.path)) if folder else (lambda: None)
    with closing(improve(method, data, checkpoint, keep)) as lines:
        return method.model, follow(lines, method.module, folder, on_metrics)


def improve(
    method: Method,
    data: PromptData,
    checkpoint: Path | None = None,
    on_checkpoint: Callable[[], None] = lambda: None,
) -> Generator[Metrics, None, None]:
    """Ask, score and learn for the method's `steps` rounds; yield a line of metrics after each.

    A line holds step, tokens (of answers drawn so far), seconds, reward (mean score), kl (nats an answer, from the
    reference), kl_coef, entropy (nats a token), answer_length (tokens), ended (the share of answers that a stop token
    closed), and means over the round's updates: loss, policy_loss, clip_fraction, policy_kl (nats a token that the
    policy moved), grad_norm; updates, how many there were; learning_rate; and what the method adds.
    With `checkpoint`, state is saved there every `save_every` steps, and a file that is there is gone on from, with the
    same answers and losses; the reference must then be what it was when the run began. Ctrl-C waits for the end of the
    round, saves, and raises `KeyboardInterrupt`. Raises `FloatingPointError` at a loss that is no number. A checkpoint
    that cannot be written, on a full disk, is a warning, except the last one: that raises `OSError`.
    """
    config = method.config
    optimizer = make_optimizer("adamw", method.module, config.learning_rate, weight_decay=0.0)
    progress: Progress = {"step": 0, "tokens": 0, "seconds": 0.0, "kl_coef": config.kl_coef}
    if checkpoint and checkpoint.exists():
        progress = load_latest(checkpoint, method.module, optimizer)
    start = time.perf_counter() - progress["seconds"]
    prompts = Shuffled(len(data.prompts), config.prompts_per_step, config.seed)
    with interrupt_after_step() as interrupted:
        while progress["step"] < config.steps:
            step, kl_coef = progress["step"], progress["kl_coef"]
            rate = learning_rate("wsd", config.learning_rate, step, step / config.steps, config.warmup_steps, 0.1)
            asked = [list(data.prompts[n]) for n in prompts[step].tolist() for _ in range(config.answers_per_prompt)]
            seed = config.seed * 1_000_003 + step
            experience, metrics = ask(method, asked, data, seed, kl_coef)
            try:
                learnt = learn(method, optimizer, experience, rate, seed, kl_coef)
            except FloatingPointError as error:
                raise FloatingPointError(f"step {step}: {error}") from None
            if config.target_kl is not None:
                kl_coef = adapted_kl_coef(kl_coef, metrics["kl"], config.target_kl)
            tokens = progress["tokens"] + int(experience.rollout.counts.sum())
            progress = {"step": step + 1, "tokens": tokens, "seconds": time.perf_counter() - start, "kl_coef": kl_coef}
            line = {"kl_coef": progress["kl_coef"], "learning_rate": rate, **metrics, **learnt}
            yield progress | line | {"seconds": round(progress["seconds"], 3)}
            stopped = interrupted()
            last = step + 1 == config.steps
            if checkpoint and (stopped or last or (step + 1) % config.save_every == 0):
                with surviving_a_full_disk(step + 1, must_save=last or stopped):
                    on_checkpoint()
                    save_checkpoint(checkpoint, method.module, optimizer, progress)
            if stopped:
                raise KeyboardInterrupt


def score(reward: Reward, prompts: list[list[int]], answers: list[list[int]]) -> Float[Tensor, "B"]:
    """What a reward says of answers; raises `ValueError` unless that is one finite number for each."""
    scores = torch.as_tensor(reward(prompts, answers), dtype=torch.float32)
    if scores.shape != (len(answers),) or not scores.isfinite().all():
        raise UserError(
            f"the reward of {len(answers)} answers must be as many finite numbers; it is {scores.tolist()} "
            f"(shape {tuple(scores.shape)})"
        )
    return scores


@torch.no_grad()
def ask(
    method: Method, prompts: list[list[int]], data: PromptData, seed: int, kl_coef: float
) -> tuple[Experience, Metrics]:
    """Answers to the prompts, scored, with all that an update needs to know of them."""
    model = method.model
    rollout = roll_out(model, prompts, method.config.max_new_tokens, data.stop, seed)
    scores = score(data.reward, rollout.prompts, rollout.answers).to(model.device)
    hidden = answer_hidden(model, rollout)
    old, entropy = score_answers(model, rollout, hidden)
    before, _ = score_answers(method.reference, rollout)
    experience, metrics = method.judge(rollout, scores, hidden, old, before, kl_coef)
    stops, lengths = set(data.stop), rollout.counts.sum(1).float()
    return experience, {
        "reward": scores.mean().item(),
        "kl": (old - before).sum(1).mean().item(),
        "entropy": token_mean(entropy, rollout.counts).item(),
        "answer_length": lengths.mean().item(),
        "ended": sum(answer[-1] in stops for answer in rollout.answers) / len(prompts),
        **metrics,
    }


def learn(
    method: Method, optimizer: torch.optim.Optimizer, experience: Experience, rate: float, seed: int, kl_coef: float
) -> Metrics:
    """The updates of one round: `epochs` times all answers in shuffled minibatches, or until `stop_kl` is passed.

    Answers to one prompt stay together, as they share the work of reading it, but where a minibatch ends among them.
    """
    model, config = method.model, method.config
    for group in optimizer.param_groups:
        group["lr"] = rate
    generator = torch.Generator().manual_seed(seed)
    groups = torch.arange(len(experience.rollout.prompts)).view(-1, config.answers_per_prompt)
    orders = torch.cat([groups[torch.randperm(len(groups), generator=generator)] for _ in range(config.epochs)])
    lines: list[dict[str, Tensor]] = []
    for picked in orders.flatten().split(config.minibatch):
        part = experience.rows(picked.to(model.device))
        hidden = answer_hidden(model, part.rollout)
        log_probs, _ = score_answers(model, part.rollout, hidden)
        counts = part.rollout.counts
        moved = token_mean(kl_estimate(part.old, log_probs.detach()), counts)
        if lines and moved > config.stop_kl:
            break
        loss, parts = method.loss(part, hidden, log_probs, kl_coef)
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"the loss became {loss.item()} at learning rate {rate:.2g}; lower it")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        grad_norm = nn.utils.clip_grad_norm_(method.module.parameters(), config.clip_norm)
        if not math.isfinite(grad_norm.item()):  # clipped, it would be no number in every weight
            raise FloatingPointError(
                f"the gradient's norm became {grad_norm.item()} at learning rate {rate:.2g}; lower it"
            )
        optimizer.step()
        clipped = token_mean((((log_probs.detach() - part.old).exp() - 1).abs() > config.clip).float(), counts)
        lines.append({"loss": loss, **parts, "clip_fraction": clipped, "policy_kl": moved, "grad_norm": grad_norm})
    means = {name: torch.stack([line[name].detach() for line in lines]).mean().item() for name in lines[0]}
    return means | {"updates": len(lines)}

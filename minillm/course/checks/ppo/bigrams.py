"""A language model so small that all of its answers can be listed: a table of logits per token before.

The prompt is the token 0, and an answer has three tokens. So mean reward and KL are exact sums, without any sampling.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

LENGTH = 3  # tokens of an answer
STEPS = 200  # of Adam for each beta
HALVINGS = 14  # of the interval of beta
RATE = 0.1


@dataclass(frozen=True)
class Task:
    """A reference (V, V), rewards (V, V, V) of all answers, and a limit of the KL in nats, as bytes."""

    reference: bytes
    rewards: bytes
    limit: float

    @cached_property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits (V, V), and rewards (V ** 3,)."""
        reference = np.frombuffer(self.reference)
        V = round(len(reference) ** 0.5)
        return reference.reshape(V, V), np.frombuffer(self.rewards)

    @cached_property
    def steps(self) -> tuple[np.ndarray, np.ndarray]:
        """How often each answer goes from token a to token b (V ** 3, V * V), and leaves token a (V ** 3, V)."""
        V = len(self.tables[0])
        moves = np.zeros((V,) * LENGTH + (V, V))
        for answer in np.ndindex((V,) * LENGTH):
            for before, token in zip((0, *answer), answer, strict=False):
                moves[(*answer, before, token)] += 1
        moves = moves.reshape(V**LENGTH, V, V)
        return moves.reshape(V**LENGTH, -1), moves.sum(2)

    def log_probs(self, logits: np.ndarray) -> np.ndarray:
        """Of all answers (V ** 3,)."""
        return self.steps[0] @ log_softmax(logits).ravel()

    def measured(self, logits: np.ndarray) -> tuple[float, float]:
        """The mean reward, and KL(policy, reference) in nats per answer.

        >>> reference, rewards = torch.zeros(2, 2).double(), torch.zeros(2, 2, 2).double()
        >>> rewards[0, 0, 0] = 8.0
        >>> here = task(reference, rewards, 0.1)
        >>> tuple(round(x, 6) for x in here.measured(here.tables[0]))
        (1.0, 0.0)
        """
        ours, theirs = self.log_probs(logits), self.log_probs(self.tables[0])
        chances = np.exp(ours)
        return float(chances @ self.tables[1]), float(chances @ (ours - theirs))

    def trained(self, logits: np.ndarray, beta: float) -> np.ndarray:
        """Logits after `STEPS` of Adam on mean reward / its spread - beta KL, with the gradient in closed form."""
        moves, visits = self.steps
        rewards, theirs = self.tables[1] / self.tables[1].std(), self.log_probs(self.tables[0])
        first = second = np.zeros_like(logits)
        for step in range(1, STEPS + 1):
            per_token = log_softmax(logits)
            ours = moves @ per_token.ravel()
            weights = np.exp(ours) * (rewards - beta * (ours - theirs))
            weights = weights - np.exp(ours) * weights.sum()
            gradient = (moves.T @ weights).reshape(logits.shape) - (visits.T @ weights)[:, None] * np.exp(per_token)
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            scale = np.sqrt(second / (1 - 0.999**step)) + 1e-8
            logits = logits + RATE * first / (1 - 0.9**step) / scale
        return logits

    @cached_property
    def best(self) -> np.ndarray:
        """Logits of a policy that has spent its limit: beta is found by halving an interval."""
        low, high, found = -3.0, 2.0, self.tables[0]  # powers of ten
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            policy = self.trained(self.tables[0], 10**middle)
            fits = self.measured(policy)[1] <= self.limit
            low, high, found = (low, middle, policy) if fits else (middle, high, found)
        return found

    def share(self, logits: np.ndarray) -> float:
        """The gain in mean reward, in units of what the best policy gains."""
        start = self.measured(self.tables[0])[0]
        return (self.measured(logits)[0] - start) / (self.measured(self.best)[0] - start)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def task(reference: Tensor, rewards: Tensor, limit: float) -> Task:
    """The task of a call; equal calls give the same object, which remembers what it has found."""
    return _task(reference.double().numpy().tobytes(), rewards.double().numpy().tobytes(), float(limit))


@lru_cache(maxsize=256)
def _task(reference: bytes, rewards: bytes, limit: float) -> Task:
    return Task(reference, rewards, limit)


def train_within(reference: Tensor, rewards: Tensor, limit: float) -> Tensor:
    """A right answer: logits (V, V) of a policy with nearly the highest mean reward within the limit."""
    return torch.from_numpy(task(reference, rewards, limit).best.copy())

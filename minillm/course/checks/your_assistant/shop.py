"""A model so small that its forward pass is one product: which words a prompt has, times a table of weights.

Its everyday prompts and the orders of a shop share some words, as those of a language model share features. So what it
learns about orders changes its everyday answers, too, and both can be measured on any number of fresh prompts.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

COMMON, EVERYDAY, SHOP = 6, 8, 8  # words: of both kinds, of everyday prompts, of orders
WORDS, ANSWERS = COMMON + EVERYDAY + SHOP, 6
OFTEN_OLD = np.array([0.5] * COMMON + [0.4] * EVERYDAY + [0.05] * SHOP)  # the share of everyday prompts with a word
OFTEN_NEW = np.array([0.5] * COMMON + [0.05] * EVERYDAY + [0.4] * SHOP)
N_NEW, N_FRESH = 40, 1500
SCALE, RARE = 1.5, 0.3  # of weights; those of words that hardly occur are smaller
UPDATES, RATE = 200, 0.8
HALVINGS, HIGHEST = 6, 0.99  # of the share of the loss that rehearsal has
FOLDS = 4


@dataclass(frozen=True)
class Task:
    """All that belongs to a table of old weights, given as bytes: the weights are what everything is drawn from."""

    weights: bytes

    @cached_property
    def old_weights(self) -> np.ndarray:
        """(22, 6)"""
        return np.frombuffer(self.weights).reshape(WORDS, ANSWERS)

    def generator(self, part: str) -> np.random.Generator:
        """Random numbers for a part of the task."""
        return np.random.default_rng([*hashlib.sha256(self.weights + part.encode()).digest()])

    def everyday(self, part: str, n: int) -> np.ndarray:
        """n everyday prompts (n, 22): 1 for each word that occurs."""
        return (self.generator(part).random((n, WORDS)) < OFTEN_OLD).astype(float)

    def orders(self, part: str, n: int) -> tuple[np.ndarray, np.ndarray]:
        """n orders (n, 22), and their right answers (n,), which are 3, 4 or 5."""
        truth = SCALE * self.generator("truth").normal(size=(WORDS, ANSWERS // 2))
        truth[: COMMON + EVERYDAY] *= RARE
        prompts = (self.generator(part).random((n, WORDS)) < OFTEN_NEW).astype(float)
        return prompts, (prompts @ truth).argmax(1) + ANSWERS // 2

    @cached_property
    def fresh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Everyday prompts, orders and their answers that nobody was given."""
        return self.everyday("fresh", N_FRESH), *self.orders("fresh orders", N_FRESH)

    def measured(self, weights: np.ndarray) -> tuple[float, float]:
        """The share of old answers that are kept, and of orders that are right, on fresh prompts.

        >>> here = task(torch.zeros(22, 6).double())
        >>> kept, right = here.measured(here.old_weights)
        >>> kept, right                                      # all answers are 0, which no order has
        (1.0, 0.0)
        """
        old, new, labels = self.fresh
        kept = (old @ weights).argmax(1) == (old @ self.old_weights).argmax(1)
        return float(kept.mean()), float(((new @ weights).argmax(1) == labels).mean())

    @cached_property
    def alone(self) -> tuple[float, float]:
        """What is kept and what is right after a training on the given orders alone."""
        return self.measured(trained(self.old_weights, self.everyday("old", 1), *self.orders("new", N_NEW), 0.0))

    def best(self, n_old: int, keep: float) -> tuple[float, np.ndarray]:
        """The smallest share of rehearsal that keeps enough on the fresh prompts, found by halving, and its weights."""
        if (n_old, keep) not in self.found:
            given = self.everyday("old", n_old), *self.orders("new", N_NEW)
            low, high, found = 0.0, HIGHEST, None
            for _ in range(HALVINGS):
                share = (low + high) / 2
                weights = trained(self.old_weights, *given, share)
                enough = self.measured(weights)[0] >= keep
                low, high, found = (low, share, weights) if enough else (share, high, found)
            self.found[n_old, keep] = high, trained(self.old_weights, *given, HIGHEST) if found is None else found
        return self.found[n_old, keep]

    def after(self, n_old: int, share: float) -> tuple[float, float]:
        """What is kept and what is right, on fresh prompts, after training with a share of rehearsal."""
        given = self.everyday("old", n_old), *self.orders("new", N_NEW)
        return self.measured(trained(self.old_weights, *given, share))

    def gap(self, n_old: int, share: float) -> float:
        """How far what is kept of the given prompts is from what is kept of fresh ones, if others are rehearsed."""
        others, old = self.everyday("others", n_old), self.everyday("old", n_old)
        weights = trained(self.old_weights, others, *self.orders("new", N_NEW), share)
        kept = ((old @ weights).argmax(1) == (old @ self.old_weights).argmax(1)).mean()
        return abs(float(kept) - self.measured(weights)[0])

    def left_out(self, n_old: int, share: float) -> float:
        """What is kept of prompts that weren't rehearsed: each of `FOLDS` parts is left out once."""
        old, new = self.everyday("old", n_old), self.orders("new", N_NEW)
        part, same = np.arange(n_old) % FOLDS, 0
        for left in range(FOLDS):
            weights, rest = trained(self.old_weights, old[part != left], *new, share), old[part == left]
            same += ((rest @ weights).argmax(1) == (rest @ self.old_weights).argmax(1)).sum()
        return same / n_old

    @cached_property
    def found(self) -> dict[tuple[int, float], tuple[float, np.ndarray]]:
        """What `best` has found."""
        return {}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis; one maximum for all rows, whose logits are near each other."""
    powers = np.exp(logits - logits.max())
    return powers / (powers @ np.ones(ANSWERS))[:, None]  # a product adds six numbers faster than `sum` does


def trained(weights: np.ndarray, old: np.ndarray, new: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Weights after `UPDATES` on orders and, with a `share` of the loss, on the model's own old answers."""
    tuned, kept, right = weights, softmax(old @ weights), np.eye(ANSWERS)[labels]
    for _ in range(UPDATES):
        gradient = (1 - share) * new.T @ (softmax(new @ tuned) - right) / len(new)
        if share:
            gradient += share * old.T @ (softmax(old @ tuned) - kept) / len(old)
        tuned = tuned - RATE * gradient
    return tuned


def task(weights: Tensor) -> Task:
    """The task of a table of old weights; equal tables give the same object, which remembers what it has found."""
    return _task(weights.double().numpy().tobytes())


@lru_cache(maxsize=256)
def _task(weights: bytes) -> Task:
    return Task(weights)


def learn_and_keep(weights: Tensor, old: Tensor, new: Tensor, labels: Tensor, keep: float) -> Tensor:
    """A right answer: weights (22, 6) that have learned as much as rehearsal allows, and keep enough."""
    return torch.from_numpy(task(weights).best(len(old), keep)[1].copy())

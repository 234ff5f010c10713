"""10b.2: a policy trained under a limit of its KL, judged by what it earns on other tasks.

Ziegler et al. 2019 ("Fine-tuning language models from human preferences") let beta follow the measured KL. Any other
way is right, too, if the policy ends within the limit, with nearly all of the gain that the limit allows.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.ppo.bigrams import Task, log_softmax, task, train_within
from minillm.course.checks.question import Question

TOLERANCE = 1.01  # times the limit
SOME, MOST = 0.5, 0.95  # of the gain that the limit allows
LIMITS = (0.05, 0.4)  # nats per answer; each draw has both


def logits_of(call: Call, got: Any) -> np.ndarray | None:
    """The table that was returned, if it's one of finite numbers and of the reference's shape."""
    table = as_tensor(got)
    if table is None or table.shape != call[0].shape or not table.isfinite().all():
        return None
    return table.double().numpy()


def fault(call: Call, got: Any, needed: float) -> str | None:
    """What is wrong with a policy: its form, its KL, or its reward."""
    logits, here = logits_of(call, got), task(*call)
    if logits is None:
        V = len(call[0])
        return f"isn't a table of {V} x {V} finite logits"
    _, kl = here.measured(logits)
    if kl > TOLERANCE * here.limit:
        return f"is {kl:.3g} nats from the reference, and the limit is {here.limit:g}"
    share = here.share(logits)
    return None if share >= needed else f"has {share:.0%} of the gain that {here.limit:g} nats allow ({kl:.3g} used)"


def _draw(rng: random.Random, sizes: tuple[int, int], scale: float = 1.0, offset: float = 0.0) -> list[Call]:
    """A task with a low limit and one with a high limit, with rewards that differ from answer to answer."""
    calls = []
    for V, limit in zip(sizes, LIMITS, strict=True):
        rewards = numbers(rng, V, V, V).double() * scale + offset
        calls.append((numbers(rng, V, V).double(), rewards, limit))
    return calls


def _units(rng: random.Random) -> list[Call]:
    """Rewards in thousandths around a hundred, and in hundreds."""
    small, _ = _draw(rng, (4, 4), scale=0.001, offset=100.0)
    _, large = _draw(rng, (4, 4), scale=300.0, offset=-1000.0)
    return [small, large]


def _reverse(here: Task, logits: np.ndarray) -> float:
    """KL(reference, policy), in nats."""
    theirs, ours = here.log_probs(here.tables[0]), here.log_probs(logits)
    return float(np.exp(theirs) @ (theirs - ours))


def _rows(here: Task, logits: np.ndarray) -> np.ndarray:
    """KL of each row (V,), in nats per token."""
    ours, theirs = log_softmax(logits), log_softmax(here.tables[0])
    return (np.exp(ours) * (ours - theirs)).sum(1)


def _centred(table: np.ndarray) -> np.ndarray:
    """Logits without what the softmax of a row ignores."""
    return table - table.mean(1, keepdims=True)


MEASURES: dict[str, Callable[[Task, np.ndarray], float]] = {
    "It's KL(reference, policy) that is at the limit, not KL(policy, reference).": _reverse,
    "It's the KL per token that is at the limit; the limit is per answer, three tokens.": lambda here, logits: (
        here.measured(logits)[1] / 3
    ),
    "It's the KL in bits that is at the limit, which is in nats.": lambda here, logits: (
        here.measured(logits)[1] / np.log(2)
    ),
    "It's the KL of the first token that is at the limit, not that of the whole answer.": lambda here, logits: float(
        _rows(here, logits)[0]
    ),
    "It's the mean over the table's rows that is at the limit; the KL of an answer adds up what its tokens add.": (
        lambda here, logits: float(_rows(here, logits).mean())
    ),
    "It's the distance of the logits (the sum of their squares) that is at the limit, not the KL.": (
        lambda here, logits: float((_centred(logits - here.tables[0]) ** 2).sum())
    ),
}
KL_HINT = "KL(policy, reference) = Σ over all answers of p (log p - log p_ref); p of an answer is a product of three."
FORMS: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "These are probabilities, not logits.": ("Return the logits, or the logarithms.", lambda got, ref: np.log(got)),
    "The table is transposed.": ("Row a has the logits of what comes after token a.", lambda got, ref: got.T),
    "The difference from the reference's logits is returned, not the policy's logits.": (
        "Add the reference's logits.",
        lambda got, ref: ref + got,
    ),
}


def explain(calls: list[Call], right: list[Any], got: list[Any], needed: float) -> tuple[str, str, int] | None:
    """What the policies have in common: their form, the measure that is at the limit, or a brake that doesn't fit."""
    tables = [logits_of(call, each) for call, each in zip(calls, got, strict=True)]
    first = next(index for index, (call, each) in enumerate(zip(calls, got, strict=True)) if fault(call, each, needed))
    if any(table is None for table in tables):
        index = next(index for index, table in enumerate(tables) if table is None)
        V = len(calls[index][0])
        return f"The result isn't a table of {V} x {V} finite logits.", "Return the policy's table alone.", index
    logits, tasks = [table for table in tables if table is not None], [task(*call) for call in calls]
    for sentence, (hint, form) in FORMS.items():
        with np.errstate(all="ignore"):
            others = [form(table, here.tables[0]) for table, here in zip(logits, tasks, strict=True)]
        if not any(
            fault(call, torch.from_numpy(other.copy()), needed) for call, other in zip(calls, others, strict=True)
        ):
            return sentence, hint, first
    used = [here.measured(table)[1] / here.limit for here, table in zip(tasks, logits, strict=True)]
    shares = [here.share(table) for here, table in zip(tasks, logits, strict=True)]
    if all(abs(each) < 1e-9 for each in used):
        return "The policy is the reference: nothing has been learned.", "Does the loop change the logits?", first
    if all(share < 0 for share in shares):
        return "The mean reward falls.", "Go up along its gradient: `logits + rate * gradient`.", first
    if not all(0.85 <= each <= TOLERANCE for each in used):
        for sentence, measure in MEASURES.items():
            ratios = [measure(here, table) / here.limit for here, table in zip(tasks, logits, strict=True)]
            if all(0.9 <= ratio <= 1.02 for ratio in ratios):
                return sentence, KL_HINT, first
    return (*_brake(used, shares, needed), first)


def _brake(used: list[float], shares: list[float], needed: float) -> tuple[str, str]:
    """Too far, not far enough, or far enough for less than it could buy."""
    if max(used) > TOLERANCE and max(used) > 1.5 * min(used):
        several = ", ".join(f"{each:.0%}" for each in used)
        sentence = f"One setting of the brake doesn't fit all tasks: the KL is {several} of its limit."
        return sentence, "Measure the KL after a training, or while it runs, and let beta follow it."
    if max(used) > TOLERANCE:
        return "The KL is over the limit.", "Measure it once more at the end, exactly, on what you return."
    index = next(index for index, share in enumerate(shares) if share < needed)
    if used[index] < 0.8:
        sentence = f"Only {used[index]:.0%} of the KL is used, and so {shares[index]:.0%} of the gain is reached."
        return sentence, "A smaller beta goes further. Find the one whose KL just fits."
    sentence = (
        f"The KL is used up, and {shares[index]:.0%} of the gain is reached: another policy with this KL has more."
    )
    return sentence, (
        "An early stop is a brake, too, and so is a mixture with the reference; neither asks which KL pays. "
        "Subtract beta · KL from the mean reward, and train until nothing changes."
    )


question = Question("10b.2", "The most reward within a KL limit", train_within)
for _name, _inputs, _needed, _kinds in (
    ("within the limit, with half of the gain", lambda rng: _draw(rng, (3, 4)), SOME, ("3 tokens", "4 tokens")),
    ("95% of the gain that the limit allows", lambda rng: _draw(rng, (4, 4)), MOST, ("a low limit", "a high limit")),
    ("the same, with rewards in other units", _units, MOST, ("rewards in thousandths", "rewards in hundreds")),
):
    question.probe(
        _name,
        _inputs,
        partial(explain, needed=_needed),
        kinds=_kinds,
        judge=partial(fault, needed=_needed),
    )

"""14.2: a model learns new answers within a limit of what it may forget, judged by both on fresh prompts.

Rehearsal of a network's own old answers is in Robins 1995 ("Catastrophic forgetting, rehearsal and pseudorehearsal").
Any other way is right, too, if enough is kept, and nearly as much is learned as rehearsal allows.
"""

import random
from functools import partial
from typing import Any

import numpy as np
import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question
from minillm.course.checks.your_assistant.shop import (
    ANSWERS,
    COMMON,
    EVERYDAY,
    N_NEW,
    RARE,
    SCALE,
    WORDS,
    learn_and_keep,
    task,
)

FORGIVEN = {400: 0.04, 100: 0.06}  # of the share that must be kept, by the number of everyday prompts
SOME, MOST = 0.7, 0.9  # of the orders that the best mixture gets right
LIMITS = (0.65, 0.85)  # shares of the old answers to keep; each draw has both
USUAL = (0.15, 0.75)  # shares of the loss that old answers need for these limits, about
FORGETS = 0.55  # at most so much is kept by a training on orders alone, in the tasks that are drawn
AGREES = 0.02  # at most so far apart is what is kept of given prompts that weren't rehearsed, and of fresh ones
STEP = 0.035  # a search that ends so far above the best share learns enough, too
LOST = 0.4  # of the old answers: a table that keeps fewer isn't the old weights, changed a little
SHAPE = f"a table of {WORDS} x {ANSWERS} finite numbers"


def table_of(got: Any) -> np.ndarray | None:
    """The weights that were returned, if they are a table of finite numbers and of the right shape."""
    table = as_tensor(got)
    if table is None or table.shape != (WORDS, ANSWERS) or not table.isfinite().all():
        return None
    return table.double().numpy()


def shares(call: Call, weights: np.ndarray) -> tuple[float, float]:
    """What is kept of the old answers, and learned of what the best mixture learns; both on fresh prompts."""
    here, keep = task(call[0]), call[4]
    kept, right = here.measured(weights)
    return kept, right / here.measured(here.best(len(call[1]), keep)[1])[1]


def given(call: Call, weights: np.ndarray) -> tuple[float, float]:
    """The shares of old answers that are kept, and of orders that are right, among the prompts that were given."""
    start, old, new, labels = (each.numpy() for each in call[:4])
    kept = (old @ weights).argmax(1) == (old @ start).argmax(1)
    return float(kept.mean()), float(((new @ weights).argmax(1) == labels).mean())


def least(call: Call) -> float:
    """The share of old answers that must be kept, less what is forgiven."""
    return call[4] - FORGIVEN[len(call[1])]


def fault(call: Call, got: Any, needed: float) -> str | None:
    """What is wrong with new weights: their form, what they have forgotten, or what they haven't learned."""
    weights = table_of(got)
    if weights is None:
        return f"isn't {SHAPE}"
    kept, learned = shares(call, weights)
    if kept < least(call):
        return f"keeps {kept:.0%} of the old answers on fresh prompts, and {call[4]:.0%} are asked for"
    if learned < needed:
        return f"keeps {kept:.0%} of the old answers, but gets {learned:.0%} of the fresh orders that the best one gets"
    return None


def _draw(rng: random.Random, n_old: int, unusual: bool = False) -> list[Call]:
    """Two tasks in which training on orders forgets, and prompts that were left out tell what is kept of others.

    If `unusual`, the usual mixture keeps too little in one of them, and a share of `keep` learns too little in the
    other, so that no mixture can be known beforehand.
    """
    calls: list[Call] = []
    needs_more = rng.randrange(len(LIMITS)) if unusual else None
    while len(calls) < len(LIMITS):
        weights = SCALE * numbers(rng, WORDS, ANSWERS).double()
        weights[COMMON + EVERYDAY :] *= RARE
        here, keep, usual = task(weights), LIMITS[len(calls)], USUAL[len(calls)]
        if here.alone[0] > FORGETS:
            continue
        if len(calls) == needs_more and here.after(n_old, usual)[0] > keep - FORGIVEN[n_old] - 0.005:
            continue
        if here.gap(n_old, usual) > AGREES:
            continue
        share, best = here.best(n_old, keep)
        right, right_beyond = here.measured(best)[1], here.after(n_old, share + STEP)[1]
        if needs_more == 1 - len(calls) and here.after(n_old, keep)[1] > (MOST - 0.01) * right:
            continue
        if right_beyond > (MOST + AGREES) * right and abs(here.left_out(n_old, share) - keep) < AGREES:
            prompts = (here.everyday("old", n_old), *here.orders("new", N_NEW))
            calls.append((weights, *(torch.from_numpy(each.copy()) for each in prompts), keep))
    return calls


REHEARSE = "Mix the model's own old answers in: `(old @ weights).softmax(1)`, with the weights before training."
BALANCE = "Give the orders more weight in the loss, or more updates."
FOLLOW = (
    "The right mixture depends on `keep` and on the task. Train with several, measure what each keeps, on prompts that "
    "it hasn't rehearsed, and return the one that keeps just enough."
)


def explain(calls: list[Call], right: list[Any], got: list[Any], needed: float) -> tuple[str, str, int] | None:
    """What the weights have in common: their form, or what they have forgotten or not learned, and of which prompts."""
    pairs = list(zip(calls, got, strict=True))
    first = next(index for index, pair in enumerate(pairs) if fault(*pair, needed))
    tables = [table_of(each) for each in got]
    for index, table in enumerate(tables):
        if table is None:
            tensor = as_tensor(got[index])
            if tensor is not None and tensor.shape == (ANSWERS, WORDS):
                return "The table is transposed.", "A row for each word, a column for each answer.", index
            return f"The result isn't {SHAPE}.", "Return the new weights alone.", index
    weights = [table for table in tables if table is not None]
    starts = [call[0].numpy() for call in calls]
    if all(np.allclose(table, start) for table, start in zip(weights, starts, strict=True)):
        return "These are the old weights: nothing has been learned.", "Does the loop change them?", first
    if all((table >= 0).all() and np.allclose(table.sum(1), 1) for table in weights):
        return "These are probabilities, not weights.", "Return the table that a prompt is multiplied by.", first
    moved = [torch.from_numpy(start + table) for start, table in zip(starts, weights, strict=True)]
    lost = all(shares(*pair)[0] < LOST for pair in zip(calls, weights, strict=True))
    if lost and not any(fault(*pair, needed) for pair in zip(calls, moved, strict=True)):
        return "The difference from the old weights is returned, not the weights.", "Add the old weights.", first
    return (*_measured(calls, weights, first, needed), first)


def _measured(calls: list[Call], weights: list[np.ndarray], first: int, needed: float) -> tuple[str, str]:
    """What is forgotten or not learned: on the prompts that were given, on others, with one limit or with both."""
    call, table = calls[first], weights[first]
    (kept, learned), (kept_given, right_given) = shares(call, table), given(call, table)
    before, keep = given(call, call[0].numpy())[1], call[4]
    if right_given < before:
        sentence = f"Of the orders that were given, {right_given:.0%} are right, and {before:.0%} were before training."
        return sentence, "Subtract the gradient of the orders' loss. Are the labels those of the same rows?"
    both = [shares(*pair) for pair in zip(calls, weights, strict=True)]
    if all(share > limit + 0.06 and gained < needed for (share, gained), limit in zip(both, LIMITS, strict=True)):
        return f"Too little is learned: it keeps {kept:.0%}, and {keep:.0%} would do.", BALANCE
    if both[0][0] > LIMITS[0] + 0.05 and (first == 0 or both[1][0] < least(calls[1])):
        low, high = (
            f"{share:.0%} where {limit:.0%} are asked for" for (share, _), limit in zip(both, LIMITS, strict=True)
        )
        return f"It keeps {low}, and {high}.", FOLLOW
    if kept < least(call) and kept_given >= keep - 0.01:
        fresh = f"on fresh ones only {kept:.0%}, and {keep:.0%} are asked for."
        hint = "Rehearse some of the prompts, and measure on the others. Then choose the mixture."
        return f"On the prompts that it rehearsed, it keeps {kept_given:.0%} of the answers, {fresh}", hint
    if kept < least(call):
        hint = FOLLOW if kept > (task(call[0]).alone[0] + keep) / 2 else REHEARSE  # as after training on orders alone
        return f"Too much is forgotten: of the prompts that were given, {kept_given:.0%} keep their answers.", hint
    if kept > keep + 0.06:
        return f"Too little is learned: it keeps {kept:.0%}, and {keep:.0%} would do.", BALANCE
    sentence = f"It keeps just enough ({kept:.0%}) and gets {learned:.0%} of the orders that the best mixture gets."
    return sentence, (
        "An early stop limits what is forgotten, and so does going back toward the old weights. Neither asks which "
        "change costs old answers. Rehearse them."
    )


question = Question("14.2", "Learn the new, keep the old", learn_and_keep)
for _name, _n_old, _needed, _unusual in (
    ("enough is kept, and 70% of what is possible learned", 400, SOME, False),
    ("90% of what is possible learned", 400, MOST, True),
    ("100 everyday prompts to rehearse, and 70% learned", 100, SOME, False),
):
    question.probe(
        _name,
        partial(_draw, n_old=_n_old, unusual=_unusual),
        partial(explain, needed=_needed),
        kinds=("65% to keep", "85% to keep"),
        judge=partial(fault, needed=_needed),
    )

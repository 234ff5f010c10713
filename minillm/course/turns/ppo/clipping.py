"""10b.ppo_loss: the clipped objective of PPO, as a loss (Schulman et al. 2017, equation 7)."""

import random
from typing import Any

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn
from minillm.course.turns.ppo.clipping_mistakes import MISTAKES, gain_of
from minillm.course.turns.ppo.tables import masks, shuffled


def ppo_loss(log_p, log_p_old, A, mask, epsilon):
    """The mean over all tokens of -min(ratio A, clipped ratio A), as one number."""
    ratio = (log_p - log_p_old).exp()
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
    losses = -torch.minimum(ratio * A, clipped * A)
    return (losses * mask).sum() / mask.sum()


turn = Turn(
    "10b.ppo_loss",
    "The clipped loss",
    ppo_loss,
    minutes=8,
    difficulty=3,
    constants=("log_p_old", "A", "mask", "epsilon"),
    hints=(
        "You have two log-probabilities. How do you get the ratio of the two probabilities from them?",
        "Two tables: the ratio times A, and the clipped ratio times A. Then the smaller one of each pair, and only "
        "then the sign: an optimizer goes down.",
        "`clamp(low, high)` clips. `torch.minimum` compares two tables entry by entry. At the end, set the padding to "
        "0 with `mask`, add up, and divide by how many tokens there are in all.",
    ),
    errors={
        "size of tensor|must match|shape mismatch": "All four tables are (B, T). Has one lost its columns?",
        r"name '\w*(ref|ratio|old|advantages?|clip|eps|logp|log_probs|self)\w*' is not defined": "The arguments are "
        "`log_p`, `log_p_old`, `A`, `mask` and `epsilon`. The reference isn't among them: the KL is in the rewards.",
        "does not require grad": "Return the loss; the training loop calls `backward`.",
        "changed the input": "Work on a table of your own: `ratio = ...`.",
        "only one element|converted to|ambiguous": "Python's `min` and `max` take one number; `torch.minimum` compares "
        "tables.",
        r"\b(min|max)\(\)": "`torch.min(a, b)` and `torch.minimum(a, b)` compare two tables; "
        "`a.min(dim=...)` looks for the smallest in a row.",
        "not callable|has no attribute|clip_|clamp": "Tensors have `.exp()`, `.clamp(low, high)` and `.sum()`; "
        "`torch.minimum` compares two tables.",
        "infer output dtype|boolean|not implemented for": "`mask` holds True and False: "
        "multiply by it, or index with it.",
        "division by zero|Division": "Divide by the number of tokens, `mask.sum()`.",
    },
    debrief=Debrief(
        "TRL adds the value loss and an entropy bonus, and logs how many tokens are clipped. DAPO raises the upper "
        "bound alone, so that rare tokens may gain more.",
        "In the first of several updates on the same answers, every ratio is 1. What is the gradient then?",
    ),
)


def _tables(rng: random.Random, *lengths: int, epsilon: float | None = None) -> Call:
    """Ratios on both sides of the clip range, and advantages of both signs; junk in the padding."""
    mask = shuffled(rng, *lengths)
    old = -0.5 - numbers(rng, *mask.shape).abs()
    new = (old + numbers(rng, *mask.shape, scale=0.6)).clamp(max=-0.05)
    return new, old, numbers(rng, *mask.shape, scale=1.5), mask, rng.choice([0.1, 0.3]) if epsilon is None else epsilon


def _some(rng: random.Random) -> list[Call]:
    log_p, old = torch.tensor([[-0.2, -0.3, -1.0, -2.0]]), torch.tensor([[-0.9, -1.0, -0.4, -1.1]])
    small: Call = log_p, old, torch.tensor([[1.0, -1.0, 1.0, -1.0]]), masks((4,)), 0.2
    return [small, *(_tables(rng, *those) for those in ((3, 4), (5, 2, 4), (2, 6, 3, 5)))]


def _near(rng: random.Random) -> list[Call]:
    """Ratios within the clip range, as in the first update."""
    calls = []
    for lengths in ((3,), (4, 2), (3, 5, 1)):
        new, old, A, mask, epsilon = _tables(rng, *lengths, epsilon=0.2)
        calls.append((old if len(lengths) == 1 else old + 0.1 * (new - old).clamp(-1, 1), old, A, mask, epsilon))
    return calls


def _no_number(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several results, a table of losses, or not finite."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        log_p, old, A, mask, epsilon = call
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return the loss alone, one number.", index
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a number.", "Return the mean loss, one number.", index
        losses = -gain_of((log_p - old).exp(), A, epsilon)
        if tensor.shape == mask.shape and difference(losses * mask, tensor * mask) is None:
            hint = "Take the mean, over the tokens whose mask is True."
            return "These are the losses of the tokens, all right. One number is asked for.", hint, index
        if tensor.dim() and difference((losses * mask).sum() / mask.sum(), tensor.sum()) is None:
            return "These are the losses of the tokens, each divided by their number.", "Add them up: `.sum()`.", index
        if tensor.dim():
            return f"The loss must be one number; here its shape is {tuple(tensor.shape)}.", "End with a mean.", index
        if not tensor.isfinite():
            return "The loss is not finite.", "Is there a log of a log-probability, or a division by 0?", index
    return None


some = turn.probe("ratios on both sides of the range", _some, _no_number)
for sentence, hint, answer in MISTAKES:
    some.mistake(sentence, hint, answer)
turn.probe("ratios near 1", _near, _no_number)

"""11.aggregate: three ways in which the losses of tokens become the loss of a batch.

A mean over answers of the mean over their tokens (GRPO, Shao et al. 2024, eq. 3), a mean over all tokens (DAPO, Yu et
al. 2025, section 3.3), or a sum over a constant (Dr. GRPO, Liu et al. 2025, section 3.2).
"""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Explain, Explanation, Probe
from minillm.course.learner.turn import Debrief, Turn


def aggregate(losses, mask, how, max_new_tokens):
    """The loss of B answers from the losses of their tokens, (B, T), averaged in one of three ways."""
    sums = (losses * mask).sum(dim=1)  # (B,)
    if how == "answer":
        return (sums / mask.sum(dim=1)).mean()
    if how == "token":
        return sums.sum() / mask.sum()
    return sums.sum() / (len(losses) * max_new_tokens)  # "constant"


turn = Turn(
    "11.aggregate",
    "Three ways to average tokens",
    aggregate,
    minutes=6,
    difficulty=2,
    hints=(
        "What do all three ways share: a sum over which tokens?",
        "Multiply by `mask`, so that the padding is 0, and sum along the tokens: (B,). `mask.sum(dim=1)` counts each "
        "answer's tokens.",
        'For "answer", divide each sum by its own count, then take the mean. For "token", divide one total by another. '
        "For the constant, the divisor doesn't depend on what was sampled.",
    ),
    errors={
        r"name '(log_probs|lengths|B|T|n|advantages|answer|token|constant)' is not defined": "The arguments are "
        "`losses`, `mask`, `how` and `max_new_tokens`; the ways are texts, in quotes.",
        "Dimension out of range|dimension.*out of": "`losses[mask]` is one long row, which has lost the answers. "
        "Multiply by `mask` instead: that keeps (B, T).",
        "size of tensor a|must match": "Of shape (B,) are the sums with `dim=1`; `losses` and `mask` are (B, T).",
        "Got: Long": "Counts are whole numbers, of which torch takes no mean. First divide each sum by its own count; "
        "the mean comes last.",
        "bitwise_and": "`&` is for True and False. `losses * mask` keeps a number where `mask` is True.",
        "could not infer output dtype|input dtype": "`mask` holds True and False: `mask.sum(dim=1)` counts them.",
        "raised (KeyError|ValueError|AssertionError)": "`how` is 'answer', 'token' or 'constant'.",
        "only one element|converted to (a Scalar|an index)": "Answers have different lengths, so no slice fits all: "
        "multiply by `mask`.",
    },
    debrief=Debrief(
        "In TRL they're called `grpo`, `dapo` and `dr_grpo`; its default has been `dapo` since 2025. With several "
        "machines, the number of tokens must be that of all of them.",
        "You halve `max_new_tokens`, and no answer was that long. What happens to the gradient of each way?",
    ),
)


def _drawn(rng: random.Random, how: str) -> list[Call]:
    """Batches with answers of several lengths; T is longer than the longest, and the padding isn't 0."""
    first: Call = (
        torch.tensor([[1.0, 3.0, 9.0], [8.0, 9.0, 9.0]]),
        torch.tensor([[True, True, False], [True, False, False]]),
        how,
        4,
    )
    calls = [first]
    for lengths, T, most in (((3, 1, 2), 5, 9), ((1, 4), 6, 7), ((2, 5, 3, 1), 6, 16)):
        mask = torch.arange(T) < torch.tensor(lengths)[:, None]
        calls.append((numbers(rng, len(lengths), T) + 1.0, mask, how, most))
    return calls


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several numbers, or none."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return one tensor: the loss of the batch.", index
        if answer is None:
            way = call[2]
            return f'With how = "{way}", nothing is returned.', "Does each way end in a `return`?", index
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a number.", "Return the loss of the batch, one number.", index
        if tensor.dim():
            sentence = f"The loss must be one number; here its shape is {tuple(tensor.shape)}."
            return sentence, "How do the B numbers become one?", index
        if not tensor.isfinite():
            return "The result isn't finite.", "Is there a division by 0, or padding set to NaN or -inf?", index
    return None


def _sums(losses: Tensor, mask: Tensor) -> Tensor:
    return (losses * mask).sum(1)


Way = Callable[[Tensor, Tensor, int], Tensor]
WAYS: dict[str, Way] = {
    "answer": lambda losses, mask, most: (_sums(losses, mask) / mask.sum(1)).mean(),
    "token": lambda losses, mask, most: _sums(losses, mask).sum() / mask.sum(),
    "constant": lambda losses, mask, most: _sums(losses, mask).sum() / (len(losses) * most),
}
NAMES = {
    "answer": "first the mean over each answer's own tokens, then the mean over the answers",
    "token": "the sum over all real tokens, divided by how many there are",
    "constant": "the sum over all real tokens, divided by B * max_new_tokens",
}
COMMON: dict[str, Way] = {
    "The padding is summed, too, and counted.": lambda losses, mask, most: losses.mean(),
    "The padding is summed, too; only the real tokens are counted.": lambda losses, mask, most: (
        losses.sum() / mask.sum()
    ),
    "The padding is summed, too; each answer is divided by its own count.": lambda losses, mask, most: (
        losses.sum(1) / mask.sum(1)
    ).mean(),
    "The padding is summed, too, and the divisor is B * max_new_tokens.": lambda losses, mask, most: (
        losses.sum() / (len(losses) * most)
    ),
    "The padding counts as tokens: the divisor is B * T.": lambda losses, mask, most: (
        _sums(losses, mask).sum() / losses.numel()
    ),
    "The divisor is B times the longest answer of this batch.": lambda losses, mask, most: (
        _sums(losses, mask).sum() / (len(losses) * mask.sum(1).max())
    ),
    "The sums of the answers are averaged, and not divided by any number of tokens.": lambda losses, mask, most: _sums(
        losses, mask
    ).mean(),
    "All tokens are summed, and nothing is divided.": lambda losses, mask, most: _sums(losses, mask).sum(),
    "It's divided by max_new_tokens, and not by B.": lambda losses, mask, most: _sums(losses, mask).sum() / most,
    "The means of the answers are summed; their mean is asked for.": lambda losses, mask, most: (
        _sums(losses, mask) / mask.sum(1)
    ).sum(),
    "The mask is used the wrong way round: only the padding is averaged.": lambda losses, mask, most: (
        (losses * ~mask).sum() / (~mask).sum()
    ),
    "The mask is used the wrong way round: only the padding is summed, answer by answer.": lambda losses, mask, most: (
        (losses * ~mask).sum(1) / (~mask).sum(1)
    ).mean(),
    "The means run over the batch at each position, not along an answer.": lambda losses, mask, most: (
        (losses * mask).sum(0) / mask.sum(0).clamp(min=1)
    ).mean(),
    "The sum is divided by the square root of the number of tokens.": lambda losses, mask, most: (
        _sums(losses, mask).sum() / mask.sum().sqrt()
    ),
    "The sign is wrong.": lambda losses, mask, most: losses.new_full((), torch.nan),  # of each way; set below
    "Only the first answer counts.": lambda losses, mask, most: (_sums(losses, mask) / mask.sum(1))[0],
    "Only the last answer counts.": lambda losses, mask, most: (_sums(losses, mask) / mask.sum(1))[-1],
    "The first token of each answer is left out.": lambda losses, mask, most: (
        _sums(losses[:, 1:], mask[:, 1:]).sum() / mask[:, 1:].sum()
    ),
    "The means of the answers are weighted by B - 1.": lambda losses, mask, most: (
        (_sums(losses, mask) / mask.sum(1)).sum() / (len(losses) - 1)
    ),
}


def _called(way: Way) -> Callable[..., Tensor]:
    return lambda losses, mask, how, most: way(losses, mask, most)


def _probe(how: str, otherwise: Explain) -> Probe:
    probe = turn.probe(f'how = "{how}"', lambda rng: _drawn(rng, how), otherwise)
    hint = f'"{how}" is {NAMES[how]}.'
    for other, way in WAYS.items():
        if other != how:
            probe.mistake(f'With how = "{how}", this is what "{other}" asks for.', hint, _called(way))
    for sentence, way in COMMON.items():
        made = (lambda losses, mask, most: -WAYS[how](losses, mask, most)) if sentence.startswith("The sign") else way
        probe.mistake(sentence, hint, _called(made))
    return probe


for way in WAYS:
    _probe(way, _form)

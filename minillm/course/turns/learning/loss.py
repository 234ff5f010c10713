"""00b.cross_entropy: the mean surprise of a batch of predictions, in nats."""

import math
import random
from typing import Any

import torch
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def cross_entropy(logits, targets):
    """The mean loss in nats, from logits (B, V) and the ids of the right letters (B,)."""
    log_p = logits.log_softmax(dim=-1)
    return -log_p[torch.arange(len(targets)), targets].mean()


turn = Turn(
    "00b.cross_entropy",
    "Cross-entropy",
    cross_entropy,
    minutes=8,
    difficulty=2,
    hints=(
        "For one row, which single number of its V probabilities does the loss need? Which argument says where it is?",
        "Take `log_softmax` along the letters. A pair of indices picks one entry per row: a row number and a column "
        "number for each.",
        "`torch.arange` counts the rows, and `targets` names the column in each. Then the sign, and the mean.",
    ),
    ready_made=("torch.nn.functional.cross_entropy",),
    errors={
        r"CrossEntropyLoss\(": "`nn.CrossEntropyLoss` is a class, made first and then called. As a function it is "
        "`F.cross_entropy(logits, targets)`.",
        "not implemented for '(Long|Int)'": "Softmax and logarithms need floats: of `logits`. `targets` holds ids.",
        "name 'F' is not defined": "Import it in your cell: `import torch.nn.functional as F`.",
        r"only one element.*\b(int|item)\b|converted to an index": "`targets` holds B ids. A loop takes one at a time; "
        "or index with two tensors, one of rows and one of columns.",
        r"log\(\): argument|must be real number|only (one element tensors|length-1 arrays)": "`math.log` takes "
        "one number; a tensor has `.log()`.",
        "math domain error": "A probability was 0, and 0 has no logarithm. Let `log_softmax` take both steps in one.",
        "math range error": "`math.exp` overflows where a logit is above 709. Use `log_softmax`, which doesn't.",
        r"softmax\(\) missing": "Which axis must add up to 1? The letters of each row: `dim=-1`.",
        "not enough values": "`logits` is (B, V), two sizes, without a batch of texts.",
        "too many indices|Dimension out of range": "`logits` has two axes, (B, V), and `targets` has one, (B,).",
        r"name '(y|p|probs|labels|x|letters?)' is not defined": "The arguments are called `logits` and `targets`.",
        "index out of range|is out of bounds|is invalid for input of size|shape mismatch": "Rows are numbered 0 to "
        "B - 1 and letters 0 to V - 1. Both sizes differ from case to case. Which axis do `targets` index?",
        "Index tensor must have the same": "`gather` wants an index with two axes, like `logits`: `targets[:, None]`.",
        "have the same dtype|expected scalar type": "`targets` holds ids, whole numbers: they say *where* to look, and "
        "nothing is multiplied by them.",
        "size of tensor a": "Do the shapes fit? `logits` is (B, V). What is picked from it, a number per row, is (B,).",
        "mean.*(Long|int)": "A mean needs floats. Which numbers do you average: ids, or log-probabilities?",
        "no attribute '(mean|log|exp|sum)'": "That is a plain Python object. Collect numbers in a list, then "
        "`torch.stack` it.",
    },
    constants=("targets",),
    debrief=Debrief(
        "`torch.nn.functional.cross_entropy` does the same. For large vocabularies, fused kernels compute the loss in "
        "pieces, so that the (B, V) probabilities are never stored.",
        "You never look at the probabilities of the wrong letters. Why do their logits get gradients all the same?",
    ),
)


def _batches(rng: random.Random) -> list[Call]:
    """Batches of different sizes, B equal to V among them, a letter twice, no letter that all rows share."""
    calls = []
    for B, V_ in ((2, 3), (3, 5), (4, 4), (6, 3), (5, 7)):
        targets = [rng.randrange(V_) for _ in range(B)]
        targets[0], targets[-1] = 1, V_ - 1
        calls.append((numbers(rng, B, V_, scale=1.5), torch.tensor(targets)))
    return calls


def _one_row(rng: random.Random) -> list[Call]:
    return [(numbers(rng, 1, V_), torch.tensor([rng.randrange(V_)])) for V_ in (3, 27)]


def _large(rng: random.Random) -> list[Call]:
    """Sure of the right letter, and sure of a wrong one."""
    sure = torch.tensor([[200.0, 199.0, 0.0], [0.0, 150.0, -150.0]])
    return [(sure, torch.tensor([0, 1])), (sure, torch.tensor([2, 0])), (5 * sure, torch.tensor([1, 2]))]


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each row."""
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")


def other_form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """A loss per row, not finite, or of another shape."""
    answers = [as_tensor(answer) for answer in got]
    if any(type(answer) in (tuple, list) and tensor is None for answer, tensor in zip(got, answers, strict=True)):
        return "The loss must be one number; here several things are returned.", "Return the loss alone."
    rows = [_loss(*call) for call in calls]
    if all(answer is not None and answer.shape == row.shape for answer, row in zip(answers, rows, strict=True)):
        same = all(difference(row, answer) is None for answer, row in zip(answers, rows, strict=True))
        which = "The losses of the rows are right, but there must be one number" if same else "There is one number"
        return f"{which}{': their mean.' if same else ' per row; the loss is one number.'}", "End with `.mean()`."
    shapes = [tuple(answer.shape) for answer in answers if answer is not None]
    if len(shapes) == len(answers) and all(shapes):
        hint = "Pick one entry per row, then take the mean."
        return f"The loss must be one number; here its shape is {shapes[0]}.", hint
    if any(answer is None or not answer.isfinite().all() for answer in answers):
        first = next(i for i, answer in enumerate(answers) if answer is None or not answer.isfinite().all())
        fine = all(
            difference(*pair) is None
            for pair, answer in zip(zip(right, got, strict=True), answers, strict=True)
            if answer is not None and answer.isfinite().all()
        )
        hint = "`logits.log_softmax(dim=-1)` takes the logarithm without computing the probability first."
        if fine:
            return "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm.", hint, first
        return "The loss is not finite.", "Is a logarithm taken of a number that isn't positive?", first
    return None


batches = turn.probe("batches of several sizes", _batches, other_form)
batches.mistake(
    "The sign is wrong: a likely letter makes the loss large.",
    "A logarithm of a probability is negative. The loss is minus that.",
    lambda logits, targets: -_loss(logits, targets).mean(),
)
batches.mistake(
    "The losses of the rows are summed.",
    "Take the mean, so that a large batch has no larger loss than a small one.",
    lambda logits, targets: _loss(logits, targets).sum(),
)
batches.mistake(
    "The sum of the losses is divided by all B · V entries.",
    "Only one entry per row counts: pick those, (B,), then take the mean.",
    lambda logits, targets: _loss(logits, targets).mean() / logits.shape[1],
)
batches.mistake(
    "The sum of the losses is divided by V, the number of letters.",
    "Divide by the number of rows, as `.mean()` does.",
    lambda logits, targets: _loss(logits, targets).sum() / logits.shape[1],
)
batches.mistake(
    "The loss is in bits: the logarithm has base 2.",
    "Nats are asked for: use the natural logarithm.",
    lambda logits, targets: _loss(logits, targets).mean() / math.log(2),
)
batches.mistake(
    "The logarithm has base 10.",
    "Nats are asked for: use the natural logarithm.",
    lambda logits, targets: _loss(logits, targets).mean() / math.log(10),
)
batches.mistake(
    "`[:, targets]` takes all B target columns from every row, so B · B entries are averaged.",
    "Index with two tensors, row numbers and column numbers: one entry per row.",
    lambda logits, targets: -logits.log_softmax(-1)[:, targets].mean(),
)
batches.mistake(
    "`[targets]` picks rows. The letters are the columns.",
    "Index with two tensors: row numbers `torch.arange(len(targets))`, and column numbers `targets`.",
    lambda logits, targets: -logits.log_softmax(-1)[targets % len(targets)].mean(),
)
for fixed in (3, 27, 32):
    batches.mistake(
        f"The sum of the losses is divided by {fixed}, whatever the number of rows.",
        "Divide by the number of rows, as `.mean()` does.",
        lambda logits, targets, fixed=fixed: _loss(logits, targets).sum() / fixed,
    )
for shift, which in ((-1, "before"), (1, "after")):
    batches.mistake(
        f"The column is that of the letter {which} the right one.",
        "`targets` holds column numbers already: nothing is added or subtracted.",
        lambda logits, targets, shift=shift: _loss(logits, (targets + shift) % logits.shape[1]).mean(),
    )
batches.mistake(
    "Each row's target is that of the next row.",
    "Row b of `logits` belongs to entry b of `targets`: nothing is shifted here.",
    lambda logits, targets: _loss(logits[:-1], targets[1:]).mean(),
)
batches.mistake(
    "Rows whose target is 0 are left out.",
    "Id 0 is a character like any other: nothing is padding here.",
    lambda logits, targets: torch.nn.functional.cross_entropy(logits, targets, ignore_index=0),
)
batches.mistake(
    "The targets are smoothed: 0.1 of each goes to all letters.",
    "All of the target is the letter that came: no `label_smoothing`.",
    lambda logits, targets: torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1),
)
for sign, which in ((1, "lower"), (-1, "upper")):
    batches.mistake(
        f"This is the median of the losses, the {which} one where their number is even.",
        "Return their mean.",
        lambda logits, targets, sign=sign: sign * (sign * _loss(logits, targets)).median(),
    )
batches.mistake(
    "The logarithm of 1 - p counts, too.",
    "Only minus the logarithm of the probability of the letter that came.",
    lambda logits, targets: (_loss(logits, targets) - (-(-_loss(logits, targets)).exp()).log1p()).mean(),
)
batches.mistake(
    "All letters are averaged, whichever came.",
    "Only the log-probability of the letter that came counts: one per row, at `targets`.",
    lambda logits, targets: -logits.log_softmax(-1).mean(),
)
batches.mistake(
    "The softmax runs down the columns: the probabilities of each *row* must add up to 1.",
    "The letters are the last axis: `dim=-1`.",
    lambda logits, targets: -logits.log_softmax(0)[torch.arange(len(targets)), targets].mean(),
)
batches.mistake(
    "The softmax runs over the whole table, so all rows share one sum.",
    "Each row is a prediction of its own: `dim=-1`.",
    lambda logits, targets: -logits.flatten().log_softmax(0).view_as(logits)[range(len(targets)), targets].mean(),
)
batches.mistake(
    "Logits are used as if they were log-probabilities.",
    "Call `log_softmax` first. Without it, adding 1 to all logits would change the loss.",
    lambda logits, targets: -logits[torch.arange(len(targets)), targets].mean(),
)
batches.mistake(
    "The softmax is taken twice.",
    "torch's `cross_entropy` and `log_softmax` want logits, not probabilities.",
    lambda logits, targets: _loss(logits.softmax(-1), targets).mean(),
)
batches.mistake(
    "This is the mean probability of the letters that came. A loss is lower when they are more probable.",
    "Take minus the logarithm of each, then the mean.",
    lambda logits, targets: (-_loss(logits, targets)).exp().mean(),
)
batches.mistake(
    "This is minus the mean probability of the letters that came, without a logarithm.",
    "Take the logarithm of each probability: `log_softmax` in place of `softmax`.",
    lambda logits, targets: -(-_loss(logits, targets)).exp().mean(),
)
batches.mistake(
    "1 minus the probability is averaged, without a logarithm.",
    "Take minus the logarithm of the probability of the letter that came.",
    lambda logits, targets: 1 - (-_loss(logits, targets)).exp().mean(),
)
batches.mistake(
    "The probabilities are averaged first, and the logarithm is taken of their mean.",
    "Surprises add up, probabilities don't: take the logarithm of each row's probability, then the mean.",
    lambda logits, targets: -(-_loss(logits, targets)).exp().mean().log(),
)
batches.mistake(
    "The losses are averaged per letter first, so a rare letter counts as much as a frequent one.",
    "Each row counts the same: take the mean over the rows at once.",
    lambda logits, targets: torch.stack(
        [_loss(logits[targets == letter], targets[targets == letter]).mean() for letter in targets.unique()]
    ).mean(),
)
batches.mistake(
    "The largest probability of each row is used, whichever letter came.",
    "The loss is about the letter that came: use `targets`.",
    lambda logits, targets: -logits.log_softmax(-1).amax(-1).mean(),
)
batches.mistake(
    "Only the first row counts.",
    "Is there a `return` inside a loop? It ends the loop in its first round.",
    lambda logits, targets: _loss(logits, targets)[0],
)
batches.mistake(
    "Only the first row counts, divided by the number of rows.",
    "Is there a `return` inside a loop? It ends the loop in its first round.",
    lambda logits, targets: _loss(logits, targets)[0] / len(targets),
)
batches.mistake(
    "Only the last row counts.",
    "Does each round of a loop overwrite the sum?",
    lambda logits, targets: _loss(logits, targets)[-1],
)
batches.mistake(
    "Only the last row counts, divided by the number of rows.",
    "Does each round of a loop overwrite the sum?",
    lambda logits, targets: _loss(logits, targets)[-1] / len(targets),
)
batches.mistake(
    "This is the perplexity, e to the loss.",
    "Return the loss itself.",
    lambda logits, targets: _loss(logits, targets).mean().exp(),
)
batches.mistake(
    "This is the entropy of the predictions: every letter counts by its own probability, whichever came.",
    "Only the letter that came counts: one entry per row, at `targets`.",
    lambda logits, targets: torch.distributions.Categorical(logits=logits).entropy().mean(),
)
batches.mistake(
    "This is the mean squared error between probabilities and the letters that came.",
    "Cross-entropy takes minus the logarithm of one probability per row.",
    lambda logits, targets: (
        (logits.softmax(-1) - torch.nn.functional.one_hot(targets, logits.shape[1])).square().mean()
    ),
)
batches.mistake(
    "The squared errors of each row are summed.",
    "Cross-entropy takes minus the logarithm of one probability per row.",
    lambda logits, targets: (
        (logits.softmax(-1) - torch.nn.functional.one_hot(targets, logits.shape[1])).square().sum(-1).mean()
    ),
)
batches.mistake(
    "The wrong letters are scored too, as in binary cross-entropy.",
    "One letter of V comes, so softmax and one logarithm per row do it.",
    lambda logits, targets: torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.nn.functional.one_hot(targets, logits.shape[1]).to(logits.dtype)
    ),
)
batches.mistake(
    "The largest logit is subtracted, but the logarithm of the sum of exponentials isn't.",
    "log p = z - log(sum of e^z). Subtracting the largest logit only prevents overflow.",
    lambda logits, targets: -(logits - logits.amax(-1, keepdim=True))[torch.arange(len(targets)), targets].mean(),
)
batches.mistake(
    "The largest logit is subtracted inside the logarithm of the sum, and not from the logit of the letter that came.",
    "Subtract it from both, or from neither: log p = z - log(sum of e^z).",
    lambda logits, targets: (_loss(logits, targets) - logits.amax(-1)).mean(),
)
batches.mistake(
    "The mean is cut to a whole number.",
    "`/` keeps the digits; `//` drops them.",
    lambda logits, targets: _loss(logits, targets).mean().floor(),
)
batches.mistake(
    "All letters are scored, the right one by log p and each wrong one by log(1 - p).",
    "One letter of V comes: minus the logarithm of its probability is all.",
    lambda logits, targets: (
        torch.where(
            torch.nn.functional.one_hot(targets, logits.shape[1]) > 0,
            -logits.log_softmax(-1),
            -(-logits.softmax(-1)).log1p(),
        )
        .sum(-1)
        .mean()
    ),
)
batches.mistake(
    "This is the share of rows in which the likeliest letter came (accuracy).",
    "The loss is minus the logarithm of the probability of the letter that came.",
    lambda logits, targets: (logits.argmax(-1) == targets).float().mean(),
)
turn.probe("a single row", _one_row, other_form)
large = turn.probe("large logits", _large, other_form)
for small in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15, 1e-20):
    large.mistake(
        f"The probability can't fall below {small:g}, so no loss can pass {-math.log(small):.0f} nats.",
        "`log_softmax` needs no such number: it never computes the probability.",
        lambda logits, targets, small=small: -((-_loss(logits, targets)).exp() + small).log().mean(),
    )


@large.mistake(
    "The largest logit of the whole table is subtracted. A row far below it has nothing but zeros: not finite.",
    "Take the largest of each row, with `keepdim=True`, or let `log_softmax` do it.",
)
def _one_largest(logits, targets):
    shifted = logits - logits.max()
    log_p = shifted - shifted.exp().sum(-1, keepdim=True).log()
    return -log_p[torch.arange(len(targets)), targets].mean()

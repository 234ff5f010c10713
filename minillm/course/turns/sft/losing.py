"""09.sft_loss: cross-entropy on the answers alone (Ouyang et al. 2022, section 3, step 1)."""

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def sft_loss(logits, ids, mask):
    """The mean loss, in nats, over the tokens whose mask is True."""
    log_p = logits[:-1].log_softmax(dim=-1)  # row t predicts token t + 1
    losses = -log_p[torch.arange(len(ids) - 1), ids[1:]]
    return losses[mask[1:]].mean()


turn = Turn(
    "09.sft_loss",
    "The masked loss",
    sft_loss,
    minutes=6,
    difficulty=2,
    hints=(
        "Row 3 of the logits predicts which token? So which entry of the mask decides whether row 3 counts?",
        "Drop the last row of the logits, and the first token: `ids[1:]`. Now both have T - 1 rows, and row t of one "
        "belongs to row t of the other.",
        "Take the log-probability of each target, change its sign, keep those whose `mask[1:]` is True, and take the "
        "mean of what is left.",
    ),
    ready_made=("torch.nn.functional.cross_entropy", "torch.nn.CrossEntropyLoss"),
    errors={
        "name 'F' is not defined": "Import it in your cell: `import torch.nn.functional as F`.",
        r"too many indices|Dimension out of range|dimension.*out of": "There is no batch here: `logits` is (T, V), "
        "`ids` and `mask` are (T,).",
        "must match|to match target|shape mismatch|indexed tensor|not match": "Is one of the three shifted, and "
        "another one not? `logits[:-1]`, `ids[1:]` and `mask[1:]` have T - 1 rows each.",
        r"name '(labels|targets|IGNORE|model|batch|V|T|loss|log_p)' is not defined": "There are `logits`, `ids` "
        "and `mask`, and what you make of them.",
        "expected scalar type|must be floating|not implemented for|int64|Long": "`ids` picks columns, as in "
        "`log_p[torch.arange(n), ids]`; it isn't computed with.",
        "changed the input": "Work on a copy: `ids.clone()`, or `ids.masked_fill(...)`.",
        "out of range|out of bounds": "Is there a label outside the vocabulary, and is it told to be ignored?",
    },
    long_call=(torch.zeros(120, 40), torch.zeros(120, dtype=torch.long), torch.ones(120, dtype=torch.bool)),
    slow=(
        "The result is right, but it's computed number by number.",
        "`log_softmax` takes all logits at once. The model's rows have 2,048.",
    ),
    debrief=Debrief(
        "Frameworks put -100 where the mask is False, and `cross_entropy` leaves that label out. The package never "
        "makes logits for rows that don't count.",
        "A long answer has more tokens than a short one. Which of the two does this mean learn more from?",
    ),
)


def _rows(rng: random.Random, *sizes: tuple[int, int]) -> list[Call]:
    """For each (T, V) logits, ids and a mask that is False at first and True somewhere."""
    calls = []
    for T, V in sizes:
        while True:
            mask = torch.tensor([False, *(rng.random() < 0.5 for _ in range(T - 1))])
            if mask.any() and not mask[1:].all() and mask[:-1].any() and not mask[-1]:
                break
        ids = torch.tensor([rng.randrange(1, V) for _ in range(T)])
        calls.append((numbers(rng, T, V), ids, mask))
    return calls


def _some(rng: random.Random) -> list[Call]:
    small = torch.tensor([[0.0, 1.0, 2.0], [2.0, 0.0, 1.0], [0.0, 3.0, 1.0], [1.0, 1.0, 0.0]])
    first: Call = (small, torch.tensor([1, 2, 2, 1]), torch.tensor([False, True, False, False]))
    return [first, *_rows(rng, (5, 4), (6, 3), (8, 5), (9, 6))]


def _last(rng: random.Random) -> list[Call]:
    """The last token counts, as in a row without a line break at its end."""
    calls = _rows(rng, (5, 4), (7, 5))
    for *_, mask in calls:
        mask[-1] = True
    return calls


def _large(rng: random.Random) -> list[Call]:
    """Logits beyond what exp can hold."""
    return [(300 * logits, ids, mask) for logits, ids, mask in _rows(rng, (5, 4), (7, 5))]


def _losses(logits: Tensor, ids: Tensor) -> Tensor:
    return F.cross_entropy(logits[:-1], ids[1:], reduction="none")


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several numbers, or one that isn't a loss."""
    for index, ((*_, mask), answer) in enumerate(zip(calls, got, strict=True)):
        tensor = as_tensor(answer)
        if tensor is None:
            return "The result isn't a number.", "Return the mean loss, one number.", index
        if tensor.numel() > 1:
            what = "token that counts" if len(tensor) == int(mask.sum()) else "token"
            sentence = f"These are {len(tensor)} numbers, one per {what}?"
            return sentence, "Return their mean, over those that count.", index
    numbers_given = [torch.as_tensor(as_tensor(answer)) for answer in got]
    for index, tensor in enumerate(numbers_given):
        if tensor.dim():
            return "The number stands in a tensor with an axis.", "`.mean()` without `keepdim` has none.", index
    if any(tensor.isnan() for tensor in numbers_given):
        return "The result is NaN.", "Is it the mean of no losses, or is -inf multiplied by 0?"
    return None


some = turn.probe("some tokens count", _some, _form)
some.mistake(
    "The mask is off by one: it's taken where the logits stand, not at the token that they predict.",
    "Row t of `logits[:-1]` predicts token t + 1, so its mask is `mask[1:]`.",
    lambda logits, ids, mask: _losses(logits, ids)[mask[:-1]].mean(),
)
some.mistake(
    "The logits are compared with the token that they stand at.",
    "Row t predicts token t + 1: compare `logits[:-1]` with `ids[1:]`.",
    lambda logits, ids, mask: F.cross_entropy(logits[mask], ids[mask]),
)
some.mistake(
    "The shift goes the wrong way: each row is compared with the token before it.",
    "Row t predicts token t + 1: compare `logits[:-1]` with `ids[1:]`.",
    lambda logits, ids, mask: F.cross_entropy(logits[1:], ids[:-1], reduction="none")[mask[:-1]].mean(),
)
some.mistake(
    "The shift goes the wrong way: each row is compared with the token before it.",
    "Row t predicts token t + 1: compare `logits[:-1]` with `ids[1:]`, and keep `mask[1:]`.",
    lambda logits, ids, mask: F.cross_entropy(logits[1:], ids[:-1], reduction="none")[mask[1:]].mean(),
)
some.mistake(
    "All tokens are in the mean, those that don't count with a loss of 0.",
    "Divide by how many count: `losses[mask].mean()`, or the sum over `mask.sum()`.",
    lambda logits, ids, mask: (_losses(logits, ids) * mask[1:]).mean(),
)
some.mistake(
    "The sum is divided by T.",
    "Divide by how many tokens count.",
    lambda logits, ids, mask: (_losses(logits, ids) * mask[1:]).sum() / len(ids),
)
some.mistake(
    "The mask isn't used: every token counts.",
    "Keep the losses where `mask[1:]` is True.",
    lambda logits, ids, mask: _losses(logits, ids).mean(),
)
some.mistake(
    "The tokens that don't count have become token 0, which the model now learns.",
    "0 is a token like any other. Leave their losses out, or use the label -100, which `cross_entropy` ignores.",
    lambda logits, ids, mask: _losses(logits, ids * mask).mean(),
)
some.mistake(
    "Logits are multiplied by the mask: all-zero logits still have a loss, ln V.",
    "Compute all losses, then leave out those that don't count.",
    lambda logits, ids, mask: _losses(logits * mask[:, None], ids).mean(),
)
some.mistake(
    "The losses are added up.",
    "Take their mean, or a long answer makes a large step.",
    lambda logits, ids, mask: _losses(logits, ids)[mask[1:]].sum(),
)
some.mistake(
    "The sign is wrong: this is the mean log-probability.",
    "A loss is -log p.",
    lambda logits, ids, mask: -_losses(logits, ids)[mask[1:]].mean(),
)
some.mistake(
    "Softmax runs over the tokens of the text, not over the vocabulary.",
    "A row of logits is one prediction: `dim=-1`.",
    lambda logits, ids, mask: -logits[:-1].log_softmax(0)[torch.arange(len(ids) - 1), ids[1:]][mask[1:]].mean(),
)
some.mistake(
    "The probability is taken, not its log.",
    "The loss is -log p: `log_softmax`.",
    lambda logits, ids, mask: -_losses(logits, ids).neg().exp()[mask[1:]].mean(),
)
some.mistake(
    "The mean of the probabilities is 1 minus a loss here, not -log p.",
    "The loss is -log p: `log_softmax`.",
    lambda logits, ids, mask: 1 - _losses(logits, ids).neg().exp()[mask[1:]].mean(),
)
some.mistake(
    "The logits themselves are averaged, without a softmax.",
    "`log_softmax` makes log-probabilities of them.",
    lambda logits, ids, mask: -logits[:-1][torch.arange(len(ids) - 1), ids[1:]][mask[1:]].mean(),
)
some.mistake(
    "The tokens that should count are left out, and the others learned.",
    "True means that a token counts.",
    lambda logits, ids, mask: _losses(logits, ids)[~mask[1:]].mean(),
)
some.mistake(
    "The log is taken of the mean probability.",
    "First -log p of each token, then their mean.",
    lambda logits, ids, mask: -_losses(logits, ids).neg().exp()[mask[1:]].mean().log(),
)
some.mistake(
    "Each row is compared with all targets, not with its own.",
    "`log_p[:, ids]` takes every pair. `log_p[torch.arange(n), ids]` takes one entry per row.",
    lambda logits, ids, mask: -logits[:-1].log_softmax(-1)[:, ids[1:]][mask[1:]].mean(),
)
some.mistake(
    "The mask is a list of positions here: False takes token 0, True takes token 1.",
    "Leave its entries True and False: `losses[mask[1:]]` keeps where it's True.",
    lambda logits, ids, mask: _losses(logits, ids)[mask[1:].long()].mean(),
)
some.mistake(
    "The loss is in bits.",
    "Nats are asked for: the natural logarithm.",
    lambda logits, ids, mask: _losses(logits, ids)[mask[1:]].mean() / torch.tensor(2.0).log(),
)
last = turn.probe("the last token counts", _last, _form)
last.mistake(
    "The last token is never learned.",
    "It counts where its mask is True: only the first token has nothing that predicts it.",
    lambda logits, ids, mask: _losses(logits, ids)[:-1][mask[1:-1]].mean(),
)
large = turn.probe("large logits", _large, _form)
large.mistake(
    "A tiny number is added inside the log.",
    "`log_softmax` needs none: it never rounds to log 0.",
    lambda logits, ids, mask: (
        -(logits[:-1].softmax(-1)[torch.arange(len(ids) - 1), ids[1:]] + 1e-9).log()[mask[1:]].mean()
    ),
)

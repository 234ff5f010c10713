"""08.next_token_loss: the mean loss of a text whose every token is the right answer to the tokens before it."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import as_tensor, difference
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def next_token_loss(logits, ids):
    """The mean loss of a text in nats, from its logits (T, V) and its own ids (T,)."""
    log_p = logits[:-1].log_softmax(dim=-1)  # the last position has no next token
    return -log_p[torch.arange(len(ids) - 1), ids[1:]].mean()


turn = Turn(
    "08.next_token_loss",
    "The loss of a text",
    next_token_loss,
    minutes=8,
    difficulty=2,
    constants=("ids",),
    ready_made=("torch.nn.functional.cross_entropy",),
    long_call=(torch.ones(100, 64), torch.ones(100, dtype=torch.int64)),
    slow=(
        "The result is right, but it takes up the tokens of the vocabulary one by one.",
        "Each update below has 4,096 positions of 2,048 tokens. Take `log_softmax` of a whole row, or of all.",
    ),
    hints=(
        "The text is A, B, C. Which rows of `logits` have an answer, and which ids are these answers?",
        "Leave out the last row of `logits` and the first id: then row t and answer t belong together.",
        "`log_softmax` along the vocabulary, then one entry per row: row numbers from `torch.arange`, column numbers "
        "from the shifted ids. Then the sign, and the mean.",
    ),
    errors={
        "batch_size|shape mismatch|size of tensor|must match|Size does not match": "T - 1 rows of `logits` have an "
        "answer, and T - 1 ids are one.",
        "out of bounds|out of range|is invalid for": "The last position has no next token: T - 1 rows, T - 1 ids.",
        "not enough values|too many indices|Dimension out of range|too many values": "There's no batch here: `logits` "
        "is (T, V) and `ids` is (T,).",
        "same number of dimensions|Index tensor": "`gather` wants an index with as many axes as the logits have: "
        "`ids[1:, None]`.",
        r"name '(targets?|labels?|y|x|inputs|F|probs|log_p)' is not defined": "The arguments are `logits` and `ids`; "
        "`torch` and `F`, for `torch.nn.functional`, are imported above.",
        "converted to (a Scalar|an index)|only one element|scalar": "`ids` holds T ids, and each row needs its own.",
        "math domain error|must be real number": "A tensor has a `.log_softmax(dim=-1)` of its own, which never "
        "computes a probability that is rounded to 0.",
        "not implemented for '(Long|Int)'|expected scalar type|same dtype": "`ids` are column numbers: index with "
        "them, and compute with `logits`.",
    },
    debrief=Debrief(
        "Training code shifts once, when batches are made, and calls `F.cross_entropy` with `ignore_index` for empty "
        "places. Hugging Face's models shift inside the loss: shift in both, and you train two tokens ahead.",
        "Every position is a training example. How many does a text of 256 tokens hold?",
    ),
)


def _terms(logits: Tensor, answers: Tensor) -> Tensor:
    """Minus the log-probability of each answer."""
    return F.cross_entropy(logits, answers, reduction="none")


def _texts(rng: random.Random) -> list[Call]:
    """Texts of several lengths, T equal to V among them, without a token that comes twice in a row."""
    calls = []
    for T, V in ((3, 4), (4, 6), (5, 5), (7, 4), (6, 9)):
        ids = [rng.randrange(V)]
        while len(ids) < T:
            ids.append(rng.choice([id for id in range(V) if id != ids[-1]]))
        calls.append((numbers(rng, T, V, scale=1.5), torch.tensor(ids)))
    return calls


def _two(rng: random.Random) -> list[Call]:
    """Two tokens: one question."""
    return [(numbers(rng, 2, V), torch.tensor(rng.sample(range(V), 2))) for V in (3, 8)]


def _large(rng: random.Random) -> list[Call]:
    """Logits up to 10,000, where a probability is rounded to 0."""
    sure = torch.tensor([[200.0, 199.0, 0.0], [0.0, 150.0, -150.0], [9.0, 0.0, 0.0]])
    return [(sure, torch.tensor([2, 0, 1])), (sure, torch.tensor([0, 2, 0])), (50 * sure, torch.tensor([1, 2, 0]))]


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """Several things, one loss per position, or not finite."""
    for index, (call, answer) in enumerate(zip(calls, got, strict=True)):
        if type(answer) in (tuple, dict):
            return "Several things are returned.", "Return one tensor: the mean loss.", index
        tensor = as_tensor(answer)
        if tensor is None or tensor.shape == ():
            continue
        if (
            tensor.numel() == len(call[1]) - 1
            and difference(_terms(call[0][:-1], call[1][1:]), tensor.flatten()) is None
        ):
            return "That's the loss of each position, all right. One number is asked for.", "End with a mean.", index
        return (
            f"The loss must be one number; here its shape is {tuple(tensor.shape)}.",
            "Pick one entry per row, then take the mean.",
            index,
        )
    return None


def _finite(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    if (found := _form(calls, right, got)) is not None:
        return found
    for index, answer in enumerate(map(as_tensor, got)):
        if answer is not None and not answer.isfinite().all():
            sentence = "Not finite: `exp` overflowed, or a probability was rounded to 0 before its logarithm."
            return sentence, "`log_softmax` takes both steps in one, and never computes the probability.", index
    return None


texts = turn.probe("texts of several lengths", _texts, _form)
SHIFT = 'The output at t answers "what comes at t + 1?": pair row t with `ids[t + 1]`.'


def _mistake(sentence: str, hint: str, answer: Callable[[Tensor, Tensor], Tensor]) -> None:
    texts.mistake(sentence, hint, answer)


_mistake(
    "Nothing is shifted: each row is asked for the token that it has just read.",
    SHIFT,
    lambda logits, ids: _terms(logits, ids).mean(),
)
_mistake(
    "Nothing is shifted, and the last position is left out: each row is asked for the token it has just read.",
    SHIFT,
    lambda logits, ids: _terms(logits[:-1], ids[:-1]).mean(),
)
_mistake(
    "Nothing is shifted, and the first position is left out: each row is asked for the token it has just read.",
    SHIFT,
    lambda logits, ids: _terms(logits[1:], ids[1:]).mean(),
)
_mistake(
    "It's shifted the wrong way: each row is asked for the token *before* its own.",
    SHIFT,
    lambda logits, ids: _terms(logits[1:], ids[:-1]).mean(),
)
_mistake(
    "The ids are rolled around: the last row is asked for the first token.",
    "Nothing is known about what comes after the last token: leave that row out.",
    lambda logits, ids: _terms(logits, ids.roll(-1)).mean(),
)
_mistake(
    "The ids are rolled around and the wrong way: row t is asked for token t - 1.",
    SHIFT,
    lambda logits, ids: _terms(logits, ids.roll(1)).mean(),
)
_mistake(
    "It's shifted by two: each row is asked for the token after the next one.",
    "Shift once: in the logits, or in the ids?",
    lambda logits, ids: _terms(logits[:-2], ids[2:]).mean(),
)
_mistake(
    "The sum is divided by T, and only T - 1 positions count.",
    "Take the mean of the T - 1 losses.",
    lambda logits, ids: _terms(logits[:-1], ids[1:]).sum() / len(ids),
)
_mistake(
    "The losses are summed.",
    "Take the mean, so that a long text has no larger loss than a short one.",
    lambda logits, ids: _terms(logits[:-1], ids[1:]).sum(),
)
_mistake(
    "The sign is wrong: a likely token makes the loss large.",
    "A logarithm of a probability is negative. The loss is minus that.",
    lambda logits, ids: -_terms(logits[:-1], ids[1:]).mean(),
)
_mistake(
    "The loss is in bits: the logarithm has base 2.",
    "Nats are asked for: use the natural logarithm.",
    lambda logits, ids: _terms(logits[:-1], ids[1:]).mean() / math.log(2),
)
_mistake(
    "The softmax is taken twice.",
    "`cross_entropy` and `log_softmax` want logits, not probabilities.",
    lambda logits, ids: _terms(logits.softmax(-1)[:-1], ids[1:]).mean(),
)
_mistake(
    "The softmax runs down the positions.",
    "The probabilities of each *row* must add up to 1: `dim=-1`.",
    lambda logits, ids: -logits.log_softmax(0)[:-1][torch.arange(len(ids) - 1), ids[1:]].mean(),
)
_mistake(
    "The softmax runs down the positions that have an answer.",
    "The probabilities of each *row* must add up to 1: `dim=-1`.",
    lambda logits, ids: -logits[:-1].log_softmax(0)[torch.arange(len(ids) - 1), ids[1:]].mean(),
)
_mistake(
    "`[:, ids[1:]]` takes all the answers' columns from every row.",
    "Index with two tensors, row numbers and column numbers: one entry per row.",
    lambda logits, ids: -logits.log_softmax(-1)[:-1][:, ids[1:]].mean(),
)
_mistake(
    "All tokens are averaged, whichever came.",
    "Only the log-probability of the token that came counts: one per row.",
    lambda logits, ids: -logits[:-1].log_softmax(-1).mean(),
)
_mistake(
    "Logits are used as if they were log-probabilities.",
    "Call `log_softmax` first. Without it, adding 1 to all logits would change the loss.",
    lambda logits, ids: -logits[torch.arange(len(ids) - 1), ids[1:]].mean(),
)
_mistake(
    "This is minus the mean probability of the tokens that came, without a logarithm.",
    "Take the logarithm of each probability: `log_softmax` in place of `softmax`.",
    lambda logits, ids: -(-_terms(logits[:-1], ids[1:])).exp().mean(),
)
_mistake(
    "The probabilities are averaged first, and the logarithm is taken of their mean.",
    "Take the logarithm of each, then the mean.",
    lambda logits, ids: -(-_terms(logits[:-1], ids[1:])).exp().mean().log(),
)
_mistake(
    "The largest probability of each row is used, whichever token came.",
    "The loss is about the token that came.",
    lambda logits, ids: -logits[:-1].log_softmax(-1).amax(-1).mean(),
)
_mistake(
    "Only the first position counts.",
    "Is there a `return` inside a loop? It ends the loop in its first round.",
    lambda logits, ids: _terms(logits[:1], ids[1:2])[0],
)
_mistake(
    "Only the first position counts, divided by T - 1.",
    "Is there a `return` inside a loop? It ends the loop in its first round.",
    lambda logits, ids: _terms(logits[:1], ids[1:2])[0] / (len(ids) - 1),
)
_mistake(
    "Only the last pair counts.",
    "Does each round of a loop overwrite the sum? All T - 1 positions count.",
    lambda logits, ids: _terms(logits[-2:-1], ids[-1:])[0],
)
_mistake(
    "This is the perplexity, e to the loss.",
    "Return the loss itself.",
    lambda logits, ids: _terms(logits[:-1], ids[1:]).mean().exp(),
)
_mistake(
    "Tokens with id 0 are left out.",
    "Id 0 is a token like any other: nothing is padding here.",
    lambda logits, ids: F.cross_entropy(logits[:-1], ids[1:], ignore_index=0),
)
turn.probe("two tokens", _two, _form)
large = turn.probe("large logits", _large, _finite)
for small in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-20):
    large.mistake(
        f"The probability can't fall below {small:g}, so no loss can pass {-math.log(small):.0f} nats.",
        "`log_softmax` needs no such number: it never computes the probability.",
        lambda logits, ids, small=small: -((-_terms(logits[:-1], ids[1:])).exp() + small).log().mean(),
    )

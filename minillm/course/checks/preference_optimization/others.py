"""11.2: each answer against the others to its question (RLOO: Kool et al. 2019, Ahmadian et al. 2024)."""

import random
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.question import Question


def against_the_others(scores: Float[Tensor, "B"], questions: Int[Tensor, "B"]) -> Float[Tensor, "B"]:
    """The right answer: each score less the mean of the others to the same question, and 0 for a lone one.

    >>> against_the_others(torch.tensor([1.0, 5.0, 3.0, 8.0]), torch.tensor([7, 7, 7, 2]))
    tensor([-3.,  3.,  0.,  0.])
    """
    others = (questions[:, None] == questions).float().fill_diagonal_(0)
    return (scores - others @ scores / others.sum(1).clamp_min(1)).where(others.any(1), 0.0)


def _by_table(change: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Another use of the table that is True where two answers belong to one question."""
    return lambda scores, questions: change(scores, (questions[:, None] == questions).float())


def _group_mean(scores: Tensor, same: Tensor) -> Tensor:
    return scores - same @ scores / same.sum(1)


def _lone(scores: Tensor, questions: Tensor, *, worth: Callable[[Tensor], Tensor]) -> Tensor:
    """The right advantages, but for an answer that is alone."""
    same = (questions[:, None] == questions).float()
    n = same.sum(1)
    return ((scores * n - same @ scores) / (n - 1).clamp_min(1)).where(n > 1, worth(scores))


def _groups(rng: random.Random, *sizes: tuple[int, ...], shuffled: bool) -> list[Call]:
    """For each tuple a batch with as many questions, and so many answers to each."""
    calls = []
    for each in sizes:
        names = rng.sample(range(20), len(each))
        questions = [name for name, n in zip(names, each, strict=True) for _ in range(n)]
        if shuffled:
            rng.shuffle(questions)
        calls.append((numbers(rng, len(questions), scale=2.0), torch.tensor(questions)))
    return calls


question = Question("11.2", "Each against the others", against_the_others, forbidden=("minillm", "trl"))

in_order = question.probe(
    "groups side by side", lambda rng: _groups(rng, (3,), (4, 4), (2, 2), (3, 3, 3), (5, 5), shuffled=False)
)
in_order.mistake(
    "The answer's own score is in its baseline.",
    "Take the answer's own score out of the sum, and out of the number that it is divided by.",
    _by_table(_group_mean),
)


@in_order.mistake(
    "These are the advantages of GRPO: divided by the spread of the group.",
    "No division here: a lead of a hundredth of a point is a hundredth.",
)
@_by_table
def _divided(scores: Tensor, same: Tensor) -> Tensor:
    found = _group_mean(scores, same)
    return found / ((same @ found.square() / (same.sum(1) - 1)).sqrt() + 1e-6)  # of the sample, as GRPO has it


@in_order.mistake(
    "The leads come back question by question, not in the order of the scores.",
    "Put each lead in the place of its answer: the result belongs to `scores` number by number.",
)
def _question_by_question(scores, questions):
    return against_the_others(scores, questions)[questions.argsort(stable=True)]


in_order.mistake(
    "Answers are compared with those to other questions, too.",
    "A hard question has low scores only. Compare within a question.",
    _by_table(lambda scores, same: scores - (scores.sum() - scores) / max(len(scores) - 1, 1)),
)
in_order.mistake(
    "The scores of the others are added up, not averaged.",
    "Divide by how many others there are: one less than the group has answers.",
    _by_table(lambda scores, same: scores - (same @ scores - scores)),
)

any_order = question.probe(
    "answers in any order", lambda rng: _groups(rng, (2, 2), (3, 3, 3), (4, 4), (2, 2, 2, 2), (5, 5), shuffled=True)
)


@any_order.mistake(
    "Neighbours are taken for a group; `questions` says who belongs together.",
    "`questions[:, None] == questions` is True wherever two answers belong to one question.",
)
def _neighbours(scores, questions):
    size = max(len(scores) // len(questions.unique()), 1)
    return against_the_others(scores, torch.arange(len(scores)) // size)


@any_order.mistake(
    "A new group begins wherever the question changes.",
    "Answers to one question may stand far apart. Compare each with each.",
)
def _runs(scores, questions):
    return against_the_others(scores, torch.unique_consecutive(questions, return_inverse=True)[1])


any_size = question.probe(
    "groups of any size, and answers alone",
    lambda rng: _groups(rng, (2, 1), (5, 2, 1), (4, 1, 3, 2), (1, 1), (6, 2, 1, 1), shuffled=True),
)
any_size.mistake(
    "An answer without others is divided by nothing: 0 / 0.",
    "Who has nobody to be compared with has nothing to teach. Its advantage is 0.",
    partial(_lone, worth=lambda scores: torch.full_like(scores, torch.nan)),
)
any_size.mistake(
    "An answer without others keeps its whole score.",
    "Who has nobody to be compared with has nothing to teach. Its advantage is 0.",
    partial(_lone, worth=lambda scores: scores),
)
any_size.mistake(
    "An answer without others is compared with the whole batch.",
    "Who has nobody to be compared with has nothing to teach. Its advantage is 0.",
    partial(_lone, worth=lambda scores: scores - scores.mean()),
)

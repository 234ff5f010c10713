"""11.2: each answer against the others to its question (RLOO: Kool et al. 2019, Ahmadian et al. 2024)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.plain import apart, as_tensor
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


def _clear(rng: random.Random, *sizes: tuple[int, ...], shuffled: bool) -> list[Call]:
    """Groups without equal scores, scores of 0 and others that average 0: those come later."""
    while True:
        calls = _groups(rng, *sizes, shuffled=shuffled)
        leads = [against_the_others(*call) for call in calls]
        distinct = all(scores.ne(0).all() and len(scores.unique()) == len(scores) for scores, _ in calls)
        if distinct and all((lead - scores).abs().min() > 0.01 for lead, (scores, _) in zip(leads, calls, strict=True)):
            return calls


def _any_size(rng: random.Random) -> list[Call]:
    """Groups of any size; equal scores, others that average 0, a score of 0, and large numbers of questions."""
    calls = _groups(rng, (2, 1), (1,), (5, 2, 1), (4, 1, 3, 2), (1, 1), shuffled=True)
    high = float(rng.randint(1, 5))
    ties, zero_mean, zero = [high, high, -1.0, high], [high, -high, 2.0], [high, 0.0, -3.0]
    same = torch.full((4,), rng.randrange(20))
    calls += [(torch.tensor(scores), same[: len(scores)]) for scores in (ties, zero_mean, zero)]
    names = torch.tensor([0, 1, 0, 1, 2]) + 2**24 + 2 * rng.randrange(100)  # float32 rounds the odd ones
    return [*calls, (numbers(rng, 5, scale=2.0), names)]


SIZES = (
    *["answers alone"] * 5,
    "equal scores",
    "others that average 0",
    "a score of 0",
    "large numbers of questions",
)


def _sums(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The leads of a group add up to 0."""
    for (_, questions), due, answer in zip(calls, right, got, strict=True):
        found = as_tensor(answer)
        if found is None or found.shape != due.shape or not found.isfinite().all():
            return None
        for name in questions.unique().tolist() if apart(due, found).any() else ():
            total = found[questions == name].sum().item()
            if abs(total) > 1e-3 * max(1.0, found.abs().max().item()):
                sentence = f"The leads of the answers to one question add up to {total:.3g}, not to 0."
                return (
                    sentence,
                    "What is wrong for one of them alone? Compute its lead by hand: its others, their mean.",
                )
    return None


question = Question("11.2", "Each against the others", against_the_others, forbidden=("minillm", "trl"))

in_order = question.probe(
    "groups side by side", lambda rng: _clear(rng, (3,), (4, 4), (2, 2), (3, 3, 3), (5, 5), shuffled=False), _sums
)
in_order.mistake(
    "The answer's own score is in its baseline.",
    "Take the answer's own score out of the sum, and out of the number that it is divided by.",
    _by_table(_group_mean),
)


def _over_the_spread(scores: Tensor, same: Tensor, others: bool, ddof: int) -> Tensor:
    n = same.sum(1)
    found = _group_mean(scores, same)
    spread = (same @ found.square() / (n - ddof)).sqrt()
    return found * (n / (n - 1) if others else 1.0) / (spread + 1e-6)


for others in (False, True):
    for ddof in (0, 1):
        in_order.mistake(
            "These are the advantages of GRPO: divided by the spread of the group.",
            "No division here: a lead of a hundredth of a point is a hundredth.",
            _by_table(partial(_over_the_spread, others=others, ddof=ddof)),
        )


def _baseline(others: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """A lead over something made of the others' scores: of scores (B,) and a table (B, B) of who is another."""

    def answer(scores: Tensor, questions: Tensor) -> Tensor:
        table = (questions[:, None] == questions) & ~torch.eye(len(scores)).bool()
        return (scores - others(scores, table)).where(table.any(1), 0.0)

    return answer


def _mean(scores: Tensor, table: Tensor) -> Tensor:
    return table.float() @ scores / table.sum(1).clamp_min(1)


in_order.mistake(
    "The sum of the others is divided by the size of the whole group, one too many.",
    "The others are one less than the group has answers.",
    _baseline(lambda scores, table: table.float() @ scores / (table.sum(1) + 1)),
)
in_order.mistake(
    "An answer is compared with the best of the others, not with their mean.",
    "Add up the scores of the others, and divide by how many they are.",
    _baseline(lambda scores, table: scores.expand_as(table).masked_fill(~table, -torch.inf).amax(1)),
)
for name, triangle in (("before", torch.tril), ("behind", torch.triu)):
    in_order.mistake(
        f"An answer is compared only with those to its question that stand {name} it.",
        "All others to the same question count, wherever they stand.",
        lambda scores, questions, triangle=triangle: (
            scores - _mean(scores, triangle(table := (questions[:, None] == questions).fill_diagonal_(False)))
        ).where(triangle(table).any(1), 0.0),
    )
in_order.mistake(
    "The lead has the wrong sign: it is the others' mean less the score.",
    "An answer that is better than the others leads: its own score comes first.",
    lambda scores, questions: -against_the_others(scores, questions),
)
in_order.mistake(
    "It is the baseline alone, the mean of the others.",
    "Subtract it from the answer's own score.",
    _by_table(lambda scores, same: (same @ scores - scores) / (same.sum(1) - 1).clamp_min(1)),
)


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
    "answers in any order",
    lambda rng: _clear(rng, (2, 2), (3, 3, 3), (4, 4), (2, 2, 2, 2), (5, 5), shuffled=True),
    _sums,
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


any_size = question.probe("groups of any size, and answers alone", _any_size, _sums, kinds=SIZES)
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
any_size.mistake(
    "Others are told by their score: who has the same score is left out, too.",
    "Two answers may have equal scores. Leave out the answer by its place, not by its score.",
    lambda scores, questions: (
        scores - _mean(scores, table := (questions[:, None] == questions) & (scores[:, None] != scores))
    ).where(table.any(1), 0.0),
)
any_size.mistake(
    "A mean of 0 is taken for having no others.",
    "Count the others; their mean may be 0 by itself.",
    lambda scores, questions: against_the_others(scores, questions).where(
        against_the_others(scores, questions) != scores, 0.0
    ),
)
any_size.mistake(
    "A score of 0 is taken for no answer.",
    "Count the answers, not the scores that are other than 0.",
    _baseline(lambda scores, table: _mean(scores, table & (scores != 0))),
)
any_size.mistake(
    "Large numbers of questions are rounded: as float32 two that differ by one are the same.",
    "Compare `questions` as whole numbers. float32 holds whole numbers up to 16,777,216 only.",
    lambda scores, questions: against_the_others(scores, questions.float().long()),
)

"""05.4: facts written into the second matrix of a feed-forward network by the smallest change.

ROME (Meng et al. 2022, section 3.1) writes one fact so, MEMIT (Meng et al. 2023) many at once, and AlphaEdit (Fang et
al. 2025) keeps what is known by writing only along directions that no known question has. Here it is exact, since there
are no more questions than neurons. A question is its hidden layer, the "key" of those papers.
"""

import random
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from minillm.course.checks.asking import Call
from minillm.course.checks.drawing import numbers
from minillm.course.checks.feed_forward.common import told_apart
from minillm.course.checks.plain import apart, as_tensor
from minillm.course.checks.question import Question

STEEPEST = 8.0  # how far apart the singular values of all questions may lie; rounding grows with it

SHORT = (
    "The equations must hold exactly. Is the outer product divided by too large a number, something added to a "
    "diagonal (a ridge), the step too small, or are there too few steps?"
)


def write(
    down: Float[Tensor, "C F"], asked: Float[Tensor, "m F"], answers: Float[Tensor, "m C"], others: Float[Tensor, "n F"]
) -> Float[Tensor, "C F"]:
    """The right answer, by the least squares that give the shortest solution.

    >>> write(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), torch.tensor([[6.0]]), torch.zeros(0, 2)) + 0.0
    tensor([[3., 0.]])
    """
    return _changed(down, asked, answers, others, for_asked=lambda old, new: new - old, for_others=lambda old: 0 * old)


def _changed(down, asked, answers, others, *, for_asked, for_others) -> Tensor:
    """The smallest change by which the answers change as said; both get the old answers, the first the new ones too."""
    questions, weight = torch.cat((asked, others)).double(), down.double()
    changes = torch.cat((for_asked(asked @ down.T, answers), for_others(others @ down.T))).double()
    return (weight + (torch.linalg.pinv(questions) @ changes).T).float()


def _power_of_length(down: Tensor, asked: Tensor, answers: Tensor, others: Tensor, *, power: int) -> Tensor:
    """One outer product for each fact, divided by the question's length to some power; others are not looked at."""
    missing = (answers - asked @ down.T) / asked.norm(dim=1, keepdim=True) ** power
    return down + missing.T @ asked


def _matrices(rng: random.Random, *sizes: tuple[int, int, int, int]) -> list[Call]:
    """Matrices and facts of the sizes (C, F, m, n), with questions far from linear dependence."""
    calls = []
    for C, F, m, n in sizes:
        questions = numbers(rng, m + n, F)
        while not _apart(questions):
            questions = numbers(rng, m + n, F)
        calls.append((numbers(rng, C, F), questions[:m], numbers(rng, m, C), questions[m:]))
    return calls


ONE = {
    "three neurons": (2, 3, 1, 0),
    "eight neurons": (4, 8, 1, 0),
    "five neurons": (3, 5, 1, 0),
    "a single neuron": (1, 1, 1, 0),
}


def _several(rng: random.Random) -> list[Call]:
    """Several facts, also of questions a hundred times as small and as large."""
    calls = _matrices(rng, (2, 3, 2, 0), (4, 9, 3, 2), (3, 10, 4, 2), (3, 6, 2, 1), (2, 5, 2, 2))
    for index, size in ((3, 0.01), (4, 100.0)):
        down, asked, answers, others = calls[index]
        calls[index] = down, size * asked, answers, size * others
    return calls


def _apart(questions: Tensor) -> bool:
    """Whether the questions are far from linear dependence, in their first numbers too, with no 0 among them.

    Otherwise torch's own least squares, a right way to answer, now and then misjudge the rank (gelsy, on a CPU).
    """
    first = questions[:, : len(questions)]
    return bool((questions != 0).all()) and _steepness(questions) <= STEEPEST and _steepness(first) <= 100 * STEEPEST


def _steepness(questions: Tensor) -> float:
    singular = torch.linalg.svdvals(questions)
    return float(singular[0] / singular[-1]) if singular[-1] > 0 else torch.inf


def _ask_it(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Ask the new matrix: what it answers to all questions, and how far it went."""
    for (down, asked, answers, others), wanted, answer in zip(calls, right, got, strict=True):
        given = as_tensor(answer)
        if given is None or given.shape != wanted.shape:
            return None
        given = given.double()
        for name, questions, due in (("question", asked, answers), ("other question", others, others @ down.T)):
            for number in apart(due, questions.double() @ given.T).any(-1).nonzero().flatten().tolist():
                said, wanted_answer = told_apart(given @ questions[number].double(), due[number])
                part = _way(down.double() @ questions[number].double(), due[number], given @ questions[number].double())
                if name == "question" and part is not None:
                    words, hint = _how_far(part)
                    words = f"For question {number}, the new matrix {words}"
                    return f"{words}: its answer is {said}; right is {wanted_answer}.", hint
                hint = "Compute the new answers: `asked @ new.T` and `others @ new.T`."
                words = f"For {name} {number}, the new matrix gives {said}"
                return f"{words}; right is {wanted_answer}.", hint
        far, enough = (float((matrix - down).norm()) for matrix in (given, wanted))
        if far > 1.001 * enough:
            hint = "A change in a direction orthogonal to all questions changes no answer. Leave it out."
            return f"All answers are right, but the change has the norm {far:.6g}, and {enough:.6g} is enough.", hint
    return None


def _way(old: Tensor, new: Tensor, said: Tensor) -> float | None:
    """Which part of the way an answer has gone, if it lies on the line from the old one to the new one."""
    step = new.double() - old
    part = float((said - old) @ step / (step @ step))
    return part if len(step) > 1 and not apart(said, old + part * step).any() else None


def _how_far(part: float) -> tuple[str, str]:
    """What a matrix does that has gone this part of the way to a new answer, and a hint."""
    if abs(part) < 1e-4:
        return (
            "still gives the old answer",
            "Nothing was written for it. Does a special case skip it?",
        )
    if part < 0:
        return f"moves {-part:.4g} times the way, but away from the new answer", "What is missing is new minus old."
    if part > 1:
        return (
            f"moves {part:.4g} times the way to the new answer, which is too far",
            "Is the outer product divided by the right squared norm, and is it added only once?",
        )
    return f"moves {part:.4g} of the way to the new answer", SHORT


question = Question("05.4", "Edit facts with the smallest change", write)

one_fact = question.probe("one fact", lambda rng: _matrices(rng, *ONE.values()), _ask_it, kinds=tuple(ONE))
one_fact.mistake(
    "The new answer is added to the old one.",
    "Write only what is *missing*: the new answer minus the old one.",
    partial(_changed, for_asked=lambda old, new: new, for_others=lambda old: 0 * old),
)
one_fact.mistake(
    "The outer product is not divided by anything: the answer is off by the question's squared norm.",
    "The new matrix gives (missing · hᵀ) · h, which is missing times (h · h). Divide by that.",
    partial(_power_of_length, power=0),
)
one_fact.mistake(
    "The outer product is divided by the question's norm once instead of twice.",
    "h enters twice, in the change and in the question: divide by h · h.",
    partial(_power_of_length, power=1),
)
one_fact.mistake(
    "The old matrix is lost: the result holds only the new fact.",
    "Add the change to `down`.",
    lambda down, asked, answers, others: write(torch.zeros_like(down), asked, answers, others),
)
one_fact.mistake(
    "Only the change comes back, without the matrix.",
    "Add it to `down`.",
    lambda down, asked, answers, others: write(down, asked, answers, others) - down,
)

one_fact.mistake(
    "The change has the wrong sign: what is missing is taken as old minus new.",
    "What is missing is the new answer minus the old one, and the change is added.",
    partial(_changed, for_asked=lambda old, new: old - new, for_others=lambda old: 0 * old),
)
one_fact.mistake(
    "The matrix comes back as it was where there are no other questions.",
    "Without `others` the fact is to be written all the same. Only the zeros for the others fall away.",
    lambda down, asked, answers, others: down if len(others) == 0 else write(down, asked, answers, others),
)

with_others = question.probe(
    "and others that must not change",
    lambda rng: _matrices(rng, (2, 3, 1, 1), (4, 9, 1, 3), (3, 8, 1, 4), (2, 3, 1, 2)),
    _ask_it,
    kinds=("one other question", "three others", "four others", "as many questions as neurons"),
)
with_others.mistake(
    "The fact is written, and the answers to the other questions have changed.",
    "They are equations, too, with 0 for what is missing. Or project the others out of h, and write along the rest.",
    lambda down, asked, answers, others: write(down, asked, answers, others[:0]),
)
with_others.mistake(
    "The answers to the other questions become 0.",
    "Their *change* must be 0, not their answer.",
    partial(_changed, for_asked=lambda old, new: new - old, for_others=lambda old: -old),
)


@with_others.mistake(
    "What is missing is in another order than the questions.",
    "Rows must match: first what is missing for `asked`, then zeros for `others`, as the questions are joined.",
)
def _wrong_end(down, asked, answers, others):
    missing = torch.cat((torch.zeros(len(others), len(down)), answers - asked @ down.T))
    questions = torch.cat((asked, others)).double()
    return (down.double() + (torch.linalg.pinv(questions) @ missing.double()).T).float()


@with_others.mistake(
    "The change is projected off the others, or they are restored, after it was divided: the answer is not reached.",
    "With v the part of h orthogonal to the others, (missing · vᵀ) · h is missing times (v · h). Divide by that.",
)
def _divided_by_the_whole(down, asked, answers, others):
    free = asked - asked @ torch.linalg.pinv(others) @ others
    return down + ((answers - asked @ down.T) / (asked * asked).sum(1, keepdim=True)).T @ free


@with_others.mistake(
    "The other questions are projected out of h one by one, as if they were orthogonal.",
    "They aren't. Make them orthogonal first, or solve one system of equations with all questions.",
)
def _one_by_one(down, asked, answers, others):
    unit = others / others.norm(dim=1, keepdim=True)
    free = asked - asked @ unit.T @ unit
    return down + ((answers - asked @ down.T) / (free * asked).sum(1, keepdim=True)).T @ free


several_facts = question.probe(
    "several facts",
    _several,
    _ask_it,
    kinds=("no others", "two others", "four facts", "questions of small numbers", "questions of large numbers"),
)


@several_facts.mistake(
    "The facts are written one after the other, and each changes those before it.",
    "Write them together: one system of equations with all questions.",
)
def _one_after_the_other(down, asked, answers, others):
    for question, answer in zip(asked.split(1), answers.split(1), strict=True):
        down = write(down, question, answer, others)
    return down


@several_facts.mistake(
    "Each fact is written as if it were the only one.",
    "Questions are not orthogonal: a change for one affects the next. Solve for all together.",
)
def _each_alone(down, asked, answers, others):
    facts = zip(asked.split(1), answers.split(1), strict=True)
    return down + sum(write(down, question, answer, others) - down for question, answer in facts)


several_facts.mistake(
    "Each fact is divided by its own question's squared norm, as if all questions were orthogonal.",
    "A change for one question affects the next. Solve for all questions together.",
    partial(_power_of_length, power=2),
)

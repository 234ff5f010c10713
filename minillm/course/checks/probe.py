"""One test of an answer: the inputs it draws, the right answer, known mistakes, and what a message says of a wrong one.

All code here is trusted; it sees only the replies of an answer (`asking`).
"""

import inspect
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from minillm.course.checks.asking import Call, Reply
from minillm.course.checks.demands import Demand
from minillm.course.checks.facts import fact
from minillm.course.checks.parts import fact_of_parts
from minillm.course.checks.plain import MAX_WIDTH, SHAPE, as_tensor, difference, plain, show

MAX_DRAWS = 1000  # attempts to draw inputs on which all mistakes differ
MAX_KINDS = 4  # of input that a message lists
DTYPE_HINT = (
    "A new tensor is float32 unless you say `dtype=`, and an operation on two dtypes gives the wider one. At the end, "
    "`.to(...)` converts."
)
DEFAULT_HINT = "Open the next hint of the question, and try your function on this very input."

Answer = Callable[..., Any]  # a function like the one that a learner writes
Draw = Callable[[random.Random], list[Call]]
Answered = tuple[list[Call], Sequence[Reply]]  # the calls of a draw, with their replies
# a sentence and a hint, and the index of the first call that shows it, where that is not the first wrong one; or None
Explanation = tuple[str, str] | tuple[str, str, int]
Explain = Callable[[list[Call], list[Any], list[Any]], Explanation | None]
Judge = Callable[[Call, Any], str | None]  # what is wrong with the result of a call, as the end of a sentence; or None


@dataclass(frozen=True)
class Mistake:
    """A misconception: a sentence that names it, a hint, and an answer that makes it."""

    sentence: str
    hint: str
    answer: Answer


@dataclass(frozen=True)
class Failure:
    """Why a probe failed: the misconception, the input and output, and the next hint."""

    sentence: str
    seen: str
    hint: str
    example: Call  # the arguments, to try the function on


@dataclass(eq=False)
class Probe:
    """One test of an answer, for one point.

    `draw` makes the arguments of several calls, the smallest input first, because the learner sees it if it fails.
    `right` is the right answer. `otherwise(calls, right, got)` may explain a wrong answer that matches no mistake, and
    returns None if it cannot; `at_last` is asked where no fact and no known mistake says anything (of `parts`,
    something is always said). `demand(right, got)` may find fault with a result of the right values. Where many
    results are right, as of a training, `judge(call, got)` says whether one is, and nothing is compared with `right`.
    The failure of a `private` probe is shown only to the teacher.
    """

    name: str
    draw: Draw
    right: Answer
    mistakes: list[Mistake] = field(default_factory=list)
    otherwise: Explain | None = None
    private: bool = False
    kinds: Sequence[str] = ()  # of input, one for each call of a draw: "padding in front"
    demand: Demand | None = None
    at_last: Explain | None = None
    parts: Sequence[str] = ()  # names of the results, if there are several
    judge: Judge | None = None

    def mistake(self, sentence: str, hint: str, answer: Answer | None = None) -> Callable[[Answer], Answer]:
        """Add a mistake, as a decorator of its function or with the function as `answer`."""

        def add(answer: Answer) -> Answer:
            self.mistakes.append(Mistake(sentence, hint, answer))
            return answer

        return add if answer is None else add(answer)

    def calls(self, rng: random.Random) -> list[Call]:
        """Draw inputs on which the right answer and all mistakes give different results."""
        answers = [self.right, *(mistake.answer for mistake in self.mistakes)]
        for _ in range(MAX_DRAWS):
            calls = self.draw(rng)
            results = [_outputs(answer, calls) for answer in answers]
            if all(_differs(result, other) for index, result in enumerate(results) for other in results[:index]):
                if self.kinds and len(self.kinds) != len(calls):
                    raise AssertionError(f"probe {self.name!r} draws {len(calls)} calls of {len(self.kinds)} kinds")
                return calls
        raise AssertionError(f"probe {self.name!r} draws no input that tells its mistakes apart; draw larger ones")

    def grade(
        self, function: str, calls: list[Call], replies: Sequence[Reply], draws: Iterable[Answered] = ()
    ) -> Failure | None:
        """Compare the replies to these calls with the right ones; None if all are right.

        `function` is the name of the learner's function, for the message. `draws` are all calls with their replies: a
        known mistake is named only if it explains all of them.
        """
        troubled = [pair for pair in zip(calls, replies, strict=True) if pair[1].trouble is not None]
        for call, reply in troubled:
            if reply.value is None:  # otherwise grade the value first
                return self._failure_to_answer(function, call, reply, calls, replies)
        got = [reply.value for reply in replies]
        right = _outputs(self.right, calls)
        differences = [self.fault(*each) for each in zip(calls, right, got, strict=True)]
        if self.demand and not any(differences):
            differences = [self.demand(wanted, gave) for wanted, gave in zip(right, got, strict=True)]
        wrong = [index for index, text in enumerate(differences) if text]
        if not wrong:
            return _call_failure(function, *troubled[0]) if troubled else None
        named = next((each for each in self.mistakes if not _differs(_outputs(each.answer, calls), got)), None)
        named = named if named and _explains(named, draws) else None
        sentence, hint, *shown_by = (
            _kept(replies, wrong)
            or (named and (named.sentence, named.hint))
            or _explanation(self.otherwise, calls, right, got)
            or _explanation(self._likeness, calls, right, got)
            or _explanation(self.at_last, calls, right, got)
            or _plainly(str(differences[wrong[0]]))
        )
        first = next((index for index in wrong if index >= shown_by[0]), wrong[0]) if shown_by else wrong[0]
        gave, wanted, call = show(got[first]), show(right[first]), _typed_call(function, calls[first])
        seen = f"{call} gave {gave}; right is {wanted}."
        if self.judge or SHAPE in wanted or len(gave) + len(wanted) > MAX_WIDTH:
            seen = f"in {call} the result {differences[first]}."
        certain = named or _kept(replies, wrong)
        return Failure(sentence + ("" if certain else self._which(wrong)), seen, hint, plain(calls[first]))

    def fault(self, call: Call, right: Any, got: Any) -> str | None:
        """What is wrong with the result of one call, as the end of a sentence; None if it is right."""
        return self.judge(call, got) if self.judge else difference(right, got)

    def _failure_to_answer(
        self, function: str, call: Call, reply: Reply, calls: list[Call], replies: Sequence[Reply]
    ) -> Failure:
        """The error of a call, the kinds of input that bring it, and the known mistake that others show."""
        failure = _call_failure(function, call, reply)
        if kept := _kept([reply], [0]):
            return replace(failure, sentence=f"{failure.sentence} {kept[0]}", hint=kept[1])
        same = [index for index, other in enumerate(replies) if _cause(other) == _cause(reply)]
        failing, fine = self._split_kinds(same)
        if failing and fine:
            failure = replace(failure, sentence=f"{failure.sentence} It happens with {failing}.")
        answered = [index for index, other in enumerate(replies) if other.trouble is None]
        others = [calls[index] for index in answered]
        closest = self.closest(others, _outputs(self.right, others), [replies[index].value for index in answered])
        if closest is None:
            return failure
        sentence = f"{failure.sentence} In other cases, this is what happens: {closest.sentence}"
        return replace(failure, sentence=sentence, hint=closest.hint)

    def _likeness(self, calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
        """What the wrong results have to do with the right ones, and the known mistake that explains most of them."""
        if self.judge:  # then a right result may be far from ours
            return None
        names = list(inspect.signature(self.right).parameters)
        if self.parts:
            known = [(mistake.sentence, mistake.hint, _outputs(mistake.answer, calls)) for mistake in self.mistakes]
            return fact_of_parts(self.parts, names, calls, right, got, known)
        found = fact(names, calls, right, got)
        closest = self.closest(calls, right, got)
        if closest is None:
            return None if found is None else (found, DEFAULT_HINT)
        sentence = f"In some cases, this is what happens: {closest.sentence}"
        outputs = _outputs(closest.answer, calls)
        shown_by = next(i for i, gave in enumerate(got) if not _same(right[i], gave) and _same(outputs[i], gave))
        return (sentence if found is None else f"{found} {sentence}"), closest.hint, shown_by

    def closest(self, calls: list[Call], right: list[Any], got: list[Any]) -> Mistake | None:
        """The known mistake that gives the same wrong results in the most cases, if it does so in any.

        What is small agrees by chance: of tensors and long lists one must agree, of nested lists two, of all
        else three quarters, of ids and numbers three at least, and of answers that are True or False all, right ones
        included. Where two mistakes explain as much, neither is named; nor is one that would have spoilt as many of the
        right results as it explains of the wrong ones, or any if they are small.
        """
        most, closest = 0, None
        yes_or_no = all(type(wanted) is bool for wanted in right)
        n_wrong = sum(difference(wanted, gave) is not None for wanted, gave in zip(right, got, strict=True))
        for mistake in self.mistakes:
            cases = [*zip(_outputs(mistake.answer, calls), right, got, strict=True)]
            if yes_or_no and not all(_same(result, gave) for result, _, gave in cases):
                continue
            agreeing = [wanted for result, wanted, gave in cases if _same(result, gave) and not _same(wanted, gave)]
            spoilt = sum(_same(wanted, gave) and not _same(wanted, result) for result, wanted, gave in cases)
            needed = min((_enough(one, n_wrong) for one in agreeing), default=len(calls) + 1)
            if len(agreeing) >= max(most, needed) and spoilt < (len(agreeing) if needed < 3 else 1):
                most, closest = len(agreeing), mistake if len(agreeing) > most else None
        return closest

    def _which(self, wrong: list[int]) -> str:
        """For which kinds of input the result is wrong, and that it is right for the others."""
        failing, fine = self._split_kinds(wrong)
        return f" It is wrong with {failing}; right with {fine}." if failing and fine else ""

    def _split_kinds(self, indices: list[int]) -> tuple[str, str]:
        """The kinds of these calls, and all others, each as the end of a sentence."""
        ours = list(dict.fromkeys(self.kinds[index] for index in indices)) if self.kinds else []
        others = [kind for kind in dict.fromkeys(self.kinds) if kind not in ours]
        listed = ", ".join(ours[:MAX_KINDS]) + (" and others" if len(ours) > MAX_KINDS else "")
        return listed, ", ".join(others) if len(others) <= MAX_KINDS else "all others"


def _explains(mistake: Mistake, draws: Iterable[Answered]) -> bool:
    """Whether a mistake gives the results of all draws, apart from errors."""
    pairs = [pair for calls, replies in draws for pair in zip(calls, replies, strict=True) if pair[1].trouble is None]
    return all(_same(mistake.answer(*call), reply.value) for call, reply in pairs)


def _kept(replies: Sequence[Reply], indices: Sequence[int]) -> tuple[str, str, int] | None:
    """What is said where a default value, or a list outside the function, holds what earlier calls left in it."""
    for index in indices:
        if name := replies[index].kept:
            sentence = f"`{name}` still holds what earlier calls have put into it, and that changes the result."
            hint = "It's made once. Make a new one in each call."
            return sentence, hint, index
    return None


def _plainly(fault: str) -> tuple[str, str]:
    """What is said where nothing explains a fault."""
    return f"The result {fault}.", DTYPE_HINT if " of torch." in fault else DEFAULT_HINT


def _call_failure(function: str, call: Call, reply: Reply) -> Failure:
    sentence = f"{function} {reply.trouble}" + ("" if str(reply.trouble).endswith("?") else ".")
    return Failure(sentence, f"{_typed_call(function, call)}.", DEFAULT_HINT, plain(call))


def _cause(reply: Reply) -> str | None:
    """The kind of trouble, without its details: "raised IndexError"."""
    return None if reply.trouble is None else str(reply.trouble).partition(":")[0]


def _explanation(explain: Explain | None, calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    try:
        return explain(calls, right, got) if explain else None
    except Exception:  # unusual values, such as NaN, may break it; the answer is still wrong
        return None


def _outputs(answer: Answer, calls: Sequence[Call]) -> list[Any]:
    return [answer(*call) for call in calls]


def _enough(result: Any, n_wrong: int) -> int:
    """How many results like this one must agree, so that it is no chance."""
    tensor = as_tensor(result)
    are_ids = tensor is not None and type(result) is not Tensor and tensor.equal(tensor.round())
    if tensor is not None and tensor.numel() > (8 if are_ids else 2):
        return 1
    if tensor is None and type(result) in (list, tuple):
        return 2
    return max(2 if type(result) is dict else 3, n_wrong - n_wrong // 4)


def _same(result: Any, other: Any) -> bool:
    return difference(result, other) is None


def _differs(results: list[Any], others: list[Any]) -> bool:
    return not all(_same(result, other) for result, other in zip(results, others, strict=True))


def _typed_call(function: str, call: Call) -> str:
    """Format a call as you would type it, with large tensors as their shapes.

    In a long call, all tensors are shown as their shapes.
    """
    typed = ", ".join(map(show, call))
    if len(typed) > 2 * MAX_WIDTH:
        typed = ", ".join(show(argument, numbers=0) for argument in call)
    return f"{function}({typed})"

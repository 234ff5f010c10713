"""13.4: the timetable of a pipeline that turns round as soon as it can, "1F1B" (Narayanan et al. 2019 and 2021)."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference
from minillm.course.checks.question import Question
from minillm.course.checks.scaling.schedule import LASTS, explain

Work = tuple[int, str, int]  # when it begins, what, which small batch


def timetable(p: int, m: int) -> list[list[Work]]:
    """The right answer: each stage's order, then every piece of work as early as it can be.

    >>> timetable(p=2, m=2)[1]
    [(1, 'forward', 0), (2, 'backward', 0), (4, 'forward', 1), (5, 'backward', 1)]
    """
    return _timetable(p, m)


def _ahead(stage: int, p: int, m: int) -> int:
    return min(p - 1 - stage, m)


def _order(ahead: int, m: int) -> list[tuple[str, int]]:
    """So many forward passes, then one of each by turns, then the backward passes that are left."""
    order = [("forward", j) for j in range(min(ahead, m))]
    for j in range(m):
        order += [("forward", j + ahead)] if j + ahead < m else []
        order.append(("backward", j))
    return order


def _timetable(
    p, m, *, ahead=_ahead, order=_order, forward=1, backward=2, waits=("forward", "backward"), busy=True
) -> list[list[Work]]:
    """A timetable with one thing done differently."""
    lasts = {"forward": forward, "backward": backward}
    left = [order(ahead(stage, p, m), m) for stage in range(p)]
    free, ended, rows = [0] * p, {}, [[] for _ in range(p)]
    while any(left):
        for stage in range(p):
            if not left[stage]:
                continue
            kind, j = left[stage][0]
            before = (kind, j, stage + (1 if kind == "backward" else -1))
            if before[2] == p:
                before = ("forward", j, stage)
            needed = kind in waits and before[2] >= 0
            if needed and before not in ended:
                continue
            start = max(free[stage] if busy else 0, ended[before] if needed else 0)
            free[stage] = ended[kind, j, stage] = start + lasts[kind]
            rows[stage].append((start, kind, j))
            del left[stage][0]
    return rows


def _sizes(*sizes: tuple[int, int]) -> Callable[[random.Random], list[Call]]:
    """The first sizes as they are, then three that are drawn from the others."""
    return lambda rng: [sizes[0], *rng.sample(sizes[1:], 3)]


def _explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Passes that last something else; what the timetables say of themselves."""
    for forward in (0, 1, 2, 3):
        for backward in (0, 1, 2, 3, 4):
            made = [_timetable(*call, forward=forward, backward=backward) for call in calls]
            if (forward, backward) != (1, 2) and difference(made, got) is None:
                sentence = f"A forward pass lasts {forward} here, and a backward pass {backward}."
                return sentence, "A forward pass lasts 1, a backward pass 2."
    return explain(calls, right, got)


question = Question("13.4", "One forward, one backward", timetable)

two_stages = question.probe("one stage or two", _sizes((1, 2), (2, 2), (2, 3), (2, 4), (2, 5), (1, 3)), _explain)
two_stages.mistake(
    "All forward passes come first.",
    "That is GPipe's timetable. Here a stage takes turns as soon as it has run ahead enough.",
    partial(_timetable, ahead=lambda stage, p, m: m),
)
two_stages.mistake(
    "All forward passes come first, and the backward passes begin with the last small batch.",
    "Here a stage takes turns, and both kinds go through the small batches from 0 on.",
    partial(
        _timetable,
        order=lambda ahead, m: [*(("forward", j) for j in range(m)), *(("backward", j) for j in reversed(range(m)))],
    ),
)
two_stages.mistake(
    "Every stage runs ahead by one small batch too many.",
    "The last stage does not run ahead at all: p - 1 - stage.",
    partial(_timetable, ahead=lambda stage, p, m: min(p - stage, m)),
)
two_stages.mistake(
    "All stages run ahead equally far.",
    "The last stage can turn round at once. Each one before it runs ahead by one more.",
    partial(_timetable, ahead=lambda stage, p, m: min(p - 1, m)),
)
two_stages.mistake(
    "A backward pass lasts as long as a forward one.", "It lasts two units.", partial(_timetable, backward=1)
)
two_stages.mistake(
    "No stage waits until its neighbours have finished: each works without a break.",
    "A forward pass needs the stage before, a backward pass the stage behind. Wait for them.",
    partial(_timetable, waits=()),
)
two_stages.mistake(
    "A backward pass does not wait for that of the stage behind.",
    "The gradient comes from there. Only the last stage has it from its own forward pass.",
    partial(_timetable, waits=("forward",)),
)
two_stages.mistake(
    "A forward pass does not wait for that of the stage before.",
    "Its input comes from there.",
    partial(_timetable, waits=("backward",)),
)
two_stages.mistake(
    "A stage does two things at the same time.",
    "It begins when its input is there *and* its own last work is done: the later of the two.",
    partial(_timetable, busy=False),
)


def _greedy(p: int, m: int, first: str) -> list[list[Work]]:
    """Each stage does whatever it can, and if it can do both, that of the kind `first`."""
    ended, rows, clock = {}, [[] for _ in range(p)], 0
    free, done = [0] * p, [{"forward": 0, "backward": 0} for _ in range(p)]
    while any(each["backward"] < m for each in done):
        for stage in range(p):
            for kind in sorted(LASTS, key=lambda kind: kind != first) if free[stage] <= clock else ():
                j = done[stage][kind]
                own = j < m and (kind == "forward" or j < done[stage]["forward"])
                before = ("forward", j, stage - 1) if kind == "forward" else ("backward", j, stage + 1)
                before = ("forward", j, stage) if before[2] == p else before
                if own and (before[2] < 0 or ended.get(before, clock + 1) <= clock):
                    rows[stage].append((clock, kind, j))
                    free[stage] = ended[kind, j, stage] = clock + LASTS[kind]
                    done[stage][kind] += 1
                    break
        clock += 1
    return rows


two_stages.mistake(
    "A stage does whatever is ready, so it runs ahead further than the rules allow.",
    "The order of each stage is fixed: so many forward passes first, then one of each by turns. It waits for the next.",
    partial(_greedy, first="backward"),
)
two_stages.mistake(
    "A forward pass lasts as long as a backward one.", "It lasts one unit.", partial(_timetable, forward=2)
)
two_stages.mistake(
    "Forward and backward passes have each other's length.",
    "A forward pass lasts 1, a backward pass 2.",
    partial(_timetable, forward=2, backward=1),
)

more_stages = question.probe("more stages", _sizes((3, 3), (3, 4), (3, 6), (4, 4), (4, 6), (5, 8)), _explain)
more_stages.mistake(
    "Every stage but the last runs ahead by one.",
    "Stage s runs ahead by p - 1 - s.",
    partial(_timetable, ahead=lambda stage, p, m: min(1, p - 1 - stage, m)),
)

few_batches = question.probe(
    "fewer small batches than stages", _sizes((3, 1), (3, 2), (4, 2), (5, 2), (5, 3), (6, 3)), _explain
)
few_batches.mistake(
    "With few small batches all forward passes come first.",
    "A stage runs ahead by p - 1 - s, or by m if that is less; the last stages still take turns.",
    partial(_timetable, ahead=lambda stage, p, m: m if m < p else _ahead(stage, p, m)),
)

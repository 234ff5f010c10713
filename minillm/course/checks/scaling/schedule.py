"""What a message says of a timetable that fits no known mistake, for 13.4: its order, then its times."""

from itertools import permutations
from typing import Any

from minillm.course.checks.asking import Call

LASTS = {"forward": 1, "backward": 2}
FIELDS = ("start", "kind", "j")
FORM = "Each piece of work is (start, kind, j)."
Row = list[tuple[int, str, int]]


def explain(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """What all timetables have in common; else the first row that is out of order, or the first time that is wrong."""
    return _form(calls, right, got) or _in_all(right, got) or _first(calls, right, got)


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    for (p, _), reply in zip(calls, got, strict=True):
        if type(reply) is not list or any(type(row) is not list for row in reply):
            if type(reply) is dict:
                return "The result is a dictionary, not a list with a list for each stage.", FORM
            flat = type(reply) is list and all(type(work) in (tuple, list) and len(work) in (3, 4) for work in reply)
            return ("The result is one list of works; each stage needs a list of its own.", FORM) if flat else None
        if len(reply) != p:
            return f"The result has {len(reply)} rows for p = {p} stages.", "One list for each stage, the first first."
        if any(type(work) not in (list, tuple) or len(work) != 3 for row in reply for work in row):
            return "A piece of work is not three things: its start, its kind and its small batch.", FORM
    works = [tuple(work) for reply in got for row in reply for work in row]
    if works and not any(work[1] in LASTS for work in works) and any(kind in LASTS for kind in works[0]):
        due = sorted(str(tuple(work)) for rows in right for row in rows for work in row)
        for order in permutations(range(3)):
            if sorted(str(tuple(work[place] for place in order)) for work in works) == due:
                given = ", ".join(FIELDS[order.index(place)] for place in range(3))
                return f"The works are ({given}), and (start, kind, j) is asked for.", FORM
        return "The kind does not stand in the middle of a piece of work: (start, kind, j) is asked for.", FORM
    for work in works:
        if work[1] not in LASTS:
            return f"The kind of a work is {work[1]!r}; it is 'forward' or 'backward'.", FORM
        if any(type(number) not in (int, float) for number in (work[0], work[2])):
            return f"The start or the small batch of a work is not a number: {work}.", FORM
    return None


def _rows(reply: Any) -> list[Row]:
    return [[tuple(work) for work in row] for row in reply]


def _in_all(right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """A change of the right timetable that explains every reply."""
    pairs = [(rows, _rows(reply)) for rows, reply in zip(right, got, strict=True)]
    swap = {"forward": "backward", "backward": "forward"}
    changes = (
        ("The stages are in the order from last to first.", "Row 0 is stage 0.", lambda rows: rows[::-1]),
        (
            "Forward and backward have each other's name.",
            FORM,
            lambda rows: [[(start, swap[kind], j) for start, kind, j in row] for row in rows],
        ),
        (
            "The works of each stage are in the order from last to first.",
            "In the order in which the stage works.",
            lambda rows: [row[::-1] for row in rows],
        ),
        (
            "The start and the small batch have changed places in each work.",
            FORM,
            lambda rows: [[(j, kind, start) for start, kind, j in row] for row in rows],
        ),
        (
            "These are the times at which the works end, not those at which they begin.",
            FORM,
            lambda rows: [[(start + LASTS[kind], kind, j) for start, kind, j in row] for row in rows],
        ),
        (
            "The small batches are counted from 1.",
            "The first is number 0.",
            lambda rows: [[(start, kind, j + 1) for start, kind, j in row] for row in rows],
        ),
    )
    for sentence, hint, change in changes:
        if all(change(rows) == told for rows, told in pairs):
            return sentence, hint
    shifts = {told[0][0][0] - rows[0][0][0] for rows, told in pairs if told and told[0]}
    if len(shifts) == 1:
        shift = shifts.pop()
        if all([[(s + shift, kind, j) for s, kind, j in row] for row in rows] == told for rows, told in pairs):
            return f"All starts are {abs(shift)} too {'late' if shift > 0 else 'early'}.", "The first begins at 0."
    return None


def _first(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first order that is wrong; if all are right, the first time."""
    for (p, m), rows, reply in zip(calls, right, got, strict=True):
        for stage, (row, told) in enumerate(zip(rows, _rows(reply), strict=True)):
            if found := _of_order(p, m, stage, row, told):
                return found
    for (p, m), rows, reply in zip(calls, right, got, strict=True):
        if found := _of_times(p, m, rows, _rows(reply)):
            return found
    return None


def _of_order(p: int, m: int, stage: int, row: Row, told: Row) -> tuple[str, str] | None:
    where = f"With p = {p} and m = {m}, stage {stage}"
    order, due = [work[1:] for work in told], [work[1:] for work in row]
    if order == due:
        return None
    if sorted(row) == sorted(told):
        sentence = "The starts are right, but the works of a stage are not in the order in which they begin."
        return sentence, "Append each piece of work when it begins, and do not sort by kind afterwards."
    beyond = [j for _, j in order if j >= m]
    if beyond:
        sentence = f"With m = {m} there is no small batch {beyond[0]}, but stage {stage} works on it."
        return sentence, "They are numbered from 0 to m - 1; a stage runs ahead by m at most."
    kinds, kinds_due = [kind for kind, _ in order], [kind for kind, _ in due]
    if len(told) < len(row) and kinds == kinds_due[: len(told)]:
        passes = "of its backward passes are made" if "forward" not in kinds_due[len(told) :] else "passes are made"
        return f"{where} stops before all {passes}.", "m forward and m backward passes in all."
    if len(told) != len(row):
        sentence = f"{where} has {len(told)} pieces of work in place of {2 * m}."
        return sentence, "Each small batch passes each stage once forwards and once backwards."
    if len(set(order)) < len(order):
        twice = next(work for work in order if order.count(work) > 1)
        return f"{where} does {twice[0]} {twice[1]} twice.", "Each small batch passes each stage once each way."
    for kind in LASTS:
        numbers = [j for k, j in order if k == kind]
        if kinds == kinds_due and numbers != sorted(numbers):
            return f"{where} makes its {kind} passes in the order {numbers}.", "Both go through 0, 1, 2 and so on."
    ahead, right_ahead = (each.index("backward") if "backward" in each else 0 for each in (kinds, kinds_due))
    w = min(p - 1 - stage, m)
    if ahead != right_ahead:
        sentence = (
            f"{where} makes {ahead} forward pass{'es' * (ahead != 1)} before its first backward pass, not {right_ahead}"
        )
        more = f": {w} ahead, and 1 as the first of the turns." if right_ahead > w else f": all m = {m} of them."
        return sentence + more, "Stage s runs ahead by min(p - 1 - s, m); then forward and backward take turns."
    place = next(place for place, (kind, other) in enumerate(zip(kinds, kinds_due, strict=True)) if kind != other)
    sentence = (
        f"{where} begins its turns rightly, but work {place} is a {kinds[place]} pass, not a {kinds_due[place]} one."
    )
    return sentence, "One forward, one backward by turns until no forward pass is left; then the backward passes left."


def _of_times(p: int, m: int, rows: list[Row], told: list[Row]) -> tuple[str, str] | None:
    """The earliest work with a wrong time, its order being right: too early for what it needs, or needlessly late."""
    begins = {(kind, j, stage): start for stage, row in enumerate(told) for start, kind, j in row}
    wrong = [
        (work[0], stage, place)
        for stage, (row, other) in enumerate(zip(rows, told, strict=True))
        for place, work in enumerate(row)
        if work != other[place]
    ]
    if not wrong:
        return None
    _, stage, place = min(wrong)
    start, kind, j = told[stage][place]
    work = f"With p = {p} and m = {m} the order is right, but {kind} {j} of stage {stage} begins at {start:g}"
    needs: list[tuple[float, str]] = [(0, "the first may begin")]
    if place:
        before = told[stage][place - 1]
        needs.append((before[0] + LASTS[before[1]], f"the stage's own last work, {before[1]} {before[2]}, has ended"))
    source = (kind, j, stage + (1 if kind == "backward" else -1))
    source = ("forward", j, stage) if source[2] == p else source
    if source[2] >= 0:
        needs.append(
            (begins[source] + LASTS[source[0]], f"{source[0]} {j} of stage {source[2]}, which it needs, has ended")
        )
    end, what = max(needs)
    if start < end:
        return (
            f"{work}, too early: only at {end:g} {what}.",
            "It begins at the later of two ends: its input, and the stage's own last work.",
        )
    return f"{work}, later than it could: at {end:g} {what}, and nothing else holds it up.", (
        "It begins as soon as its input is there and the stage is free: at the later of these two ends."
    )

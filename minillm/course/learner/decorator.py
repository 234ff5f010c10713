"""`@your_turn`: try what the learner wrote at once, say what came out, and let the notebook go on either way."""

from collections import Counter
from collections.abc import Callable
from types import FunctionType
from typing import Any

from minillm.course.learner.box import Box, show
from minillm.course.learner.loading import load, save
from minillm.course.learner.source import CannotSave, globals_of, source_of
from minillm.course.learner.trial import UNKNOWN, Verdict, try_out
from minillm.course.learner.turn import Turn
from minillm.course.turns import find, turns
from minillm.errors import UserError

_hints_given: Counter[str] = Counter()  # by turn, since the kernel started
_tried: dict[str, str | None] = {}  # by turn, what was tried last


def your_turn(id: str, minutes: int = 0, difficulty: int = 0) -> Callable[[Any], Any]:
    """Decorate a function or class that the lesson asks for; it is tried at once.

    `minutes` and `difficulty` (1 to 5) tell the reader of the cell what to expect, and nothing else.

    If it is right, it is kept as it is, and its source is saved in the workbook (`minillm.course.mine`). If it is not
    written yet or not right, the name gets the course's version, so that the cells below run in any case; the box below
    the cell says what is wrong. Raises `UserError` for a turn that there is not.

    >>> @your_turn("04.causal_mask")
    ... def causal_mask(T):
    ...     ...
    Your turn 04.causal_mask: not written yet
    Until you write it, the course's `causal_mask` is used, so the cells below run.
    Hint 1 of 3: Row t belongs to query t, column s to key s. Query t sees the keys 0 to t, its own included.
    >>> causal_mask(2)
    tensor([[ True, False],
            [ True,  True]])
    """
    if not isinstance(id, str):
        raise UserError('write the name of the turn in the decorator: @your_turn("04.attention")')
    turn = find(id)

    def decide(thing: Any) -> Any:
        source = source_of(thing)
        verdict = try_out(turn, thing, source)
        again = source is not None and _tried.get(turn.id) == source
        _tried[turn.id] = source
        right = verdict.state == "right"
        body = [_keep(turn, thing, source)] if right else _help(turn, verdict, again)
        show(Box(turn.id, verdict.state, (*body, *_untried(turn, thing))))
        return thing if right else turn.course

    return decide


def _keep(turn: Turn, thing: Any, source: str | None) -> str:
    """Save what passed; returns the sentences about it."""
    passed = f"It passes every check. From here on, `{turn.name}` is yours"
    if source is None:
        return f"{passed}. It is not saved, since its source cannot be found: write it in a notebook or in a file."
    try:
        save(turn, source, globals_of(thing))
    except CannotSave as reason:
        return f"{passed}. It is not saved: {str(reason).removesuffix('.')}."
    return f"{passed}, and your workbook keeps it in `mine/{turn.topic}.py`."


def _help(turn: Turn, verdict: Verdict, again: bool) -> list[str | dict[str, str]]:
    """The body of the box about what is not right yet; `again` if the same was tried before."""
    used = f"the course's `{turn.name}` is used, so the cells below run."
    if verdict.state == "not written yet":  # the stored page of a lesson says this, whatever is in the workbook
        return [f"Until you write it, {used}", _hint(turn, again or not _hints_given[turn.id])]
    body: list[str | dict[str, str]] = [" ".join(filter(None, [verdict.sentence, verdict.advice]))]
    if verdict.case:
        body.append(verdict.case)
    if verdict.printed.strip():
        body += ["It printed:", {line: "" for line in verdict.printed.strip().splitlines()}]
    kept = f" What passed before stays in `mine/{turn.topic}.py`." if turn.id in load(turn.topic).yours else ""
    return [*body, _hint(turn, again or verdict.advice == UNKNOWN), f"Until it is right, {used}{kept}"]


def _hint(turn: Turn, due: bool) -> str:
    """The next hint if it is due, otherwise how to get it: a named mistake is to be mended without one."""
    if not due and _hints_given[turn.id] < len(turn.hints):
        return "For a hint, run the cell again as it is."
    _hints_given[turn.id] += 1
    if (number := _hints_given[turn.id]) > len(turn.hints):
        return "You have had every hint. The solution is folded away below this cell."
    return f"Hint {number} of {len(turn.hints)}: {turn.hints[number - 1]}"


def _untried(turn: Turn, thing: Any) -> list[str]:
    """A sentence for each turn of the lesson that a cell has defined without `@your_turn`, so that nothing tried it."""
    names = globals_of(thing) if isinstance(thing, FunctionType | type) else {}
    here = names.get("__name__", "")
    return [
        f'`{other.name}` was not tried: does its cell still begin with `@your_turn("{other.id}")`?'
        for other in turns(turn.id.partition(".")[0])
        if other.id not in _tried and getattr(names.get(other.name), "__module__", None) == here
    ]

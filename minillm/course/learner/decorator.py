"""`@your_turn`: try what the learner wrote at once, say what came out, and let the notebook go on either way."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from minillm.course.learner.box import Box, show
from minillm.course.learner.loading import save
from minillm.course.learner.source import CannotSave, globals_of, source_of
from minillm.course.learner.trial import Verdict, try_out
from minillm.course.learner.turn import Turn
from minillm.course.turns import find
from minillm.errors import UserError

_hints_given: Counter[str] = Counter()  # by turn, since the kernel started


def your_turn(id: str) -> Callable[[Any], Any]:
    """Decorate a function or class that the lesson asks for; it is tried at once.

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
        if verdict.state == "right":
            show(Box(turn.id, verdict.state, (_keep(turn, thing, source),)))
            return thing
        show(Box(turn.id, verdict.state, tuple(_help(turn, verdict))))
        return turn.course

    return decide


def _keep(turn: Turn, thing: Any, source: str | None) -> str:
    """Save what passed; returns the sentences about it."""
    passed = f"It passes every check. From here on, `{turn.name}` is yours"
    if source is None:
        return f"{passed}. It is not saved, since its source cannot be found: write it in a notebook or in a file."
    try:
        save(turn, source, globals_of(thing))
    except CannotSave as reason:
        return f"{passed}. It is not saved: {reason}."
    return f"{passed}, and your workbook keeps it in `mine/{turn.topic}.py`."


def _help(turn: Turn, verdict: Verdict) -> list[str | dict[str, str]]:
    """The body of the box about what is not right yet."""
    if verdict.state == "not written yet":
        _hints_given[turn.id] = max(1, _hints_given[turn.id])
        waiting = f"Until you write it, the course's `{turn.name}` is used, so the cells below run."
        return [waiting, _hint(turn, 1)]
    body: list[str | dict[str, str]] = [" ".join(filter(None, [verdict.sentence, verdict.advice]))]
    if verdict.case:
        body.append(verdict.case)
    if verdict.printed.strip():
        body += ["It printed:", {line: "" for line in verdict.printed.strip().splitlines()}]
    _hints_given[turn.id] += 1
    body.append(_hint(turn, _hints_given[turn.id]))
    body.append(f"Until it is right, the course's `{turn.name}` is used, so the cells below run.")
    return body


def _hint(turn: Turn, number: int) -> str:
    if number > len(turn.hints):
        return "You have had every hint. The solution is folded away below this cell."
    return f"Hint {number} of {len(turn.hints)}: {turn.hints[number - 1]}"

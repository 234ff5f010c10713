"""`@your_turn`: try what the learner wrote at once, say what came out, and let the notebook go on either way."""

from collections import Counter
from collections.abc import Callable
from types import FunctionType
from typing import Any

from minillm.course.learner.box import Box, Code, Fold, Hints, Part, show
from minillm.course.learner.loading import load, save
from minillm.course.learner.noticing import notice_undecorated
from minillm.course.learner.source import CannotSave, globals_of, lines_below, source_of
from minillm.course.learner.trial import UNKNOWN, Verdict, try_out
from minillm.course.learner.turn import Turn
from minillm.course.turns import all_turns, find, turns
from minillm.errors import UserError

_hints_given: Counter[str] = Counter()  # by turn, since the kernel started
_tried: dict[str, str | None] = {}  # by turn, what was tried last


def your_turn(id: str, minutes: int = 0, difficulty: int = 0) -> Callable[[Any], Any]:
    """Decorate a function or class that the lesson asks for; it is tried at once.

    If it is right, it is kept as it is, and its source is saved in the workbook (`minillm.course.mine`). If it is not
    written yet or not right, the name gets what the learner saved before, or else the course's version, so that the
    cells below run in any case; the box below the cell says what is wrong. `minutes` and `difficulty` (1 to 5) tell the
    reader of the cell what to expect. Raises `UserError` for a turn that there is not.

    >>> @your_turn("04.causal_mask", minutes=5, difficulty=1)
    ... def causal_mask(T):
    ...     ...
    Your turn 04.causal_mask: not written yet
    Until you write it, the course's `causal_mask` runs in the cells below.
    For a hint, run the cell again as it is.
    >>> causal_mask(2)
    tensor([[ True, False],
            [ True,  True]])
    """
    if not isinstance(id, str):
        known = next((turn for turn in all_turns() if turn.name == getattr(id, "__name__", None)), all_turns()[0])
        raise UserError(f"write the name of the turn in the decorator: {known.decorator}")
    turn = find(id)

    def decide(thing: Any) -> Any:
        source = source_of(thing)
        verdict = try_out(turn, thing, source)
        if source is not None and _tried.get(turn.id) == source and verdict.state != "right":
            _hints_given[turn.id] += 1
        _tried[turn.id] = source
        right = verdict.state == "right"
        kept, owner = _stand_in(turn)
        body = _pass(turn, thing, source, verdict) if right else _help(turn, thing, verdict, owner)
        show(
            Box(
                f"Your turn {turn.id}: {verdict.state}",
                verdict.state,
                (*body, *_untried(turn, thing), *(_lost(turn) if right else ())),
            )
        )
        notice_undecorated(turn.id.partition(".")[0])
        return thing if right else kept

    return decide


def _stand_in(turn: Turn) -> tuple[Any, str]:
    """What the cells below use until the cell is right, and whose it is."""
    yours = load(turn.topic).yours
    if turn.id in yours:
        return yours[turn.id], f"your `{turn.name}` in `mine/{turn.topic}.py`, which passed before,"
    return turn.course, f"the course's `{turn.name}`"


def _pass(turn: Turn, thing: Any, source: str | None, verdict: Verdict) -> list[Part]:
    """Save what passed, and compare it with the course's version."""
    passed = f"Right, on all {verdict.checks} checks"
    if verdict.ready_made:
        home, _, name = verdict.ready_made.rpartition(".")
        whose = "the course's" if home.startswith("minillm") else f"{home.partition('.')[0]}'s"
        return [
            f"{passed}, by {whose} own `{name}`. It runs in the cells below. Try it by hand? Until then, "
            f"`{turn.name}` does not count as written."
        ]
    return [_keep(turn, thing, source, passed), *_debrief(turn)]


def _keep(turn: Turn, thing: Any, source: str | None, passed: str) -> str:
    """Save what passed; returns the sentences about it."""
    yours = f"{passed}. `{turn.name}` is yours now"
    if source is None:
        return f"{yours}. It is not saved, since its source cannot be found: write it in a notebook or in a file."
    try:
        save(turn, source, globals_of(thing))
    except CannotSave as reason:
        return f"{yours}. It is not saved: {str(reason).removesuffix('.')}."
    from minillm.course import home  # with much of the course, which no other cell needs

    home.renew()
    return f"{yours}: the cells below run on it, and `mine/{turn.topic}.py` keeps it."


def _debrief(turn: Turn) -> list[Part]:
    """The course's version, what production code does, and a question."""
    ours = Code(turn.solution)
    if turn.debrief is None:
        return [Fold("The course's version", (ours,))]
    return [
        Fold("The course's version, and what production code does", (ours, turn.debrief.production)),
        turn.debrief.why,
    ]


def _help(turn: Turn, thing: Any, verdict: Verdict, owner: str) -> list[Part]:
    """The body of the box about what is not right yet; `owner` says what runs until it is."""
    hints = Hints(turn.hints, _hints_given[turn.id])
    if verdict.state == "not written yet":
        body: list[Part] = [f"Until you write it, {owner} runs in the cells below."]
        if lines_below(thing):
            body.append("There are lines below the function. Do they belong inside it, indented?")
        return [*body, hints]
    body = [" ".join(filter(None, [verdict.sentence, verdict.advice]))]
    if verdict.line:
        body = [verdict.sentence, Code(verdict.line), *filter(None, [verdict.advice])]
    if verdict.case:
        body.append(Fold("The smallest case", (verdict.case,), is_open=verdict.advice == UNKNOWN))
    if verdict.printed.strip():
        body += ["It printed:", {line: "" for line in verdict.printed.strip().splitlines()}]
    return [*body, f"Until it is right, {owner} runs in the cells below.", hints]


def _untried(turn: Turn, thing: Any) -> list[str]:
    """A sentence for each turn of the lesson that a cell has defined without `@your_turn`, so that nothing tried it."""
    names = globals_of(thing) if isinstance(thing, FunctionType | type) else {}
    here = names.get("__name__", "")
    return [
        f"`{other.name}` was not tried: does its cell still begin with `{other.decorator}`?"
        for other in turns(turn.id.partition(".")[0])
        if other.id not in _tried and getattr(names.get(other.name), "__module__", None) == here
    ]


def _lost(turn: Turn) -> list[str]:
    """A sentence about the turns before this one that no cell has tried and no file keeps."""
    number = turn.id.partition(".")[0]
    earlier = turns(number)[: turns(number).index(turn)]
    kept = load(turn.topic).yours
    missing = [f"`{other.name}`" for other in earlier if other.id not in _tried and other.id not in kept]
    return (
        [f"Not run so far: {', '.join(missing)}. `python3 start.py reset {number}` brings a lost cell back."]
        if missing
        else []
    )

"""Stories for 12.4: events of texts that join, write, fork and leave, and what a message says of one event."""

import random
from collections.abc import Callable
from string import ascii_uppercase

from minillm.course.checks.asking import Call
from minillm.course.checks.inference_engine.paging import Event, Tables
from minillm.course.checks.plain import show


def story(rng: random.Random, n: int, page_size: int, kinds: str) -> list[Event]:
    """n events of some kinds besides joining and writing; one text always stays."""
    names, live, events = iter(ascii_uppercase), [], []
    while len(events) < n:
        kind = rng.choice(f"join write write {kinds}".split()) if live else "join"
        name = rng.choice(live) if live else None
        if kind == "join":
            live.append(next(names))
            events.append((kind, live[-1], rng.randint(1, 2 * page_size)))
        elif kind == "write":
            events.append((kind, name))
        elif kind == "fork":
            live.append(next(names))
            events.append((kind, name, live[-1]))
        elif len(live) > 1:
            live.remove(name)
            events.append((kind, name))
    return events


# Texts of three pages, of which those in front stay shared when the last has been copied
LONG = [("join", "A", 9), ("fork", "A", "B"), *[("write", "B")] * 2, ("write", "A"), ("leave", "B"), ("join", "C", 13)]


# Free pages on both sides of one that is held, and a text that needs more than the first gap has
GAP = [("join", "A", 2), ("join", "B", 2), ("join", "C", 1), ("leave", "A"), ("join", "D", 5)]
# The text that was there first writes first; then its copy of the last page is its own, and the old one the fork's
FIRST_WRITES = [("join", "A", 1), ("fork", "A", "B"), ("write", "A"), ("write", "B"), ("leave", "B"), ("join", "C", 1)]
# A page that is full stays shared, and comes back when its last holder has left
FULL = [
    ("join", "A", 2),
    ("fork", "A", "B"),
    ("write", "B"),
    ("leave", "A"),
    ("join", "C", 1),
    ("leave", "B"),
    ("join", "D", 3),
]
# A fork of a fork
THREE = [("join", "A", 1), ("fork", "A", "B"), ("fork", "B", "C"), ("write", "C"), ("write", "A"), ("write", "B")]
# A page comes free below one that a text has just copied
BELOW = [("join", "A", 1), ("join", "B", 5), ("fork", "B", "C"), ("write", "C"), ("leave", "A"), ("write", "C")]
FORKS = [(FIRST_WRITES, 2), (FULL, 2), (THREE, 2), (LONG, 4), (BELOW, 4)]
FORK_KINDS = (
    "the first text writing first",
    "a full shared page",
    "a fork of a fork",
    *["texts of several pages"] * 2,
)


def stories(kinds: str, *sizes: tuple[int, int]) -> Callable[[random.Random], list[Call]]:
    """The stories that all must know, as far as texts leave or fork in them; then for each (events, page_size) one."""
    known = FORKS if "fork" in kinds else [(GAP, 2)] if "leave" in kinds else []
    return lambda rng: [*known, *((story(rng, n, page_size, kinds), page_size) for n, page_size in sizes)]


def of_one_event(
    after: str, event: Event, before: Tables, tables: Tables, told: Tables, wrong: list[str], length: int, size: int
) -> tuple[str, str]:
    """What one event has done to the tables of the texts in `wrong`.

    `before` are the right tables before the event, `length` is what the event's text has then, in pages of `size`.
    """
    hint = "Write down who holds which page before that event, and what the rules say of it."
    for name in wrong:
        if name not in told:
            return f"{after} there is no table of {name}.", "The result tells of all texts that are present."
        if name not in tables:
            return f"{after} there is a table of {name}, who is not present.", "Remove it from the dictionary."
        if name not in event:
            hint = "Two texts may hold the same pages, but each needs a list of its own: `list(table)`, not `table`."
            return f"{after} another text's table has changed as well: that of {name}.", hint
    name = wrong[0]
    sentence = f"{after} the table of {name} is {show(told[name])}; right is {tables[name]}"
    return f"{sentence}: {_reason(event, before, tables, told, name, length, size)}.", hint


def _reason(event: Event, before: Tables, tables: Tables, told: Tables, name: str, length: int, size: int) -> str:
    """Why the right table is as it is."""
    kind, due, given = event[0], tables[name], told[name]
    held = sorted({page for table in before.values() for page in table})
    if type(given) is list and kind == "join" and len(given) != len(due):
        return f"{event[2]} tokens fill {len(due)} page{'s' * (len(due) > 1)} of {size}, not {len(given)}"
    if kind == "fork":
        return f"a fork holds the same pages as {event[1]}, {before[event[1]]}"
    if kind == "join":
        return f"the pages held before are {held}, and the smallest free ones are taken"
    last, others = before[name][-1], [other for other in before if other != name and before[name][-1] in before[other]]
    if length % size == 0:
        return f"its {length} tokens fill its pages of {size}, so a new page is appended; held before are {held}"
    room = f"with {length} tokens in pages of {size} its last page, {last}, has room"
    if others:
        return f"{room}, but {others[0]} holds it too, so the smallest free page takes its place; held are {held}"
    return f"{room}, and nobody else holds it, so the table stays as it is"

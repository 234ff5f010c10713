"""Which parts of a learner's file pass, without running those that are as they were when they passed.

`loading.load` runs a file, for which it imports torch; a list of what is done needs neither.
"""

import builtins

from minillm.course.contents import TOPICS, listed_turns
from minillm.course.learner.fingerprint import COURSE, fingerprint
from minillm.course.learner.saved import Saved, definitions, parse, read_text
from minillm.course.learner.source import global_names
from minillm.errors import UserError


def passed(topic: str) -> frozenset[str]:
    """The ids of the turns of a topic that the learner's file holds and that pass.

    The file is run if a part or its check has changed since the part passed. Raises only `KeyboardInterrupt`.
    """
    try:
        text = read_text(topic)
        saved = Saved() if text is None else parse(text)
        if _is_unchanged(topic, saved):
            return frozenset(saved.parts)
    except UserError:  # the file is damaged
        return frozenset()
    from minillm.course.learner.loading import load

    return frozenset(load(topic).yours)


def _is_unchanged(topic: str, saved: Saved) -> bool:
    """Whether every part has the source that passed the present check, and finds every name that it uses."""
    number = next(number for number, known in TOPICS.items() if known == topic)
    checks = {part.turn: part.check for part in saved.parts.values()}
    folder = COURSE / "turns" / topic
    if checks != {part.turn: fingerprint(folder, part.source) for part in saved.parts.values()}:
        return False
    defined = {name for part in saved.parts.values() for name in definitions(part.source)}
    used = {name for part in saved.parts.values() for name in global_names(part.source)}
    known = {turn.id for turn in listed_turns(number)}
    return checks.keys() <= known and used <= defined | saved.imports.keys() | set(dir(builtins))

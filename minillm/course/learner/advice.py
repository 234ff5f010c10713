"""What helps against an error that a learner's code raised, whatever the turn."""

import re

from minillm.course.learner.turn import Turn

ERRORS = {  # advice about an error that any turn may bring, by a pattern
    "calls deep": "Does it call itself? Inside `{name}`, that name is your own function: compute the result there, "
    "with a loop, not by a call per item.",
    "changed the input": "`x[...] = ...`, `-=`, `.append`, `.pop` and methods whose names end in `_` change "
    "what they're used on.",
    "'NoneType' object": "Something there is None: a search that found nothing, or a function without `return`.",
    "truth value|Boolean value": "`if`, `and`, `or`, `not` and `a <= x < b` take a single truth value. For tensors "
    "there are `&`, `|` and `~`, between comparisons in parentheses.",
    "bitwise_xor|unsupported operand type.s. for \\^": "In Python, a square is `**2`; `^` is another operator.",
    "local variable '(sum|max|min|len|range|math|torch)'": "A name that is assigned inside a function is its own "
    "there. Give your variable another name.",
    "name 'np' is not defined": "Import it in your cell: `import numpy as np`.",
    "list assignment index": "An empty list has no places yet: `.append(...)` makes one at its end.",
    "of type builtin_function_or_method": "A method needs parentheses to be called, even without arguments.",
    "is of type (map|filter|zip|reversed)": "It has computed nothing yet, and can be read once: make a list of it.",
    "'int' object is not iterable": "A loop runs over `range(n)`, not over n.",
    "'numpy.ndarray' object has no attribute": "That is a numpy array, which lacks the methods of a tensor.",
    r"not (Linear|Embedding|ModuleList)\b|'(Linear|Embedding|ModuleList)' and|and '(Linear|Embedding|ModuleList)'": (
        "A layer is called, like a function: `self.query(x)`."
    ),
}
FACTS = {  # advice where a result is right but for its form, by a pattern
    "with an axis of 1 too few": "`squeeze()` takes every axis of 1 away, and `[0]` takes one. Think of a single row.",
    "with an axis of 1 too many": "Is it made by `None`, `unsqueeze`, `keepdim`, a batch or a slice? Leave it out.",
    r"right numbers in another shape\.": "Only the shape is wrong: are sizes swapped, or axes joined and never split?",
    "right numbers in another (shape and )?order": (
        "Their places are wrong: is something sorted, swapped or reshaped, or the wrong one taken out?"
    ),
}


def advice_on_fact(sentence: str) -> str:
    """What helps where a result is right but for its form; empty if nothing is known."""
    return next((advice for pattern, advice in FACTS.items() if re.search(pattern, sentence)), "")


def advice_on(turn: Turn, trouble: str) -> str:
    """What helps against an error: what the turn knows of it, or what is true of it anywhere."""
    known = next((advice for pattern, advice in ERRORS.items() if re.search(pattern, trouble)), "")
    return turn.advice(trouble) or known.format(name=turn.name)

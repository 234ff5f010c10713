"""00b.4: the rules of the four operations, and which of them a wrong dictionary of slopes breaks."""

import math
from collections.abc import Callable
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import difference, show

Step = tuple[str, str, tuple[str, ...]]  # name, operation, names of the inputs
Slopes = dict[str, float]

FORWARD: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "*": lambda a, b: a * b,
    "tanh": math.tanh,
    "exp": math.exp,
}
LOCAL: dict[str, Callable[..., tuple[float, ...]]] = {  # the slopes by each input, from the result and the inputs
    "+": lambda result, a, b: (1.0, 1.0),
    "*": lambda result, a, b: (b, a),
    "tanh": lambda result, a: (1 - result**2,),
    "exp": lambda result, a: (result,),
}


def forward(values: Slopes, steps: list[Step]) -> Slopes:
    """Every number by its name."""
    found = dict(values)
    for name, operation, inputs in steps:
        found[name] = FORWARD[operation](*(found[source] for source in inputs))
    return found


RULES: dict[str, dict[str, Callable[..., float]]] = {  # wrong local slopes, from the result, this input and the other
    "exp": {
        "e to the power of what came out": lambda out, a, _: math.exp(min(out, 700)),
        "what went in": lambda out, a, _: a,
        "1": lambda out, a, _: 1.0,
        "the input times what came out": lambda out, a, _: a * out,
        "1 - out²": lambda out, a, _: 1 - out**2,
    },
    "tanh": {
        "1 - the input²": lambda out, a, _: 1 - a**2,
        "1 - tanh(out)²": lambda out, a, _: 1 - math.tanh(out) ** 2,
        "1 - out": lambda out, a, _: 1 - out,
        "what came out": lambda out, a, _: out,
        "1": lambda out, a, _: 1.0,
        "1 + out²": lambda out, a, _: 1 + out**2,
        "out²": lambda out, a, _: out**2,
        "out² - 1": lambda out, a, _: out**2 - 1,
        "out · (1 - out), the slope of a sigmoid": lambda out, a, _: out * (1 - out),
        "(1 - out)²": lambda out, a, _: (1 - out) ** 2,
    },
    "*": {
        "the input itself": lambda out, a, b: a,
        "the product": lambda out, a, b: out,
        "1": lambda out, a, b: 1.0,
        "the sum of both": lambda out, a, b: a + b,
    },
    "+": {
        "the other input": lambda out, a, b: b,
        "the input itself": lambda out, a, b: a,
        "a half": lambda out, a, b: 0.5,
        "the sum": lambda out, a, b: out,
    },
}


def explained(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Where the walk begins, which operation's rule is broken, or the first name whose slope is wrong."""
    if any(type(answer) is not dict or set(answer) - set(wanted) for wanted, answer in zip(right, got, strict=True)):
        return None
    for wanted, answer in zip(right, got, strict=True):
        for name in wanted:
            if name not in answer:
                return f"{name!r} has no slope.", "Begin with 0 for every name, those of `values` and of `steps`."
    return (
        _start(calls, right, got)
        or _set_to_zero(calls, right, got)
        or _broken_rule(calls, got)
        or _nearest_to_the_end(calls, right, got)
    )


def _start(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Slopes that are right but for what the walk began with, or that are only nearly right."""
    starts = [answer[steps[-1][0]] for (_, steps), answer in zip(calls, got, strict=True)]
    numbers = [forward(values, steps)[steps[-1][0]] for values, steps in calls]
    scaled = [{name: slope * s for name, slope in wanted.items()} for wanted, s in zip(right, starts, strict=True)]
    if difference(numbers, starts) is None:
        return (
            "The walk back begins with the last number itself, and not with 1.",
            "The slope of a number by itself is 1.",
        )
    if difference(scaled, got) is None and not any(starts):
        return "All slopes are 0: the walk back begins with 0.", "The slope of the last number by itself is 1."
    pairs = [(wanted[name], answer[name]) for wanted, answer in zip(right, got, strict=True) for name in wanted]
    if all(abs(one - other) < 0.03 * max(1, abs(one)) for one, other in pairs):
        hint = "A slope that is measured by a nudge is never exact. Compute it by the chain rule."
        return "All slopes are nearly right, and not exact: they are measured by a nudge, or rounded.", hint
    return None


def _set_to_zero(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """Slopes that are 0: of all steps, or of all that the walk meets after a first slope of 0."""
    wrong = [
        (values, steps, wanted, answer, [name for name in wanted if difference(wanted[name], answer[name])])
        for (values, steps), wanted, answer in zip(calls, right, got, strict=True)
    ]
    wrong = [one for one in wrong if one[-1]]
    if any(answer[name] for *_, answer, names in wrong for name in names):
        return None
    if all(not set(names) & set(values) for values, *_, names in wrong):
        steps = all(not answer[name] for _, steps, _, answer, _ in wrong for name, *_ in steps)
        words = "those of the steps are all 0" if steps else "slopes of some steps are 0"
        hint = "A step keeps its slope after it has passed it on: do not reset it, and return all names."
        return f"The slopes of the given values are right, but {words}.", hint
    for _, steps, wanted, _, names in wrong:
        walk = steps[::-1]
        stop = next((index for index, (name, *_) in enumerate(walk) if not wanted[name]), len(walk))
        if set(names) - {source for _, _, inputs in walk[stop:] for source in inputs}:
            return None
    hint = "A slope of 0 ends one way only. Pass over this step (`continue`), and go on with the others."
    return (
        "After the first step whose slope is 0, all that the walk back still meets stays 0: does it stop there?",
        hint,
    )


def _broken_rule(calls: list[Call], got: list[Any]) -> tuple[str, str] | None:
    """The one operation whose slope is wrong: what comes to a name that is used once, over what its result has."""
    found: dict[str, list[tuple[float, float, float, float, float]]] = {}
    for (values, steps), slope in zip(calls, got, strict=True):
        numbers, used = forward(values, steps), [source for _, _, inputs in steps for source in inputs]
        for name, operation, inputs in steps:
            parts = LOCAL[operation](numbers[name], *map(numbers.get, inputs))
            for index, source in enumerate(inputs):
                if used.count(source) == 1 and abs(slope[name]) > 1e-6:
                    other = numbers[inputs[1 - index]] if len(inputs) > 1 else 0.0
                    factor = slope[source] / slope[name]
                    found.setdefault(operation, []).append(
                        (factor, parts[index], numbers[name], numbers[source], other)
                    )
    broken = [name for name, seen in found.items() if any(difference(wanted, f) for f, wanted, *_ in seen)]
    if len(broken) != 1:
        return None
    operation, seen = broken[0], found[broken[0]]
    for words, rule in RULES[operation].items():
        if not any(difference(rule(*numbers), factor) for factor, _, *numbers in seen):
            return (
                f"The slope of {operation} is taken to be {words}.",
                "Test it by a nudge: a small change of one input.",
            )
    factor, wanted, out, a, _ = next(one for one in seen if difference(one[1], one[0]))
    sentence = f"Only {operation} has a wrong slope: {show(factor)} instead of {show(wanted)}"
    return (
        f"{sentence}, where {show(a)} goes in and {show(out)} comes out.",
        "Test it by a nudge: a small change of one input.",
    )


def _nearest_to_the_end(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    """The first name, coming from the end, whose slope is wrong."""
    for (values, steps), wanted, answer in zip(calls, right, got, strict=True):
        for name in [*(name for name, _, _ in steps[::-1]), *values]:
            if difference(wanted[name], answer[name]):
                sentence = f"{name!r} has the slope {show(answer[name])} instead of {show(wanted[name])}"
                if name == steps[-1][0]:
                    return f"{sentence}; it is the last.", "The walk back begins with 1 for the last name, a number."
                ways = ", ".join(f"{result} ({operation})" for result, operation, inputs in steps if name in inputs)
                hint = "All slopes nearer to the end are right. Add up what comes to this name, one way after another."
                return f"{sentence}; it goes into {ways or 'nothing'}.", hint
    return None

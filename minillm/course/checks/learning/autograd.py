"""00b.4: reverse mode on a list of steps (Linnainmaa 1970; the list is what Wengert 1964 wrote down)."""

import random
from functools import partial

import torch

from minillm.course.checks.asking import Call
from minillm.course.checks.learning.rules import LOCAL, Slopes, Step, explained, forward
from minillm.course.checks.question import Question


def slopes(values: Slopes, steps: list[Step]) -> Slopes:
    """The right answer, by torch's autograd in double precision.

    >>> slopes({"w": 3.0}, [("loss", "*", ("w", "w"))])
    {'w': 6.0, 'loss': 1.0}
    """
    torch_has = {"+": torch.add, "*": torch.mul, "tanh": torch.tanh, "exp": torch.exp}
    with torch.enable_grad():
        found = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}
        for name, operation, inputs in steps:
            found[name] = torch_has[operation](*(found[source] for source in inputs))
        last = found[steps[-1][0]]
        grads = torch.autograd.grad(last, list(found.values()), allow_unused=True)
    return {name: 0.0 if grad is None else grad.item() for name, grad in zip(found, grads, strict=True)}


def _slopes(
    values, steps, *, local=None, add=True, once=False, order=-1, chain=True, all_ends=False, first=False, start=0.0
) -> Slopes:
    """The walk back by hand, with one thing done differently."""
    local = LOCAL | (local or {})
    found = forward(values, steps)
    used = {source for _, _, inputs in steps for source in inputs}
    sources = set(found) - used if all_ends else {steps[-1][0]}
    slope = {name: 1.0 if name in sources else start for name in found}
    for name, operation, inputs in steps[::order]:
        parts = dict(enumerate(local[operation](found[name], *(found[source] for source in inputs))))
        if once and inputs[0] == inputs[-1]:
            parts = {0: parts[0]}
        for index, part in parts.items():
            arrives = part * slope[name] if chain else part
            if not first or not slope[inputs[index]]:
                slope[inputs[index]] = slope[inputs[index]] * add + arrives
    return slope


def _trees(rng: random.Random) -> list[Call]:
    """Every number is used once: the lesson's graph, and others with tanh and exp."""

    def value() -> float:
        return rng.choice([-1, 1]) * rng.randint(2, 15) / 10

    lesson = [("a", "*", ("w", "x")), ("loss", "+", ("a", "b"))]
    bent = [("a", "*", ("w", "x")), ("c", "tanh", ("a",)), ("e", "exp", ("b",)), ("loss", "*", ("c", "e"))]
    deep = [("a", "+", ("w", "x")), ("c", "*", ("a", "b")), ("e", "exp", ("c",)), ("f", "tanh", ("e",))]
    deep += [("g", "*", ("f", "d")), ("loss", "tanh", ("g",))]
    names = "w", "x", "b"
    flat = [("a", "*", ("w", "x")), ("c", "tanh", ("a",)), ("loss", "+", ("c", "b"))]
    steep = [("a", "*", ("w", "x")), ("c", "exp", ("a",)), ("loss", "+", ("c", "b"))]
    large = {"w": 40.0, "x": rng.randint(18, 22) * 1.0, "b": value()}  # w · x > 709, so e^(w · x) overflows
    return [
        ({"w": value(), "x": value()}, [("loss", "*", ("w", "x"))]),
        ({name: value() for name in names}, lesson),
        ({name: value() for name in names}, bent),
        ({name: value() for name in (*names, "d")}, deep),
        (large, flat),
        (large | {"w": -20.0}, steep),
        ({"w": 0.0, "x": value(), "b": value()}, bent),
    ]


TREES = (
    "one step",
    "a product and a sum",
    *["tanh and exp"] * 2,
    "tanh of a large number",
    "exp of a large negative number",
    "a number that is 0",
)


def _random_graph(rng: random.Random, n_steps: int, aside: bool) -> Call:
    """Steps on what was there before, numbers of moderate size; with `aside`, some lead nowhere."""
    while True:
        values = {name: rng.choice([-1, 1]) * rng.randint(2, 15) / 10 for name in ("w", "x", "b")}
        steps: list[Step] = []
        found = dict(values)
        for index in range(n_steps):
            recent = [*found][-3:]  # so that most lead to the end
            inputs = rng.choice(recent), rng.choice(recent)
            operation = rng.choice(["+", "*", "*", "tanh", "exp" if found[inputs[0]] < 2 else "tanh"])
            steps.append((f"s{index}", operation, inputs if operation in "+*" else inputs[:1]))
            found = forward(values, steps)
        right = slopes(values, steps)
        complete = len(_only_the_way(values, steps)) == len(right)
        if complete != aside and max(map(abs, [*found.values(), *right.values()])) < 50:
            return values, steps


def _shared(rng: random.Random) -> list[Call]:
    square = {"w": rng.randint(2, 15) / 10}
    twice = [("a", "*", ("w", "w")), ("c", "+", ("a", "w")), ("e", "tanh", ("c",)), ("loss", "*", ("e", "c"))]
    return [(square, twice), *(_random_graph(rng, n_steps, aside=False) for n_steps in (5, 5, 6, 6, 7, 7, 8, 8, 10))]


def _aside(rng: random.Random) -> list[Call]:
    values = {name: rng.randint(2, 15) / 10 for name in ("w", "x", "b")}
    steps = [("a", "*", ("w", "w")), ("c", "exp", ("x",)), ("loss", "tanh", ("a",))]
    return [(values, steps), *(_random_graph(rng, n_steps, aside=True) for n_steps in (6, 6, 8, 8, 10, 12))]


question = Question(
    "00b.4", "Write an autograd", slopes, forbidden=("minillm", "torch.autograd", "torch.Tensor.backward")
)

used_once = question.probe("every number is used once", _trees, explained, kinds=TREES)
used_once.mistake(
    "The slope of a product by an input is taken to be that input itself.",
    "In a = w · x, one more w makes a larger by x. The slope by one input is the *other* input.",
    partial(_slopes, local={"*": lambda result, a, b: (a, b)}),
)
used_once.mistake(
    "Each step gives only its local slope: the chain rule is missing.",
    "Chain rule: the local slope times the slope that has arrived at its result.",
    partial(_slopes, chain=False),
)
used_once.mistake(
    "The slope of tanh is computed from what went in.",
    "It is 1 - tanh², so it needs the number that came out.",
    partial(_slopes, local={"tanh": lambda result, a: (1 - a**2,)}),
)
used_once.mistake(
    "The slope of exp is taken to be what went in.",
    "exp is its own slope: the number that came out.",
    partial(_slopes, local={"exp": lambda result, a: (a,)}),
)
used_once.mistake(
    "The walk goes from the front to the end.",
    "The slope is known at the last step only, so begin there: `reversed(steps)`.",
    partial(_slopes, order=1),
)
used_once.mistake(
    "Every slope begins at 1, not only that of the last step.",
    "Begin with 0 for every name, and with 1 for the last step.",
    partial(_slopes, start=1.0),
)
used_once.mistake(
    "Only the given values have a slope; the steps are missing.",
    "Return a slope for every name, those of the steps too.",
    lambda values, steps: {name: slope for name, slope in slopes(values, steps).items() if name in values},
)

used_again = question.probe("a number is used more than once", _shared, explained)
used_again.mistake(
    "A second path overwrites the slope of the first.",
    "Slopes of several paths add up: `+=` where you have `=`.",
    partial(_slopes, add=False),
)
used_again.mistake(
    "Only the first path counts; later ones are left out.",
    "Slopes of several paths add up: `+=`, also where there is a slope already.",
    partial(_slopes, first=True),
)
used_again.mistake(
    "w · w counts as one path.",
    "Both inputs are w, and each brings its slope. Walk through the inputs one by one, equal or not.",
    partial(_slopes, once=True),
)


@used_again.mistake(
    "A slope is passed on before it is complete, and then once more.",
    "Pass a name's slope on when all that use it have had their turn: go through the steps backwards.",
)
def _partial_sums(values, steps):
    found, slope = forward(values, steps), dict.fromkeys(forward(values, steps), 0.0)
    made = {name: (operation, inputs) for name, operation, inputs in steps}

    def arrive(name: str, amount: float) -> None:
        slope[name] += amount
        if name in made:
            operation, inputs = made[name]
            total = slope[name]
            for source, part in zip(inputs, LOCAL[operation](found[name], *map(found.get, inputs)), strict=True):
                arrive(source, part * total)

    arrive(steps[-1][0], 1.0)
    return slope


dead_ends = question.probe("numbers that lead nowhere", _aside, explained)


@dead_ends.mistake(
    "Names from which no path leads to the last step are missing.",
    "A nudge there changes nothing at the end, so their slope is 0. Begin with 0 for every name.",
)
def _only_the_way(values, steps):
    reached = {steps[-1][0]}
    for name, _, inputs in steps[::-1]:
        reached |= set(inputs) if name in reached else set()
    return {name: slope for name, slope in slopes(values, steps).items() if name in reached}


dead_ends.mistake(
    "The walk begins at every loose end, not at the last step alone.",
    "Only the last step's slope is 1 to begin with. A loose end has no effect on it: 0.",
    partial(_slopes, all_ends=True),
)

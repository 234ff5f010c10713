"""The tables from which a check explains a wrong answer: each entry is told by its own name, and by no other's.

An entry is the near miss of all others. Two that give the same results for all inputs of a probe could not be told
apart, and one of them would be told the other's mistake.
"""

import math
from functools import partial

import pytest
import torch
from answers import SEEDS

from minillm.course.checks import ask, find
from minillm.course.checks.feed_forward import common, experts, shards, writers
from minillm.course.checks.learning import autograd, rules, step
from minillm.course.checks.sampling import dial
from minillm.course.checks.sft import adapters, places, row

pytestmark = pytest.mark.usefixtures("as_users_call_it")


def sentence(id, answer, seed):
    """What is said of a wrong answer that may call the check's own functions."""
    question = find(id)
    result = question.grade(seed, (ask(answer, calls) for calls in question.calls(seed)))
    assert not result.passed
    return result.failure.sentence


def with_factor(function):
    def answer(pairs, weights):
        rank, (_, B, _) = sum(len(A) for A, _, _ in pairs), pairs[0]

        def factor(A, alpha, weight, ranks):
            return function(weight, alpha, len(A), rank, len(B), A.shape[1], weights)

        return adapters._with_factors(pairs, weights, factor=factor)

    return answer


def at_entropy(measure):
    """The temperature at which another measure has the wanted value."""

    def answer(logits, wanted):
        z = logits[logits.isfinite()].double()
        low, high = math.log(1e-7), math.log(1e7)
        for _ in range(70):
            middle = (low + high) / 2
            scaled = z / math.exp(middle)
            found = measure(dial.entropy_at(z, math.exp(middle)), scaled.softmax(-1), scaled)
            low, high = (middle, high) if found < wanted else (low, middle)
        return math.exp(low)

    return answer


def in_unit(unit):
    return lambda logits, wanted: dial.temperature_for(logits, wanted) / unit(logits[logits.isfinite()]).item()


def with_slope(operation, rule):
    """The walk back by hand, with another local slope of one operation: by its result, this input and the other."""

    def local(out, *inputs):
        return tuple(rule(out, one, other) for one, other in zip(inputs, inputs[::-1], strict=True))

    return lambda *call: autograd._slopes(*call, local={operation: local})


def laid_out(layout):
    def answer(conversations, length):
        right = row.pack_row(conversations, length)
        ids = places._filled(layout([list(ids) for ids, _ in conversations], length), length)
        return torch.tensor(ids), *right[1:]

    return answer


TABLES = {
    "00b.4": {
        f"The slope of {operation} is taken to be {words}.": with_slope(operation, rule)
        for operation, table in rules.RULES.items()
        for words, rule in table.items()
    },
    "09.4": {f"{words[0].lower()}{words[1:-1]}": laid_out(layout) for words, layout in places.LAYOUTS.items()},
    "09.3": {f"multiplied by {name};": with_factor(f) for name, f in adapters.FACTORS.items()},
    "07.3": {
        **{f"This is {name}.": lambda *call, f=f: f(dial.temperature_for(*call)) for name, f in dial.RETURNED.items()},
        **{f"divided by {name}.": in_unit(f) for name, f in dial.UNITS.items()},
        **{f"measured {name}.": at_entropy(f) for name, f in dial.MEASURED.items()},
    },
    "00b.2": {
        f", {name} is multiplied.": lambda *call, f=f: step._step(*call, tanh_slope=f)
        for name, f in step.TANH_SLOPES.items()
    },
}
# A search may run to its end, and two factors may be one where all ranks are equal: then more than one cause is named.
OPEN = ("or not the sum of -q ln q?", "or the result by the number of adapters.", "is wanted.")
OPEN += ("computed from what went in.", "taken to be that input itself.")  # the same in the words of a mistake


@pytest.mark.parametrize("seed", [*SEEDS, 11])
@pytest.mark.parametrize(("id", "words"), [(id, words) for id, table in TABLES.items() for words in table])
def test_an_entry_is_told_by_its_own_name_and_by_no_other(id, words, seed):
    said = sentence(id, TABLES[id][words], seed)
    both = f"{words}, or" in said or f"or {words}" in said  # a row with one conversation fits two
    assert both or not any(other in said for other in TABLES[id] if other != words)
    assert words in said or any(part in said for part in OPEN)


@pytest.mark.parametrize("seed", [*SEEDS, 11])
@pytest.mark.parametrize("name", common.OTHER_ACTIVATIONS)
@pytest.mark.parametrize("id", ["05.1", "05.2", "05.3"])
def test_every_other_activation_is_called_one(id, name, seed):
    other = common.OTHER_ACTIVATIONS[name]
    answers = {
        "05.1": partial(writers._firing, fire=lambda gate, up: other(gate) * up),
        "05.2": partial(shards._by_shards, fire=lambda x, gate, up: other(x @ gate.T) * (x @ up.T)),
        "05.3": partial(experts._fired, fire=lambda gate, up: other(gate) * up),
    }
    assert sentence(id, answers[id], seed) == "The gate goes through another activation than SiLU."

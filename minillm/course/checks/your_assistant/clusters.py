"""14.1, a bug-hunt: a paired test whose questions come in groups, each about one text.

The lesson's test is a coin for each question that differs. The questions of one text stand or fall together, so the
coin belongs to the text. Miller 2024 ("Adding error bars to evals") corrects standard errors for the same reason.
"""

import random
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import as_tensor
from minillm.course.checks.question import Question
from minillm.course.checks.your_assistant.signs import (
    added_or_not,
    by_runs,
    cluster_test,
    clustered_errors,
    differences,
    distinct,
    flipped,
    from_differences,
    in_64_bits,
    mean_differences,
    none_differs,
    normal_test,
    on_kept,
    per_question,
    replaced,
    sign_test,
    ties_half,
    unpaired_test,
    without_texts,
)


def _answers(rng: random.Random, both: Sequence[tuple[int, int, int]], names: Sequence[Hashable]) -> Call:
    """Answers to the questions of each text: how many only a has right, only b, and how many don't differ."""
    rows = []
    for (only_a, only_b, same), name in zip(both, names, strict=True):
        pairs = [(True, False)] * only_a + [(False, True)] * only_b
        pairs += [(here, here) for here in (rng.random() < 0.5 for _ in range(same))]
        rng.shuffle(pairs)
        rows += [(*pair, name) for pair in pairs]
    return tuple([row[column] for row in rows] for column in range(3))


def _shuffled(rng: random.Random, call: Call) -> Call:
    rows = list(zip(*call, strict=True))
    rng.shuffle(rows)
    return tuple([row[column] for row in rows] for column in range(3))


def _unreadable(rng: random.Random, call: Call, n: int) -> Call:
    """The same, with wrong answers of each model that couldn't be read: `n` where the other was right, 2 where not."""
    a, b, texts = (list(column) for column in call)
    for ours, theirs in ((a, b), (b, a)):
        missed = [i for i, answer in enumerate(ours) if answer is False]
        rng.shuffle(missed)
        for other, most in ((True, n), (False, 2)):
            for i in [i for i in missed if theirs[i] is other][:most]:
                ours[i] = None
    return a, b, texts


def _few(rng: random.Random) -> list[Call]:
    """Texts of different lengths; one model is ahead in most of them."""
    first = _answers(rng, [(2, 0, 0), (2, 0, 0), (0, 1, 0)], ["x", "y", "z"])
    second = _answers(rng, [(3, 0, 1), (2, 1, 0), (0, 3, 2), (1 + rng.randrange(2), 0, 4)], range(4))
    third = _answers(
        rng,
        [(0, 4 + rng.randrange(3), 1), (0, 3, rng.randrange(3)), (1, 2, 0), (2, 0, 1), (0, 1, 3), (0, 2, 2), (1, 1, 1)],
        range(7),
    )
    return [first, second, third]


def _any_order(rng: random.Random) -> list[Call]:
    """Answers that couldn't be read, and questions of one text that aren't neighbors."""
    plain = _answers(rng, [(4, 0, 2), (3, 1, 1), (0, 2, 3), (2, 1, 2), (1, 0, 2)], range(5))
    mixed = _answers(rng, [(1, 5, 1), (0, 3, 2), (2, 1, 1), (0, 2, 2), (1, 0, 3), (0, 3, 1)], list("qrstuv"))
    tiny: Call = ([True, True, True, False], [None, None, False, True], ["x", "x", "y", "z"])
    return [tiny, _unreadable(rng, plain, 3), _shuffled(rng, _unreadable(rng, mixed, 4))]


def _many(rng: random.Random) -> list[Call]:
    """Nothing differs, an even split, and more texts than signs can be listed for."""

    def crowd(n: int, ahead: int) -> Call:
        sizes = [(rng.randrange(1, 4), 0, 1) if i < (n + ahead) // 2 else (0, rng.randrange(1, 4), 1) for i in range(n)]
        return _shuffled(rng, _answers(rng, sizes, range(n)))

    even = _answers(rng, [(2, 0, 1), (0, 2, 1), (1, 1, 0)], ["x", "y", "z"])
    nothing = _answers(rng, [(0, 0, 2), (0, 0, 1)], ["x", "y"])
    return [crowd(60, 8), crowd(200, -20), nothing, even]  # what never ends shows the first one


FEW = ("three texts", "four texts", "seven texts")
ORDER = ("three texts", "texts in order", "texts in any order")
MANY = ("60 texts", "200 texts", "no difference", "an even split")
P = "p is one number from 0 to 1: the probability of a sum at least as far from 0 as the one seen."
COIN = "The coin belongs to the text: flip the sign of a text's whole difference."
REACHED = "Two sums can lead to the same one. Add to its number of ways; begin with 0."
CURVE = "With few texts it's off. Count in how many ways each sum comes out."
UNREAD = "None is an answer that couldn't be read, so it's wrong. It still counts as a question."


def _form(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str, int] | None:
    """Not one number from 0 to 1."""
    for index, answer in enumerate(got):
        tensor = as_tensor(answer)
        if tensor is None or tensor.numel() != 1 or type(answer) is bool:
            return "The result isn't one number.", P, index
        value = float(tensor)
        if value != value:
            return "p isn't a number: is something divided by 0?", P, index
        if value > 1 + 1e-9:
            fits = abs(right[index] - 1) < 1e-9 and value <= 2
            hint = "With a sum of 0, both tails hold the middle. Then p is 1." if fits else P
            return f"p is {value:.3g}, more than 1.", hint, index
        if value < 0:
            return f"p is {value:.3g}, less than 0.", P, index
    return None


def _nearly(calls: list[Call], right: list[Any], got: list[Any]) -> tuple[str, str] | None:
    off = [abs(float(gave) - due) for due, gave in zip(right, got, strict=True)]
    if max(off) < 0.05 and sum(each > 1e-9 for each in off) > 1:  # one that is right elsewhere isn't a simulation
        return "This is nearly p.", "A simulation, or a curve, only comes close. Count the signs exactly."
    return None


question = Question("14.1", "Questions about one text aren't separate coins", cluster_test)

few = question.probe("a few texts", _few, _form, kinds=FEW)
few.at_last = _nearly
for _sentence, _hint, _answer in (
    ("Each question is a coin, as if the questions of a text were independent.", COIN, per_question),
    (
        "Each text has one vote: by how many questions a model is ahead in it isn't counted.",
        "Add the differences, not only their signs: a text with a difference of 2 moves the sum by 2.",
        from_differences(sign_test),
    ),
    (
        "Only sums farther from 0 than the one seen are counted.",
        "At least as far: the sum that was seen counts, too.",
        from_differences(partial(flipped, counts=lambda total, seen: abs(total) > abs(seen))),
    ),
    (
        "This is half of p: of a choice of signs and its mirror image, only one is counted.",
        "You didn't know which of the two would be ahead. Compare absolute values, and flip all texts.",
        from_differences(partial(flipped, counts=lambda total, seen: total >= abs(seen))),
    ),
    (
        "Sums above the one seen are counted, so where b is ahead, nearly all of them.",
        "Either model may be ahead. Compare absolute values: `abs(total) >= abs(seen)`.",
        from_differences(partial(flipped, counts=lambda total, seen: total >= seen)),
    ),
    (
        "Where b is ahead, p is 1: the sum that was seen keeps its sign.",
        "Either model may be ahead. Take the absolute value of both: `abs(total) >= abs(seen)`.",
        from_differences(partial(flipped, counts=lambda total, seen: abs(total) >= seen)),
    ),
    (
        "Sums exactly as far from 0 as the one seen count half.",
        "At least as far: the sum that was seen counts in full.",
        from_differences(ties_half),
    ),
    (
        "1 is added to both counts, as after a simulation.",
        "Here all choices of signs are counted, and the one seen is among them already.",
        from_differences(lambda values: (1 + flipped(values) * 2 ** len(values)) / (1 + 2 ** len(values))),
    ),
    (
        "Each different sum is counted once, however many choices of signs lead to it.",
        "Count choices: keep for each sum in how many ways it can be reached.",
        from_differences(distinct),
    ),
    (
        "A sum that is reached again forgets how it was reached before.",
        REACHED,
        from_differences(partial(replaced, both=True)),
    ),
    (
        "A sum that is reached by subtracting forgets how it was reached by adding.",
        REACHED,
        from_differences(partial(replaced, both=False)),
    ),
    (
        "Each text adds its difference or nothing.",
        "The coin chooses the sign: add the difference to every sum, or subtract it.",
        from_differences(added_or_not),
    ),
    (
        "Only the first text has been flipped.",
        "Is `return` inside the loop over texts? Count when all have been flipped.",
        from_differences(lambda values: (abs(values[0]) >= abs(sum(values))) * 2 / 2 ** len(values)),
    ),
    ("This is a normal approximation with clustered standard errors, which isn't exact.", CURVE, clustered_errors),
    (
        "Only the very sum that was seen is counted, not those farther from 0.",
        "At least as far: `abs(total) >= abs(seen)`.",
        from_differences(partial(flipped, counts=lambda total, seen: abs(total) == abs(seen))),
    ),
    (
        "The differences lose their signs before they are added: the sum seen is too large.",
        "What was seen is the sum of the differences, with their signs. Take its absolute value after that.",
        from_differences(lambda values: flipped([abs(value) for value in values])),
    ),
    (
        "Each text's difference is divided by the number of its questions.",
        "A text with more questions has more to say. Add numbers of questions, not shares.",
        lambda a, b, texts: flipped(mean_differences(a, b, texts)),
    ),
    ("This is the normal approximation, which isn't exact.", CURVE, from_differences(normal_test)),
    (
        "Two shares are compared as if the models had answered different questions.",
        "Both answered the same ones, about the same texts. Take the difference text by text.",
        unpaired_test,
    ),
    (
        "The ways are counted over texts with a difference, and divided by 2 to the number of all texts.",
        "Both signs of a text without a difference give the same sum. Leave it out of both counts, or of neither.",
        from_differences(lambda values: flipped([v for v in values if v]) / 2 ** values.count(0)),
    ),
    (
        "The ways are divided by 2 to the number of questions.",
        "One coin for each text: 2 to the number of texts.",
        lambda a, b, texts: cluster_test(a, b, texts) * 2.0 ** (len(set(texts)) - len(a)),
    ),
    (
        "The result is 1 - p.",
        "Return p itself: small if equal models would hardly differ so much.",
        lambda a, b, texts: 1 - cluster_test(a, b, texts),
    ),
):
    few.mistake(_sentence, _hint, _answer)

order = question.probe("answers that couldn't be read, and texts in any order", _any_order, _form, kinds=ORDER)
order.at_last = _nearly
for _sentence, _hint, _answer in (
    (
        "A question is left out if either answer couldn't be read, so a model that says nothing loses nothing.",
        UNREAD,
        partial(on_kept, keep=lambda x, y, text: x is not None and y is not None),
    ),
    ("Questions that a couldn't answer are left out.", UNREAD, partial(on_kept, keep=lambda x, y, text: x is not None)),
    ("Questions that b couldn't answer are left out.", UNREAD, partial(on_kept, keep=lambda x, y, text: y is not None)),
    ("A text is left out if any answer about it couldn't be read.", UNREAD, without_texts),
    ("None and False count as a difference, but both are wrong.", UNREAD, none_differs),
    (
        "An answer that couldn't be read counts as right.",
        UNREAD,
        lambda a, b, texts: flipped(differences(a, b, texts, lambda x: int(x is not False))),
    ),
    (
        "An answer that couldn't be read counts as half right.",
        UNREAD,
        lambda a, b, texts: flipped(differences(a, b, texts, lambda x: 0.5 if x is None else float(x))),
    ),
    (
        "An answer that couldn't be read costs a point, as if it were worse than a wrong one.",
        UNREAD,
        lambda a, b, texts: flipped(differences(a, b, texts, lambda x: -1 if x is None else int(x))),
    ),
    (
        "Only neighbors belong to one text: where another text comes between, a new group begins.",
        "Collect by the text's name, for example in a dictionary. `groupby` sees neighbors only.",
        by_runs,
    ),
    ("Each question is a coin, as if the questions of a text were independent.", COIN, per_question),
):
    order.mistake(_sentence, _hint, _answer)

many = question.probe("an even split, and hundreds of texts", _many, _form, kinds=MANY)
many.at_last = _nearly
for _sentence, _hint, _answer in (
    (
        "Where the sum is 0, p isn't 1.",
        "Every sum is at least as far from 0 as 0 is.",
        from_differences(lambda values: flipped(values) if sum(values) else 0.0),
    ),
    (
        "With 200 texts, the ways don't fit into 64 bits: the numbers overflow.",
        "Python's own whole numbers have no limit. Or keep probabilities: halve them with each text.",
        from_differences(in_64_bits),
    ),
    (
        "The normal approximation is taken.",
        "Python's whole numbers have no limit: go through the texts, and keep in how many ways each sum comes out.",
        from_differences(normal_test),
    ),
):
    many.mistake(_sentence, _hint, _answer)

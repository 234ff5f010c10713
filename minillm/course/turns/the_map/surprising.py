"""00.surprise: the information of a text, in bits (Shannon 1948, "A mathematical theory of communication")."""

import math
import random
from typing import Any

from minillm.course.checks.asking import Call
from minillm.course.checks.plain import NUMBERS
from minillm.course.checks.probe import Explanation
from minillm.course.learner.turn import Debrief, Turn


def surprise(probabilities):
    """The surprise of a text in bits, from the probabilities that its tokens had."""
    return sum(-math.log2(p) for p in probabilities)


turn = Turn(
    "00.surprise",
    "Surprise in bits",
    surprise,
    minutes=5,
    difficulty=2,
    hints=(
        "A token with probability 1/2 carries 1 bit, one with 1/4 carries 2 bits. And one with 1/8?",
        "`math.log2(1/8)` is -3. What do two tokens carry together, if the first carries 1 bit and the second 3?",
        "Go through the probabilities, and add up minus the `math.log2` of each.",
    ),
    errors={
        "name '(log|log2)' is not defined": "It's in the module `math`: `math.log2`.",
        "math domain error|expected a positive|must be greater": "0 has no logarithm. Is it a number from `range`? "
        "Is it 1 - p? Or a long product of probabilities, rounded to 0? Take the logarithm of each p, then add.",
        "cannot be interpreted as an integer": "`range` takes a number. `for p in probabilities` goes through a list.",
        "must be real number, not (generator|map)|builtin_function_or_method": "First the logarithm of each, then "
        "their sum: `sum` takes them all, `math.log2` one at a time.",
        r"for \+: '(int|float)' and 'list'": "An item of the sum is a list: leave out the brackets around "
        "each logarithm.",
        "must be real number, not list|unsupported operand.*'list'|bad operand type for unary -: 'list'": "`math.log2` "
        "takes one number at a time: go through the list.",
        "'float' object is not iterable|'int' object is not iterable|object is not subscriptable": "`sum` takes "
        "a list; a single number has nothing to add up.",
        "'list' object has no attribute": "`probabilities` is a plain list of numbers.",
        "values to unpack": "Texts have different numbers of tokens: go through the list in a loop.",
        "index out of range": "Texts have different numbers of tokens: `for p in probabilities` takes each once.",
        "must be Tensor, not (list|float)": "`probabilities` is a plain list, and `math.log2` takes a plain number.",
        r"division by zero.*log\(2": "In `math.log(x, base)`, the base comes second. `math.log2(x)` needs none.",
        "referenced before assignment|cannot access local variable": "A total that grows needs a beginning: `total = "
        "0` above the loop.",
    },
    debrief=Debrief(
        "Libraries add natural logarithms, so their unit is the nat, 1.44 bits. The mean per token is the loss that "
        "training lowers.",
        "A model gives a token the probability 0, and the token comes. What's the surprise?",
    ),
)


def _powers(rng: random.Random) -> list[Call]:
    """Powers of 1/2, whose surprise is known by heart."""
    return [([0.5, 0.125],), ([0.25],), ([0.5, 0.25, 0.5, 0.0625],), ([0.25, 0.5, 0.5],)]


def _any(rng: random.Random) -> list[Call]:
    def some(n: int) -> list[float]:
        return [round(rng.uniform(0.02, 0.98), 2) for _ in range(n)]

    return [([0.9, 0.01, 0.3],), (some(2),), (some(5),), (some(9),)]


def _rare(rng: random.Random) -> list[Call]:
    """Tokens that were certain, and tokens that hardly ever come."""
    return [([1.0, 0.5, 1.0],), ([1e-15, 0.5],), ([0.25, 1e-9],)]


def _long(rng: random.Random) -> list[Call]:
    """So many tokens that the product of their probabilities is 0 to a computer."""
    return [([round(rng.uniform(0.001, 0.5), 3) for _ in range(n)],) for n in (800, 1500)]


def _kind(calls: list[Call], right: list[Any], got: list[Any]) -> Explanation | None:
    """A result that isn't a single number, or is below 0."""
    for index, answer in enumerate(got):
        if type(answer) in (list, tuple) and len(answer) == len(calls[index][0]):
            return "That's a surprise for each token.", "The surprise of the text is their sum: one number.", index
        if type(answer) is str:
            return "That's text.", "Return a number; what it looks like when printed comes later.", index
        if type(answer) in NUMBERS and answer < -1e-9:
            hint = "Surprise is minus the logarithm: 1/2 carries 1 bit, 1/4 carries 2."
            return "The surprise is negative.", hint, index
    return None


def _running(probabilities: list[float]) -> float:
    """The surprises of all beginnings of the text, added up."""
    return sum(surprise(probabilities[:end]) for end in range(1, len(probabilities) + 1))


def _first(probabilities: list[float]) -> float:
    return -math.log2(probabilities[0])


powers = turn.probe("halves, quarters, eighths", _powers, _kind)
powers.mistake(
    "The sign is missing: the result is the logarithm of the text's probability.",
    "A logarithm of a number below 1 is negative. Surprise is minus the logarithm.",
    lambda probabilities: -surprise(probabilities),
)
powers.mistake(
    "The logarithm is the natural one, so the unit is the nat.",
    "For bits, take `math.log2`.",
    lambda probabilities: surprise(probabilities) * math.log(2),
)
powers.mistake(
    "The logarithm is the natural one, and the sign is missing.",
    "For bits, take minus `math.log2`.",
    lambda probabilities: -surprise(probabilities) * math.log(2),
)
powers.mistake(
    "The logarithm has the base 10.",
    "For bits, take `math.log2`.",
    lambda probabilities: surprise(probabilities) * math.log10(2),
)
powers.mistake(
    "This is the mean surprise per token.",
    "The surprise of the text is the sum. The mean is the loss, which comes later.",
    lambda probabilities: surprise(probabilities) / len(probabilities),
)
powers.mistake(
    "This is the mean surprise per token, in nats: the loss.",
    "The surprise of the text is the sum, and in bits: minus `math.log2` of each.",
    lambda probabilities: surprise(probabilities) * math.log(2) / len(probabilities),
)
powers.mistake(
    "The probabilities are added up before the logarithm.",
    "Take the logarithm of each, then add. The sum of probabilities has no meaning here.",
    lambda probabilities: -math.log2(sum(probabilities)),
)
powers.mistake(
    "The probabilities are added up, without a logarithm.",
    "Add up minus `math.log2` of each. `p = ...` inside a loop doesn't change the list.",
    lambda probabilities: sum(probabilities),
)
powers.mistake(
    "Tokens with 1/2 or more are left out.",
    "Every token counts; one with 1/2 carries 1 bit.",
    lambda probabilities: surprise([p for p in probabilities if p < 0.5]),
)
powers.mistake(
    "Equal probabilities count once.",
    "Every token counts: go through the list itself, not a `set` or the keys of a `dict`.",
    lambda probabilities: surprise(set(probabilities)),
)
powers.mistake(
    "The probabilities are averaged before the logarithm.",
    "Take the logarithm of each probability, then add.",
    lambda probabilities: -math.log2(sum(probabilities) / len(probabilities)),
)
powers.mistake(
    "The probabilities are averaged before the logarithm, and the result is multiplied by their number.",
    "Take the logarithm of each probability, then add.",
    lambda probabilities: -len(probabilities) * math.log2(sum(probabilities) / len(probabilities)),
)
powers.mistake(
    "The probabilities are divided by their sum first.",
    "They belong to different choices, and needn't add up to 1: take the logarithm of each as it is.",
    lambda probabilities: surprise([p / sum(probabilities) for p in probabilities]),
)
powers.mistake(
    "Early tokens count again and again: the logarithm of a running product is added in every round.",
    "Each round adds minus the logarithm of its own probability.",
    _running,
)
powers.mistake(
    "Each surprise is 1 over what it should be.",
    "In `math.log(x, base)`, the base comes second. `math.log2(x)` needs none.",
    lambda probabilities: sum(-1 / math.log2(p) for p in probabilities),
)
powers.mistake(
    "Every token counts 3 bits, whatever its probability.",
    "Is `p` the 1/8 of the cell above? Use the name that your loop gives.",
    lambda probabilities: 3.0 * len(probabilities),
)
powers.mistake(
    "Each token counts more bits than it carries.",
    "1/2 carries 1 bit, 1/4 carries 2, and 0.3 carries 1.74. What does yours say of each?",
    lambda probabilities: surprise(probabilities) + len(probabilities),
)
powers.mistake(
    "This is the surprise of every token not coming: 1 - p in place of p.",
    "These tokens came: minus `math.log2(p)` of each.",
    lambda probabilities: sum(-math.log2(1 - p) for p in probabilities),
)
powers.mistake(
    "Each surprise is weighted by its probability: this is the formula of entropy.",
    "These tokens did come. Add up minus the logarithm of each, unweighted.",
    lambda probabilities: sum(-p * math.log2(p) for p in probabilities),
)
powers.mistake(
    "Only the first token counts.",
    "Is `return` inside the loop? It ends the function in the first round.",
    _first,
)
powers.mistake(
    "The first probability itself is added, in place of its surprise.",
    "`reduce` begins with the first item unless you give it a beginning: 0.",
    lambda probabilities: probabilities[0] + surprise(probabilities[1:]),
)
powers.mistake(
    "Only the last token counts.",
    "Does each round overwrite the last, or take it out again? Add to a total, with `+=`.",
    lambda probabilities: -math.log2(probabilities[-1]),
)
powers.mistake(
    "The first token is left out.",
    "`range(1, n)` and `[1:]` leave it out. Its probability counts like every other.",
    lambda probabilities: surprise(probabilities[1:]),
)
powers.mistake(
    "The last token is left out.",
    "`range(n - 1)` and `[:-1]` leave it out. Its probability counts like every other.",
    lambda probabilities: surprise(probabilities[:-1]),
)
powers.mistake(
    "Only the most surprising token counts.",
    "Every token adds its surprise: sum, not max.",
    lambda probabilities: -math.log2(min(probabilities)),
)
powers.mistake(
    "This is the probability of the text.",
    "Its surprise is minus the logarithm of that, to the base 2.",
    lambda probabilities: math.prod(probabilities),
)
powers.mistake(
    "This is 1 over the probability of the text.",
    "Take the logarithm of that, to the base 2.",
    lambda probabilities: 1 / math.prod(probabilities),
)
powers.mistake(
    "Surprise is not 1 - p.",
    "Two tokens with 1/2 carry 1 bit each: minus the logarithm of p, to the base 2.",
    lambda probabilities: sum(1 - p for p in probabilities),
)
powers.mistake(
    "Each surprise is 1 / p.",
    "Take the logarithm of that: 1/4 carries 2 bits, not 4.",
    lambda probabilities: sum(1 / p for p in probabilities),
)
powers.mistake(
    "The result is the perplexity: 2 to the power of the mean surprise.",
    "The surprise of the text is the sum, in bits.",
    lambda probabilities: 2 ** (surprise(probabilities) / len(probabilities)),
)
powers.mistake(
    "The surprise of the text is squared, or multiplied by the number of tokens.",
    "Each token adds its surprise once. Is a sum inside a loop over the same list?",
    lambda probabilities: surprise(probabilities) * len(probabilities),
)
powers.mistake(
    "The surprise is in bytes.",
    "1 byte is 8 bits. Bits are asked for.",
    lambda probabilities: surprise(probabilities) / 8,
)
powers.mistake(
    "The surprises are multiplied.",
    "Probabilities multiply, so their logarithms add up.",
    lambda probabilities: math.prod(-math.log2(p) for p in probabilities),
)

any_numbers = turn.probe("any probabilities", _any, _kind)
any_numbers.mistake(
    "The result is a whole number.",
    "Bits may be fractions: no rounding, no `int`, no `//`.",
    lambda probabilities: float(round(surprise(probabilities))),
)
any_numbers.mistake(
    "The result is cut to a whole number.",
    "Bits may be fractions: no `int`, no `//`.",
    lambda probabilities: float(math.floor(surprise(probabilities))),
)
any_numbers.mistake(
    "The result is rounded up to a whole number.",
    "Bits may be fractions: no rounding.",
    lambda probabilities: float(math.ceil(surprise(probabilities))),
)
any_numbers.mistake(
    "Each token's surprise is rounded up to whole bits.",
    "Bits may be fractions: a token with 0.9 carries 0.15 bits.",
    lambda probabilities: float(sum(math.ceil(-math.log2(p)) for p in probabilities)),
)
any_numbers.mistake(
    "Each token's surprise is rounded down to whole bits.",
    "Bits may be fractions: a token with 0.9 carries 0.15 bits.",
    lambda probabilities: float(sum(math.floor(-math.log2(p)) for p in probabilities)),
)
any_numbers.mistake(
    "Each token's surprise is rounded to whole bits.",
    "Bits may be fractions: a token with 0.9 carries 0.15 bits.",
    lambda probabilities: float(sum(round(-math.log2(p)) for p in probabilities)),
)
any_numbers.mistake(
    "The surprise is rounded to two digits.",
    "Leave all digits; rounding comes when it is printed.",
    lambda probabilities: round(surprise(probabilities), 2),
)
any_numbers.mistake(
    "The surprise is rounded to one digit.",
    "Leave all digits; rounding comes when it is printed.",
    lambda probabilities: round(surprise(probabilities), 1),
)
any_numbers.mistake(
    "What did not come counts as well: the logarithms of 1 - p are added.",
    "Only the tokens that came count: minus `math.log2(p)` of each.",
    lambda probabilities: sum(-math.log2(p) - math.log2(1 - p) for p in probabilities),
)
rare = turn.probe("certain tokens and rare ones", _rare, _kind)
for small in (1e-3, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12):
    rare.mistake(
        f"No token carries more than {-math.log2(small):.0f} bits: {small:g} is added to p, or p can't fall below it.",
        "No token that came had the probability 0: take the logarithm of p itself.",
        lambda probabilities, small=small: surprise([p + small for p in probabilities]),
    )
rare.mistake(
    "No token carries more than 10 bits: p can't fall below 0.001.",
    "No token that came had the probability 0: take the logarithm of p itself.",
    lambda probabilities: surprise([max(p, 0.001) for p in probabilities]),
)
long = turn.probe("a long text", _long, _kind)
long.mistake(
    "The product of all probabilities is rounded to 0, and the surprise of 0 is infinite.",
    "Take the logarithm of each probability, then add.",
    lambda probabilities: math.inf,
)

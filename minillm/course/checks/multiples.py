"""What a wrong single number has to do with the right one: a factor or a difference that all results share."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

FACTORS = {
    math.log(2): "in nats where bits are right, or the other way round: it is ln 2 times the right one",
    1 / math.log(2): "in bits where nats are right, or the other way round: it is 1 / ln 2 times the right one",
}


def multiples(sizes: Iterable[tuple[str, int]], right: Any, got: Any) -> Iterator[str]:
    """What is true of one result by chance, but hardly of several; `sizes` are the call's, with their names.

    >>> list(multiples([("`n`", 4)], 0.5, 2.0))
    ['is the right one times `n`', 'is 4 times the right one', 'is the right one plus 1.5']
    """
    wanted, gave = (value.item() if type(value) is Tensor and value.numel() == 1 else value for value in (right, got))
    if type(wanted) is not float or type(gave) is not float or not 1e-6 < abs(wanted) < math.inf:
        return
    factor = gave / wanted
    for name, size in sizes:
        for value, words in ((size, "times"), (1 / size, "divided by")):
            if math.isclose(factor, value, rel_tol=1e-3):
                yield f"is the right one {words} {name}"
    for value, sentence in FACTORS.items():
        if math.isclose(factor, value, rel_tol=1e-3):
            yield f"is {sentence}"
    if math.isfinite(factor) and factor and abs(factor - 1) > 1e-3:
        yield f"is {factor:.4g} times the right one"
    if math.isfinite(gave) and abs(gave - wanted) > 1e-3:
        yield f"is the right one {'plus' if gave > wanted else 'minus'} {abs(gave - wanted):.3g}"
